"""The ``--processor`` option of every command that asks for several, and what ``--install`` does for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tfkit.processors.catalogue import Processor

_HELP = "A processor, any number of times; 'tensorflow_cpu_*' means all that fit, 'all' every one of EAS's."


def complete_processors() -> list[str]:
    """The names that a shell may complete."""
    from tfkit.processors.catalogue import PROCESSORS

    return ["all", *PROCESSORS]


ProcessorOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--processor", "-p", metavar="NAME", help=_HELP, show_default=False, autocompletion=complete_processors
    ),
]


def install_provers(names: Iterable[str]) -> None:
    """Installs the runtimes that prove what is made for processors, each named in full, unless they are here."""
    from tfkit.export.proving import runtimes_to_install
    from tfkit.processors.catalogue import find_processor

    install(map(find_processor, runtimes_to_install(names)))


def install(processors: Iterable[Processor]) -> None:
    """Installs the runtimes of processors, with a bar for each."""
    from tfkit.cli.progress import install_progress
    from tfkit.processors.install import install_runtime

    for processor in processors:
        with install_progress(processor.name) as progress:
            install_runtime(processor, progress=progress)
