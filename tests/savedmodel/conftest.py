"""Real models, written by TensorFlow in a process of its own, and what TensorFlow says about them."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
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


@pytest.fixture
def visible_path():
    """A folder that every user may enter; pytest's own are for its user only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def unprivileged():
    """Runs a block as an ordinary user where the tests run as root, who may read everything."""

    @contextmanager
    def as_nobody():
        if os.geteuid():
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return as_nobody
