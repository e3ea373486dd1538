"""``tfkit proto``: the message definitions, for people who build requests themselves."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    structure_schema: Annotated[
        bool, typer.Option("--structure-schema", help="Print the JSON Schema of the structure JSON instead.")
    ] = False,
) -> None:
    """Print EAS's message definitions (a .proto file), or the JSON Schema of a model's structure.

    tfkit proto > eas_predict.proto && protoc --python_out=. eas_predict.proto
    """
    from importlib import resources

    from tfkit import proto
    from tfkit.cli.output import print_text

    if structure_schema:
        print_text(resources.files("tfkit.eas").joinpath("structure.schema.json").read_text(encoding="utf-8"))
    else:
        print_text(proto.source("eas_predict.proto"))
