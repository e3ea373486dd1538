"""``tfkit doctor``: what works on this machine, and what to do about the rest."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check versions, name clashes, TensorFlow's C library, devices and the machine.

    Exits with 4 if something is missing that tfkit needs.
    """
    from tfkit.cli.output import print_json, print_text
    from tfkit.doctor import diagnose
    from tfkit.errors import MissingError

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis.as_dict())
    else:
        for each in diagnosis.findings:
            print_text(f"{each.status:<8} {each.name:<21} {each.detail}")
            if each.advice:
                print_text(f"{'':<8} {'':<21} -> {each.advice}")
    if diagnosis.missing:
        names = ", ".join(each.name for each in diagnosis.missing)
        raise MissingError(f"tfkit cannot work here yet: {names}", hint="The lines marked missing say what to do.")
