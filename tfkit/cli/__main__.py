"""``python -m tfkit.cli``: the ``tfkit`` command where it is not on the path."""

from tfkit.cli import main

main()
