"""The virtual environment of the official client: made once, and again when its requirements or Python change.

The client wants protobuf 3.20, which TensorFlow no longer takes, and its licence is the GPL: so it runs in a process of
its own, and is never imported here. ``requirements.lock`` comes from ``requirements.in``:

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        tests/eas_client/requirements.in -o tests/eas_client/requirements.lock
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.lock")
FOLDER = Path(__file__).parents[2] / ".venv-eas"


def client_python() -> Path:
    """The Python of the client's environment."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    environment = FOLDER / key
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (environment / "ready").exists():
            _make(environment)
            (environment / "ready").touch()
    return environment / "bin" / "python"


def _make(environment: Path) -> None:
    for other in FOLDER.iterdir():
        if other.is_dir():
            shutil.rmtree(other)
    _run(sys.executable, "-m", "venv", str(environment))
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
    _run(str(environment / "bin" / "python"), *install, "--requirement", str(REQUIREMENTS))


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=270)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
