"""The ``--processor`` option of every command that asks for several, and what ``--install`` does for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

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
    from tfkit.cli.progress import install_progress
    from tfkit.export.proving import runtimes_to_install
    from tfkit.processors.install import install_runtime

    for name in runtimes_to_install(names):
        with install_progress(name) as progress:
            install_runtime(name, progress=progress)
