"""A short run of the fuzzer; ``make fuzz`` runs it for longer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.seeds import write_seeds


@pytest.mark.slow
def test_fuzzing_the_codec_finds_nothing(tmp_path: Path) -> None:
    """Ten seconds of mutated messages: the codec agrees with protobuf on all of them, and nothing else is raised."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_seeds(corpus)
    harness = Path(__file__).with_name("fuzz_messages.py")
    command = [sys.executable, harness, "-max_total_time=10", "-max_len=512", f"-artifact_prefix={tmp_path}/", corpus]
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr[-6000:]
    done = re.search(r"Done (\d+) runs", run.stdout + run.stderr)
    assert done is not None
    assert int(done[1]) > 1000
