"""``tfkit warmup-convert`` as a person and as a program use it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tfkit.eas.messages import PredictRequest, encode_request

DATA = encode_request(PredictRequest({"x": np.arange(3, dtype=np.float32)}, "predict", ("y",)))


@pytest.fixture
def convert(tmp_path):
    """Runs ``tfkit warmup-convert`` beside ``w.bin``."""
    (tmp_path / "w.bin").write_bytes(DATA)

    def run(*arguments):
        command = [sys.executable, "-m", "tfkit.cli", "warmup-convert", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_a_request_goes_to_tensorflow_serving_and_back(convert, tmp_path):
    done = convert("w.bin", "--to", "tf-serving", "--output", "records", "--model-name", "digits")
    assert (done.returncode, done.stdout) == (0, "records: 1 request as tf-serving\n")
    assert "note: TensorFlow Serving reads it as assets.extra/tf_serving_warmup_requests" in done.stderr
    done = convert("records", "--to", "eas", "-o", "back.bin", "--json")
    assert json.loads(done.stdout) == {"path": "back.bin", "format": "eas", "requests": 1, "notes": []}
    assert (tmp_path / "back.bin").read_bytes() == DATA


def test_what_a_format_has_no_place_for_is_noted_and_can_be_given_back(convert, tmp_path):
    done = convert("w.bin", "w.bin", "--to", "triton", "--output", "samples")
    assert (done.returncode, done.stdout) == (0, "samples: 1 request as triton\n")
    assert "note: triton has no place for signatures: 2 requests named 'predict'" in done.stderr
    assert "note: 1 request left out: the same as another in triton" in done.stderr
    assert (tmp_path / "samples" / "model_warmup.pbtxt").is_file()
    done = convert("samples", "--to", "eas", "--output", "back.bin", "--signature", "predict", "--fetch", "y")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "back.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("w.bin", "--to", "onnx", "-o", "x"), 2, "expected one of eas, eas-text, tf-serving, triton"),
        (("w.bin", "--to", "eas", "-o", "w.bin"), 2, "--force"),
        (("none.bin", "--to", "eas", "-o", "x"), 3, "none.bin does not exist"),
        (("w.bin", "--to", "eas-text", "-o", "x.txt"), 3, "w.bin: a request of x float32[3] is no line of text"),
        (("w.bin", "--to", "eas"), 2, "--output"),
    ],
)
def test_what_does_not_go_ends_with_a_message_and_a_code(convert, tmp_path, arguments, code, words):
    done = convert(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["w.bin"]
