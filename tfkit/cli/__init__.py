"""The command line: one file a command, wired in ``tfkit.cli.app``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``tfkit`` command; an interrupt ends it quietly from here on, while it is imported as well."""
    try:
        from tfkit.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\ntfkit: interrupted\n")
        sys.exit(130)
