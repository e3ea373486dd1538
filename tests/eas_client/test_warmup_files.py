"""The official client's own message classes read the warm-up files that tfkit writes, and write the very same bytes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.eas_client.environment import client_python
from tests.warmup.described import REQUESTS, describe
from tfkit.eas.messages import encode_request
from tfkit.warmup.convert import convert_warmup


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """tfkit's files in ``ours``, the client's in ``theirs``, and what the client read in ours in ``read``."""
    folder = tmp_path_factory.mktemp("eas")
    for name in ("given", "ours", "theirs"):
        (folder / name).mkdir()
    for number, request in enumerate(REQUESTS):
        (folder / "given" / f"{number}.bin").write_bytes(encode_request(request))
        convert_warmup([folder / "given" / f"{number}.bin"], folder / "ours" / f"{number}.bin", to="eas")
    (folder / "requests.json").write_text(json.dumps([describe(request) for request in REQUESTS]))
    arguments = [str(folder / name) for name in ("requests.json", "theirs", "ours")]
    command = [str(client_python()), str(Path(__file__).with_name("write_and_read.py")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "read").write_text(done.stdout.splitlines()[-1])
    return folder


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_the_bytes_are_those_that_the_client_s_classes_write(written, number):
    assert (written / "ours" / f"{number}.bin").read_bytes() == (written / "theirs" / f"{number}.bin").read_bytes()


def test_the_client_reads_what_tfkit_wrote(written):
    assert json.loads((written / "read").read_text()) == [describe(request) for request in REQUESTS]
