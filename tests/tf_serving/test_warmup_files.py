"""TensorFlow Serving's own message classes read what tfkit writes, and write the very same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tf_serving.environment import message_classes
from tests.warmup.described import REQUESTS, describe
from tfkit.eas.messages import encode_request
from tfkit.warmup.convert import convert_warmup

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with tfkit's file, ``ours``, TensorFlow's, ``theirs``, and what TensorFlow read in ours, ``read``."""
    folder = tmp_path_factory.mktemp("tf_serving")
    sources = []
    for number, request in enumerate(REQUESTS):
        sources.append(folder / f"{number}.bin")
        sources[-1].write_bytes(encode_request(request))
    convert_warmup(sources, folder / "ours", to="tf-serving", model_name="digits")
    told = folder / "requests.json"
    told.write_text(json.dumps([describe(request, "digits") for request in REQUESTS]))
    script = Path(__file__).with_name("write_and_read.py")
    done = subprocess.run(
        [sys.executable, str(script), str(told), str(folder / "theirs"), str(folder / "ours")],
        env={**os.environ, "PYTHONPATH": str(message_classes()), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder / "read").write_text(done.stdout.splitlines()[-1])
    return folder


def test_the_bytes_are_those_that_tensorflow_serving_s_classes_write(written):
    assert (written / "ours").read_bytes() == (written / "theirs").read_bytes()


def test_tensorflow_reads_what_tfkit_wrote(written):
    assert json.loads((written / "read").read_text()) == [describe(request, "digits") for request in REQUESTS]


def test_what_tensorflow_wrote_comes_back_as_the_same_eas_requests(written, tmp_path):
    convert_warmup([written / "theirs"], tmp_path / "requests", to="eas")
    files = sorted((tmp_path / "requests").glob("*.bin"))
    ordered = [encode_request(type(each)(dict(sorted(each.inputs.items())), each.signature_name, each.output_filter))
               for each in REQUESTS]  # fmt: skip
    assert [file.read_bytes() for file in files] == ordered
