"""TensorFlow Serving's own message classes, in a folder of their own: made once, and again when the version changes.

The package wants a whole TensorFlow beside it, of which it takes the message classes; it gets the one that is here.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.lock")
FOLDER = Path(__file__).parents[2] / ".venv-tf-serving"


def message_classes() -> Path:
    """The folder to put on Python's path."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    target = FOLDER / key
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "ready").exists():
            for other in FOLDER.iterdir():
                if other.is_dir():
                    shutil.rmtree(other)
            _install(target)
            (target / "ready").touch()
    return target


def _install(target: Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--target", str(target))
    command = [sys.executable, "-m", "pip", "install", *options, "--requirement", str(REQUIREMENTS)]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=270)
    assert done.returncode == 0, done.stdout + done.stderr
