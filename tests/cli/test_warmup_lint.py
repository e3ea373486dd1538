"""``tfkit warmup-lint`` as a person and as a program use it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.compat.crafted import FLOAT, Crafted
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.warmup.convert import convert_warmup
from tfkit.warmup.folder import StoredRequest, write_manifest


def data(rows, *outputs):
    return encode_request(PredictRequest({"x": np.arange(rows, dtype=np.float32)}, "serving_default", outputs))


@pytest.fixture
def lint(tmp_path):
    """Runs ``tfkit warmup-lint`` beside a model from ``x``, ``float32[?]``, to ``y``."""
    model = Crafted()
    model.node("y", "Identity", ["x"], T=FLOAT)
    model.signature(y="y")
    model.write(tmp_path / "model")
    (tmp_path / "good.bin").write_bytes(data(2, "y"))
    (tmp_path / "all.bin").write_bytes(data(2))
    (tmp_path / "doubled.bin").write_bytes(data(2, "y", "y"))
    (tmp_path / "bad.bin").write_bytes(data(2, "z"))

    def run(*arguments):
        command = [sys.executable, "-m", "tfkit.cli", "warmup-lint", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_the_verdict_is_the_exit_code(lint):
    for files, strict, code, last in (
        (["good.bin"], [], 0, "passed: 0 errors, 0 warnings, 0 notes"),
        (["doubled.bin"], [], 0, "passed: 0 errors, 1 warning, 0 notes"),
        (["doubled.bin"], ["--strict"], 1, "FAILED: 0 errors, 1 warning, 0 notes"),
        (["all.bin", "bad.bin"], [], 1, "FAILED: 1 error, 0 warnings, 1 note"),
    ):
        done = lint(*files, "--model", "model", *strict)
        assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (code, last, "")


def test_people_are_told_what_and_where(lint):
    done = lint("bad.bin", "--model", "model")
    assert "error: bad.bin: signature 'serving_default' has no output 'z' [unknown-output]" in done.stdout
    assert "    Known: y." in done.stdout


def test_what_is_alike_in_several_places_is_told_once(lint, tmp_path):
    for name in "abcde":
        (tmp_path / f"{name}.bin").write_bytes((tmp_path / "all.bin").read_bytes())
    done = lint(*(f"{name}.bin" for name in "abcde"), "--model", "model")
    (line,) = [line for line in done.stdout.splitlines() if "[all-outputs]" in line]
    assert line.startswith("note (5 times): a.bin; b.bin; c.bin and 2 more: no outputs are named")
    report = json.loads(lint("a.bin", "b.bin", "--model", "model", "--json").stdout)
    assert [each["file"] for each in report["findings"] if each["code"] == "all-outputs"] == ["a.bin", "b.bin"]


def test_the_signature_of_a_triton_folder_s_samples_is_named(lint, tmp_path):
    model = Crafted()
    model.signature(y=model.node("y", "Identity", ["x"], T=FLOAT))
    model.signature("other", y="y")
    inputs = model.metagraph.signature_def["other"].inputs
    inputs["z"].CopyFrom(inputs["x"])
    del inputs["x"]
    model.write(tmp_path / "model")
    (tmp_path / "z.bin").write_bytes(encode_request(PredictRequest({"z": np.ones(2, np.float32)}, "other")))
    convert_warmup([tmp_path / "z.bin"], tmp_path / "triton", to="triton")
    done = lint("triton", "--model", "model")
    assert done.returncode == 1
    assert "--signature says which they are for" in done.stdout
    done = lint("triton", "--model", "model", "--signature", "other")
    assert done.returncode == 0, done.stdout
    assert lint("z.bin", "--model", "model", "--signature", "other").returncode == 2


def test_recorded_traffic_is_compared(lint, tmp_path):
    (tmp_path / "recorded").mkdir()
    stored = [StoredRequest.describe(f"{rows}.bin", data(rows, "y"), requests) for rows, requests in ((2, 90), (8, 10))]
    for rows in (2, 8):
        (tmp_path / "recorded" / f"{rows}.bin").write_bytes(data(rows, "y"))
    write_manifest(tmp_path / "recorded", stored)
    done = lint("good.bin", "--model", "model", "--recorded", "recorded")
    assert done.returncode == 0
    assert "covered: 90 of 100 recorded requests, 90.0%" in done.stdout
    assert "[batch-not-covered]" in done.stdout
    report = json.loads(lint("good.bin", "--model", "model", "--recorded", "recorded", "--json").stdout)
    assert report["coverage"]["share"] == 0.9
    assert report["counts"] == {"error": 0, "warning": 1, "note": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none.bin", "--model", "model"), 3, "none.bin does not exist"),
        (("good.bin", "--model", "none"), 3, "no file or folder none"),
        (("good.bin",), 2, "--model"),
        (("good.bin", "--model", "model", "--recorded", "model"), 3, "no folder of requests"),
    ],
)
def test_what_cannot_be_checked_ends_with_a_message_and_a_code(lint, arguments, code, words):
    done = lint(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
