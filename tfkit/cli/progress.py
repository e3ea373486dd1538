"""Shows how far long work is: a bar on a terminal; elsewhere a line for each step of an install. All on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.cli.output import note

_STEPS = {
    "wait": "waiting for another install of {name} to end",
    "download": "downloading {name}",
    "unpack": "unpacking {name}",
}


@contextmanager
def install_progress(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """What ``install_runtime`` tells its progress to.

    Args:
        name: What is installed.
    """
    if sys.stderr.isatty():
        with _bar(name) as tell:
            yield tell
    else:
        yield _lines(name)


@contextmanager
def reading_progress() -> Iterator[Callable[[Path, int, int], None] | None]:
    """What reads long files tells its progress to; ``None`` where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[Path, TaskID] = {}

        def tell(path: Path, done: int, total: int) -> None:
            if path not in tasks:
                tasks[path] = bars.add_task(path.name, total=total or None)
            bars.update(tasks[path], completed=done, total=total or None)

        yield tell


def _lines(name: str) -> Callable[[str, int, int], None]:
    """Tells each step once."""
    told: set[str] = set()

    def tell(step: str, done: int, total: int) -> None:  # noqa: ARG001  # only where a step begins is told
        if step not in told:
            told.add(step)
            size = f" ({total / 1e6:.0f} MB)" if total else ""
            note(f"{_STEPS[step].format(name=name)}{size}")

    return tell


@contextmanager
def _bar(name: str) -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                for task in tasks.values():
                    bars.remove_task(task)
                tasks.clear()
                tasks[step] = bars.add_task(_STEPS[step].format(name=name), total=total or None)
            bars.update(tasks[step], completed=done, total=total or None)

        yield tell
