"""``tfkit export --format onnx`` as a process: what it prints, its exit codes, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "sample_models"
MLP = SAMPLES / "digits_mlp.keras"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tfkit.cli", "export", *map(str, arguments)],
        capture_output=True, text=True, timeout=200, check=False, env=os.environ,
    )  # fmt: skip


def test_the_summary_says_what_was_written_and_how_exact_it_is(tmp_path: Path) -> None:
    output = tmp_path / "build" / "digits.onnx"
    done = run(
        MLP, "--format", "onnx", "--output", output, "--signature", "predict_images", "--rename", "keras_tensor=images",
        "--input", f"images=@{SAMPLES}/digits_test.npy",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    assert lines[0].startswith(f"{output}: signature predict_images, opset 18, ")
    assert "input images float32[?, 784]" in lines
    assert any(
        line.startswith("verified against digits_mlp.keras at batch sizes 1 and 3 in ONNX Runtime") for line in lines
    )
    assert sorted(each.name for each in output.parent.iterdir()) == ["digits.onnx", "digits.onnx.evidence"]

    again = run(MLP, "--format", "onnx", "--output", output)
    assert (again.returncode, again.stdout) == (2, "")
    assert f"{output} exists already" in again.stderr


def test_json_holds_the_report(tmp_path: Path) -> None:
    done = run(MLP, "--format", "onnx", "--opset", 15, "--output", tmp_path / "m.onnx", "--no-verify", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["format"], report["opset"]) == ("onnx", 15)
    assert (report["verify"]["result"], report["verify"]["skipped"]) == ("skipped", "--no-verify")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "onnx", "--processor", "tensorflow_cpu_1.15"], "--processor means nothing with --format onnx"),
        (["--format", "onnx", "--processor", "all"], "--processor means nothing with --format onnx"),
        (["--format", "onnx", "--install"], "--install means nothing with --format onnx"),
        (["--format", "onnx", "--freeze"], "--freeze means nothing with --format onnx"),
        (["--opset", "15"], "--opset is for ONNX models"),
        (["--format", "tflite"], "--format 'tflite' is not known: expected savedmodel or onnx"),
        (["--format", "onnx", "--opset", "21"], "opset 21 cannot be written: tf2onnx writes opsets 14 to 18"),
    ],
)
def test_options_that_make_no_sense_together(options: list[str], message: str, tmp_path: Path) -> None:
    done = run(MLP, "--output", tmp_path / "out", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_called_as_onnx_models_are_is_one(tmp_path: Path) -> None:
    done = run(MLP, "--output", tmp_path / "m.onnx")
    assert done.returncode == 2
    assert "would be a SavedModel's folder" in done.stderr
    assert "Add --format onnx." in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_others_print_stays_off_stdout(tmp_path: Path) -> None:
    """Here the user's own code does."""
    weights = Path(__file__).parents[1] / "old_sources" / "weights"
    net = tmp_path / "net.py"
    net.write_text((weights / "nets.py").read_text() + "\nprint('hello')\nimport os\nos.system('echo there')\n")
    done = run(
        weights / "fixtures" / "tf_2.7" / "cnn.h5", "--model", f"{net}:cnn", "--format", "onnx", "--json",
        "--output", tmp_path / "m.onnx",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verify"]["result"] == "passed"
    assert "hello" in done.stderr
    assert "there" in done.stderr


def test_a_folder_is_no_place_for_a_model(tmp_path: Path) -> None:
    done = run(MLP, "--format", "onnx", "--output", tmp_path)
    assert done.returncode == 3
    assert "is a folder: expected a file" in done.stderr
