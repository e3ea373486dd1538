"""``tfkit verify`` as a process: what it prints, its JSON to the letter, its page, its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.compat.crafted import FLOAT, Crafted

SAMPLES = Path(__file__).parents[2] / "sample_models"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made = Crafted(2)
    made.signature(y=made.node("y", "Neg", ["x"], T=FLOAT))
    return made.write(tmp_path / "model")


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """What the model gives for [[1, 2]]."""
    np.savez(tmp_path / "outputs.npz", y=np.array([[-1, -2]], np.float32))
    return tmp_path / "outputs.npz"


def verify(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tfkit.cli", "verify", *map(str, words)]
    env = os.environ | {"COLUMNS": "160"} | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)


def test_a_model_that_is_its_source_passes(model: Path, outputs: Path) -> None:
    done = verify(model, "-p", "installed", "--reference", outputs, "--input", "x=[[1, 2]]")
    assert done.returncode == 0, done.stderr
    assert f"passed: equal to {outputs}, within what is allowed (given inputs; seed 0)" in done.stdout
    assert "serving_default: y" in done.stdout
    assert done.stderr == "running in installed\n"


def test_one_that_is_not_fails_with_the_worst_value(model: Path, outputs: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    options = ("-p", "installed", "--reference", outputs, "--input", "x=[[1, 2.5]]", "--html", page)
    done = verify(model, *options)
    assert done.returncode == 1
    assert "1 of 2 values differ by more than" in done.stdout
    assert "worst in case 0 at [0, 1]: came -2.5, expected -2.0" in done.stdout
    assert f"FAILED: not equal to {outputs}: installed differs" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert "failed: not equal to" in text
    assert "<svg" in text
    again = verify(model, *options)
    assert again.returncode == 2
    assert "report.html exists already" in again.stderr
    assert "running" not in again.stderr, "nothing is run for a page that cannot be written"


def test_what_is_not_installed_is_told_with_its_command(model: Path, tmp_path: Path) -> None:
    done = verify(model, "-p", "tensorflow_cpu_1.15", "--reference", model, TFKIT_HOME=str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "tensorflow_cpu_1.15 not installed: tfkit runtime install tensorflow_cpu_1.15" in done.stdout
    assert "FAILED: nothing could be compared" in done.stdout


def test_a_reference_that_is_none_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no reference")
    for reference in (tmp_path, tmp_path / "notes.txt"):
        done = verify(model, "-p", "installed", "--reference", reference)
        assert done.returncode == 3
        assert str(reference) in done.stderr


@pytest.mark.slow
def test_a_keras_file_is_a_reference(tmp_path: Path) -> None:
    """Under the names that the export gave its inputs and outputs."""
    keras, samples = SAMPLES / "digits_mlp.keras", SAMPLES / "digits_test.npy"
    export = [
        sys.executable,
        "-m",
        "tfkit.cli",
        "export",
        str(keras),
        "--output",
        "made",
        "--rename",
        "keras_tensor=pictures",
    ]
    subprocess.run(export, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    options = ("-p", "installed", "--reference", keras, "--input", f"pictures=@{samples}", "--batch-size", 16)
    done = verify(tmp_path / "made", *options)
    assert done.returncode == 0, done.stderr
    assert f"passed: equal to {keras}, within what is allowed (batch of 16; seed 0)" in done.stdout


def test_the_json_is_this(model: Path, outputs: Path) -> None:
    done = verify(model, "-p", "installed", "--reference", outputs, "--input", "x=[[1, 2.5]]", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    (row,) = report["processors"]
    assert sorted(row.pop("latency_ms")) == ["cold", "load", "warm"]
    assert row.pop("tensorflow").startswith("2.")
    (output,) = row.pop("outputs")
    assert row == {"processor": "installed", "reason": "", "status": "differs"}
    assert output == {
        "absolute": {"max": 0.5, "mean": 0.25, "p50": 0.5, "p90": 0.5, "p99": 0.5},
        "argmax_agreement": 1.0,
        "atol": 1e-5 * 2,
        "dtype": "DT_FLOAT",
        "finite_alike": True,
        "histogram": [1, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        "mismatched": 1,
        "mismatched_share": 0.5,
        "name": "y",
        "passed": False,
        "problem": "",
        "relative": {"max": 0.25, "mean": 0.125, "p50": 0.25, "p90": 0.25, "p99": 0.25},
        "rtol": 1e-4,
        "signature": "serving_default",
        "values": 2,
        "worst": {"case": 0, "came": "-2.5", "expected": "-2.0", "index": [0, 1]},
    }
    del report["processors"]
    assert report == {
        "cases": [{"inputs": {"x": [1, 2]}, "signature": "serving_default", "what": "given inputs"}],
        "constant_signatures": [],
        "model": str(model),
        "notes": ["serving_default: all inputs are alike: whether the outputs follow them was not checked"],
        "passed": False,
        "reference": str(outputs),
        "seed": 0,
        "verdict": f"not equal to {outputs}: installed differs",
    }
