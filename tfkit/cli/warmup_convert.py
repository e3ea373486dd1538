"""``tfkit warmup-convert``: warm-up requests in the format of another kind of service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            show_default=False,
            help="A .bin or .txt file, a folder of requests, a tf_serving_warmup_requests file or the SavedModel that "
            "holds it, or a Triton model's folder.",
        ),
    ],
    *,
    to: Annotated[str, typer.Option(metavar="FORMAT", show_default=False, help="eas, eas-text, tf-serving or triton.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", show_default=False, help="The file or folder to write; for tf-serving also a SavedModel."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(show_default=False, help="The SavedModel that answers the requests, which .txt files need."),
    ] = None,
    model_name: Annotated[
        str, typer.Option(show_default=False, help="The model's name in TensorFlow Serving's requests.")
    ] = "",
    signature: Annotated[
        str,
        typer.Option(
            show_default=False,
            help="Convert the requests of this signature alone; those that name none, as Triton's, are given it.",
        ),
    ] = "",
    fetch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OUTPUT",
            show_default=False,
            help="An output to ask for, any number of times, where a request names none, as Triton's.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Write warm-up requests in another format: EAS's, TensorFlow Serving's or Triton's.

    tfkit warmup-convert warm_up_test.bin --to tf-serving --output build/digits

    tfkit warmup-convert build/digits --to eas --output requests
    """
    from tfkit.cli.output import note, print_json, print_text
    from tfkit.errors import counted
    from tfkit.warmup.convert import convert_warmup

    report = convert_warmup(
        sources,
        output,
        to=to,
        model=model,
        model_name=model_name,
        signature=signature,
        fetch=fetch or (),
        force=force,
    )
    for each in report.notes:
        note(f"note: {each}")
    if as_json:
        print_json(report.as_dict())
    else:
        print_text(f"{report.path}: {counted(report.requests, 'request')} as {report.format}")
