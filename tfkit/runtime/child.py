"""How tfkit starts itself in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

_PACKAGE_ROOT = str(Path(__file__).parents[2])


def child_command(module: str, *arguments: str) -> list[str]:
    """The command that calls ``main`` of one of tfkit's modules in a fresh Python.

    It is this very tfkit, however it was found; and nothing of the current folder is imported in its place.
    """
    code = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from {module} import main; main()"
    return [sys.executable, "-P", "-c", code, _PACKAGE_ROOT, *arguments]
