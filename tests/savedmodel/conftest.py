"""Real models, written by TensorFlow in a process of its own, and what TensorFlow says about them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("build_models.py")


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder with the models of build_models.py."""
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def oracle(models):
    """What TensorFlow itself reads in them."""
    return json.loads((models / "oracle.json").read_text())
