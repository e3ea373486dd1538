"""``tfkit verify`` as a process: what it prints, its JSON to the letter, its page, its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
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
    options = (model, "-p", "installed", "--reference", outputs, "--input", "x=[[1, 2]]")
    done = verify(*options)
    assert done.returncode == 0, done.stderr
    assert f"passed: equal to {outputs}, within what is allowed (given inputs; seed 0)" in done.stdout
    assert "serving_default: y" not in done.stdout
    assert done.stderr == "running in installed\n"
    assert "serving_default: y" in verify(*options, "--verbose").stdout


def test_one_that_is_not_fails_with_the_worst_value(model: Path, outputs: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    options = ("-p", "installed", "--reference", outputs, "--input", "x=[[1, 2.5]]", "--html", page)
    done = verify(model, *options)
    assert done.returncode == 1
    assert "1 of 2 values differ by more than" in done.stdout
    assert "worst in given inputs at [0, 1]: came -2.5, expected -2.0" in done.stdout
    assert f"FAILED: not equal to {outputs}: installed differs" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert "not equal to" in text
    assert "<svg" in text
    again = verify(model, *options)
    assert again.returncode == 2
    assert "report.html exists already" in again.stderr
    assert "running" not in again.stderr, "nothing is run for a page that cannot be written"


def test_what_is_not_installed_is_told_with_its_command(model: Path, tmp_path: Path) -> None:
    done = verify(model, "-p", "tensorflow_cpu_1.15", "--reference", model, TFKIT_HOME=str(tmp_path / "empty"))
    assert done.returncode == 4, "nothing could be run"
    assert "tensorflow_cpu_1.15 not installed: tfkit runtime install tensorflow_cpu_1.15" in done.stdout
    assert "FAILED: nothing could be compared" in done.stdout
    assert "no processor that was asked for is installed" in done.stderr
    assert "tfkit runtime install tensorflow_cpu_1.15" in done.stderr


def test_the_verdict_says_what_of_a_pattern_is_not_installed(model: Path, tmp_path: Path) -> None:
    options = ("-p", "installed", "-p", "tensorflow_cpu_1.1[45]", "--reference", model)
    done = verify(model, *options, TFKIT_HOME=str(tmp_path / "empty"))
    assert done.returncode == 0, done.stderr
    verdict = "on 1 of 3 processors; not installed: tensorflow_cpu_1.14, tensorflow_cpu_1.15"
    assert f"passed: equal to {model}, within what is allowed, {verdict}" in done.stdout


def test_given_rows_are_all_compared(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(720, dtype=np.float32).reshape(360, 2))
    options = ("-p", "installed", "--reference", model, "--input", f"x=@{tmp_path / 'x.npy'}")
    done = verify(model, *options)
    assert "(batch of 1, batch of 3, first 256 of 360 rows; seed 0)" in done.stdout, done.stderr
    done = verify(model, *options, "--batch-size", 361)
    assert done.returncode == 3
    assert "a batch of 361 was asked for, and 360 rows of x given" in done.stderr


def test_a_keras_model_is_told_to_be_one() -> None:
    done = verify(SAMPLES / "digits_mlp.keras")
    assert done.returncode == 3
    assert "digits_mlp.keras is a Keras model: expected a SavedModel" in done.stderr
    assert "tfkit export" in done.stderr


def test_an_interrupt_is_told(model: Path) -> None:
    command = [sys.executable, "-m", "tfkit.cli", "verify", str(model), "-p", "installed"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "running in installed\n"
        process.send_signal(signal.SIGINT)
        assert "tfkit: interrupted" in process.stderr.read()
    assert process.returncode == 130


def test_a_reference_that_is_none_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no reference")
    for reference in (tmp_path, tmp_path / "notes.txt"):
        done = verify(model, "-p", "installed", "--reference", reference)
        assert done.returncode == 3
        assert str(reference) in done.stderr


@pytest.mark.slow
def test_a_keras_file_is_a_reference(tmp_path: Path) -> None:
    """Under the names that the export gave its inputs and outputs; from Python as well."""
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
    (tmp_path / "each").mkdir()
    shutil.copytree(tmp_path / "made", tmp_path / "each" / "installed")
    for model in (tmp_path / "made", tmp_path / "each"):
        done = verify(model, *options)
        assert done.returncode == 0, done.stderr
        assert f"passed: equal to {keras}, within what is allowed (batch of 16; seed 0)" in done.stdout
    code = "import sys, tfkit; print(tfkit.verify_model(sys.argv[1], processors=['installed'], reference=sys.argv[2]))"
    python = [sys.executable, "-c", code, str(tmp_path / "made"), str(keras)]
    said = subprocess.run(python, capture_output=True, text=True, timeout=120, check=True).stdout
    assert said == f"<VerifyReport {tmp_path / 'made'}: passed: equal to {keras}, within what is allowed>\n"


def test_the_json_is_this(model: Path, outputs: Path) -> None:
    done = verify(model, "-p", "installed", "--reference", outputs, "--input", "x=[[1, 2.5]]", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    (row,) = report["processors"]
    assert sorted(row.pop("latency_ms")) == ["cold", "load", "warm"]
    assert row.pop("tensorflow").startswith("2.")
    (output,) = row.pop("outputs")
    assert row == {"processor": "installed", "reason": "", "hint": "", "status": "differs"}
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
        "worst": {"case": 0, "what": "given inputs", "came": "-2.5", "expected": "-2.0", "index": [0, 1]},
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
        "inputs": ["x=[[1, 2.5]]"],
        "skipped_signatures": {},
        "verdict": f"not equal to {outputs}: installed differs",
    }


@pytest.mark.slow
def test_a_reference_with_other_names_is_refused_by_them(model: Path) -> None:
    done = verify(model, "-p", "installed", "--reference", SAMPLES / "digits_mlp.keras")
    assert done.returncode == 3
    assert "the reference takes keras_tensor; the model takes x" in done.stderr
