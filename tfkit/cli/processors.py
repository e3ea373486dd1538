"""The ``--processor`` option of every command that asks for several."""

from __future__ import annotations

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
