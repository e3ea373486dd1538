"""What every command shares: how it ends when it is interrupted."""

from __future__ import annotations

import subprocess
import sys

import pytest

# ``tfkit inspect``, where Ctrl-C comes when a module is about to be imported.
START = """
import signal, sys
from tfkit.cli import main

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = ["inspect", "model"]
main()
"""


@pytest.mark.parametrize("module", ["tfkit.cli.app", "typer", "tfkit.cli.inspect", "tfkit.cli.output"])
def test_an_interrupt_while_a_command_is_imported_is_quiet(module: str) -> None:
    code = START.format(module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.strip() in ("", "tfkit: interrupted")
