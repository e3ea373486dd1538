"""``tfkit export`` as a process: what it prints, its exit codes, and what it leaves when it is stopped."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tfkit.cli.export import _describe_sizes
from tfkit.savedmodel.reader import read_signatures

SAMPLES = Path(__file__).parents[2] / "sample_models"
MLP = SAMPLES / "digits_mlp.keras"
ISSUE_OPTIONS = ["--signature", "predict_images", "--rename", "keras_tensor=images", "--rename", "dense_2=scores"]
DEADLINE_S = 120


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "tfkit.cli", "export", *map(str, arguments)]


def run(*arguments, env=None, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=os.environ | (env or {}),
        **options,
    )


def constant_model(path: Path) -> Path:
    """The MLP with a layer that makes zeros of everything."""
    with zipfile.ZipFile(MLP) as source, zipfile.ZipFile(path, "w") as target:
        config = json.loads(source.read("config.json"))
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Dropout":
                layer["class_name"] = "Rescaling"
                layer["config"] = {"name": layer["config"]["name"], "scale": 0.0, "offset": 0.0}
        for name in source.namelist():
            target.writestr(name, json.dumps(config) if name == "config.json" else source.read(name))
    return path


def test_the_summary_says_what_was_written_and_how_exact_it_is(tmp_path):
    output = tmp_path / "build" / "digits"
    done = run(MLP, "--output", output, *ISSUE_OPTIONS, "--input", f"images=@{SAMPLES}/digits_test.npy")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    assert lines[0] == f"{output}: signature predict_images"
    assert "input images float32[?, 784]" in lines
    assert any(re.fullmatch(r"output scores float32\[\?, 10\] [\d.e-]+", line) for line in lines)
    assert any(
        line.startswith("verified against digits_mlp.keras at batch sizes 1 and 3 in TensorFlow ") for line in lines
    )
    assert re.fullmatch(r"0\.\d\d MB in \d+\.\d s", lines[-1])
    assert list(read_signatures(output)) == ["predict_images"]


def test_a_fixed_batch_size_is_called_so():
    assert _describe_sizes((4, 4)) == "its fixed batch size 4, twice"
    assert _describe_sizes((4,)) == "batch size 4"
    assert _describe_sizes((1, 3)) == "batch sizes 1 and 3"


def test_json_reports_everything_and_another_backend_is_noted(tmp_path):
    done = run(SAMPLES / "penguins.keras", "-o", tmp_path / "p", "--json", env={"KERAS_BACKEND": "jax"})
    assert done.returncode == 0
    assert done.stderr == "note: KERAS_BACKEND asks for Keras on jax: using TensorFlow here\n"
    report = json.loads(done.stdout)
    assert sorted(report) == [
        "elapsed_s", "evidence", "given", "lowering", "notes", "others", "path", "renamed", "signature", "size_bytes",
        "source", "verify", "versions",
    ]  # fmt: skip
    assert sorted(report["verify"]) == [
        "batch_sizes", "outputs", "processor", "result", "seed", "skipped", "tensorflow",
    ]  # fmt: skip
    assert [each["type"] for each in report["signature"]["inputs"]] == ["DT_INT64", "DT_STRING"]
    assert (report["source"]["kind"], report["source"]["name"]) == ("keras file", "penguins.keras")
    assert len(report["source"]["sha256"]) == 64


def test_a_comparison_that_would_prove_nothing_is_a_negative_verdict(tmp_path):
    done = run(constant_model(tmp_path / "m.keras"), "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert "tfkit: error: no output ('dense_2') varies over the samples" in done.stderr
    assert "--no-verify" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.keras", "-o", "out"], 3, "there is no file none.keras"),
        ([MLP], 2, "--output"),
        ([MLP, "-o", "out", "--rename", "images"], 2, "expected OLD=NEW"),
        ([MLP, "-o", "out", "--input", "images"], 2, "has no NAME="),
        ([MLP, "-o", "out", "--signature", ""], 2, "a signature needs a name"),
        ([MLP, "-o", "out", "--atol", "-1"], 2, "--atol"),
        ([MLP, "-o", MLP], 3, "is a file"),
        ([MLP, "-o", SAMPLES, "--force"], 3, "is no SavedModel: it is never replaced"),
        ([MLP, "-o", MLP / "below" / "a" / "file"], 3, "Not a directory"),
    ],
)
def test_refusals_come_at_once(tmp_path, arguments, code, message):
    """Before TensorFlow is imported: an import of it would fail here."""
    done = run(*arguments, cwd=tmp_path, env=without_tensorflow(tmp_path / "blocked"))
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["blocked"]


def without_tensorflow(folder: Path) -> dict[str, str]:
    folder.mkdir()
    (folder / "tensorflow.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')")
    return {"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}


def test_a_tensorflow_that_cannot_be_imported_is_missing(tmp_path):
    done = run(MLP, "-o", tmp_path / "out", env=without_tensorflow(tmp_path / "blocked"))
    assert done.returncode == 4
    assert "cannot be imported: libcudart.so.12" in done.stderr
    assert "tfkit doctor" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_named_and_nothing_is_left(tmp_path):
    """A limit on file sizes stands for the full disk: both stop TensorFlow in the middle of the variables."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = run(MLP, "-o", tmp_path / "new" / "out", preexec_fn=limit)
    assert done.returncode == 4
    assert "out cannot be written: File too large\nNothing was left behind" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "stage"),
    [(signal.SIGINT, "import"), (signal.SIGTERM, "write"), (signal.SIGHUP, "import"), (signal.SIGQUIT, "write")],
)
def test_an_interrupted_export_leaves_the_old_one(tmp_path, number, stage):
    old = tmp_path / "out"
    old.mkdir()
    (old / "saved_model.pb").write_bytes(b"old")
    with subprocess.Popen(
        command(MLP, "-o", old, "--force"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wanted = ".out.*.tfkit" if stage == "import" else ".out.*.tfkit/saved_model.pb"
        deadline = time.monotonic() + DEADLINE_S
        while not list(tmp_path.glob(wanted)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(number)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors) == (130, "tfkit: interrupted\n")
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
    assert (old / "saved_model.pb").read_bytes() == b"old"
