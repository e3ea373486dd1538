"""``tfkit warmup-gen``: the request that warms a service up, before it takes traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.cli.inputs import InputOptions
from tfkit.cli.tags import parse_tags

if TYPE_CHECKING:
    from tfkit.warmup.generate import InputSummary, WarmupReport


def run(
    model: Annotated[Path, typer.Argument(help="A SavedModel's folder, or a frozen graph's .pb file.")],
    *,
    inputs: InputOptions = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default=False,
            help="Rows of each input, of a sample file the first ones. By default as many as JSON values and whole "
            "requests have, else 1.",
        ),
    ] = None,
    signature: Annotated[
        str | None, typer.Option(show_default=False, help="The signature; by default the model's default one.")
    ] = None,
    tags: Annotated[str, typer.Option(help="Tag set of the SavedModel, separated by commas.")] = "serve",
    fetch: Annotated[
        list[str] | None,
        typer.Option(metavar="OUTPUT", show_default=False, help="An output to ask for, any number of times; else all."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random values.")] = 0,
    unknown_dim: Annotated[
        int, typer.Option(min=1, help="Size of unknown dimensions, but for the batch, of random values and zeros.")
    ] = 1,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("warm_up_test.bin"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Write a warm-up file: one PredictRequest, checked against the model's signature.

    It must be like production's requests in signature, outputs and shapes. An input that is left out is random, inside
    what the graph allows.

    tfkit warmup-gen build/digits --input images=@digits_test.npy --output warm_up_test.bin
    """
    from tfkit.cli.output import note, print_json
    from tfkit.errors import SignatureError
    from tfkit.savedmodel.files import find_model_file
    from tfkit.savedmodel.frozen import is_frozen_graph
    from tfkit.warmup.generate import generate_warmup

    frozen = is_frozen_graph(find_model_file(model))
    try:
        report = generate_warmup(
            model,
            output,
            inputs=inputs or (),
            batch_size=batch_size,
            signature=signature,
            fetch=fetch or (),
            seed=seed,
            unknown_dim=unknown_dim,
            tags=parse_tags(tags),
            force=force,
        )
    except SignatureError as error:
        if frozen and "output_filter" in error.message:
            error.hint = f"Name each with --fetch OUTPUT. {error.hint}".rstrip()
        raise
    if frozen and tags != "serve":
        note(f"note: --tags {tags} is ignored: a frozen graph has no tag sets")
    for each in report.inputs:
        if each.made_up:
            note(f"note: nothing was given for input {each.name!r}: its values are random (seed {seed})")
        if batch_size is not None and each.shape and each.shape[0] != batch_size:
            note(f"note: input {each.name!r} keeps its shape {list(each.shape)}: it is no batch of {batch_size}")
    print_json(report.as_dict()) if as_json else _print_report(report, frozen=frozen)


def _print_report(report: WarmupReport, *, frozen: bool) -> None:
    from tfkit.cli.output import print_table, print_text

    rows = [
        (each.name, each.dtype.short_name, ", ".join(map(str, each.shape)) or "scalar", _range(each), _first(each))
        for each in report.inputs
    ]
    print_table(("input", "dtype", "shape", "range", "first values"), rows)
    if not frozen:  # which has none
        print_text(f"signature  {report.signature_name or '(the default one)'}")
    print_text(f"outputs    {', '.join(report.output_filter) or 'all'}")
    print_text(f"file       {report.path}, {report.size_bytes} bytes")
    print_text(f"sha256     {report.sha256}")


def _range(summary: InputSummary) -> str:
    if summary.low is None or summary.high is None:
        return "-"
    return f"{summary.low:g} to {summary.high:g}"


def _first(summary: InputSummary) -> str:
    shown = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in summary.first]
    count = 1
    for dim in summary.shape:
        count *= dim
    return ", ".join(shown) + (", ..." if count > len(shown) else "")
