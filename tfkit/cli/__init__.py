"""The command line: one file a command, wired in ``tfkit.cli.app``."""

from tfkit.cli.app import main

__all__ = ["main"]
