"""``tfkit warmup-gen``: the request that warms a service up, before it takes traffic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.cli.inputs import InputOptions
from tfkit.cli.tags import parse_tags

if TYPE_CHECKING:
    from tfkit.warmup.report import InputSummary, WarmupFile, WarmupReport


def run(
    model: Annotated[Path, typer.Argument(help="A SavedModel's folder, or a frozen graph's .pb file.")],
    *,
    inputs: InputOptions = None,
    batch_size: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            show_default=False,
            help="Rows of each input, any number of times. By default as many as JSON values and whole requests have, "
            "else 1.",
        ),
    ] = None,
    rows: Annotated[
        str,
        typer.Option(
            metavar="first|random",
            help="Which rows of sample files: the first ones, or ones drawn from all of the file.",
        ),
    ] = "first",
    signature: Annotated[
        list[str] | None,
        typer.Option(
            show_default=False, help="The signature, any number of times, or all; by default the model's default one."
        ),
    ] = None,
    tags: Annotated[str, typer.Option(help="Tag set of the SavedModel, separated by commas.")] = "serve",
    fetch: Annotated[
        list[str] | None,
        typer.Option(metavar="OUTPUT", show_default=False, help="An output to ask for, any number of times; else all."),
    ] = None,
    fetch_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OUTPUT,...",
            show_default=False,
            help="The outputs of a request of its own, any number of times: --fetch-set a,b --fetch-set c makes two. "
            "'*' stands for all outputs.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random values, and of --rows random.")] = 0,
    unknown_dim: Annotated[
        int, typer.Option(min=1, help="Size of unknown dimensions, but for the batch, of random values and zeros.")
    ] = 1,
    from_records: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default=False,
            help="Take recorded requests (serve --record) as they are, those of the most frequent forms.",
        ),
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="How many forms of --from-records; by default 10.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            show_default=False,
            help="The file to write, by default warm_up_test.bin; the folder of several, by default warm_up.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Write a warm-up file: one PredictRequest, checked against the model's signature.

    It must be like production's requests in signature, outputs and shapes. An input that is left out is random, inside
    what the graph allows. Several batch sizes, signatures or sets of outputs make a folder: a file of each, and
    manifest.json.

    tfkit warmup-gen build/digits --input images=@digits_test.npy --output warm_up_test.bin
    """
    from tfkit.cli.output import print_json
    from tfkit.cli.progress import reading_progress
    from tfkit.errors import SignatureError, UsageError
    from tfkit.savedmodel.files import find_model_file
    from tfkit.savedmodel.frozen import is_frozen_graph
    from tfkit.warmup.generate import make_warmup

    if from_records is None and most is not None:
        raise UsageError("--most is for --from-records")
    if from_records is not None:
        if inputs or batch_size or signature or fetch or fetch_set or rows != "first":
            raise UsageError("--from-records takes requests as they are: it goes with no option that makes one")
        _from_records(model, from_records, output, most=most, tags=tags, force=force, as_json=as_json)
        return
    frozen = is_frozen_graph(find_model_file(model))
    try:
        with reading_progress() as progress:
            report = make_warmup(
                model,
                output,
                inputs=inputs or (),
                batch_size=batch_size or None,
                signature=signature or None,
                fetch=fetch or (),
                fetch_sets=[_outputs(names) for names in fetch_set or ()],
                rows=rows,
                seed=seed,
                unknown_dim=unknown_dim,
                tags=parse_tags(tags),
                force=force,
                progress=progress,
            )
    except SignatureError as error:
        if frozen and "output_filter" in error.message:
            error.hint = f"Name each with --fetch OUTPUT. {error.hint}".rstrip()
        raise
    _print_notes(report, batch_size or (), seed=seed, ignored_tags=tags if frozen and tags != "serve" else "")
    print_json(report.as_dict()) if as_json else _print_report(report, frozen=frozen)


def _from_records(
    model: Path, records: Path, output: Path | None, *, most: int | None, tags: str, force: bool, as_json: bool
) -> None:
    from tfkit.cli.output import note, print_json
    from tfkit.warmup.records import DEFAULT_MOST, warmup_from_records

    report = warmup_from_records(model, records, output, most=most or DEFAULT_MOST, tags=parse_tags(tags), force=force)
    for reason in report.skipped:
        note(f"note: left out, as it does not fit the model: {reason}")
    print_json(report.as_dict()) if as_json else _print_report(report, frozen=False)


def _outputs(names: str) -> list[str]:
    """The outputs that one --fetch-set names."""
    from tfkit.errors import UsageError

    if names == "*":
        return []
    outputs = [name.strip() for name in names.split(",")]
    if "" in outputs:
        raise UsageError(f"--fetch-set {names!r} names no output between its commas: expected a,b or '*'")
    return outputs


def _print_notes(report: WarmupReport, batch_sizes: Sequence[int], *, seed: int, ignored_tags: str) -> None:
    from tfkit.cli.output import note

    if ignored_tags:
        note(f"note: --tags {ignored_tags} is ignored: a frozen graph has no tag sets")
    held = [each for file in report.files for each in file.inputs]
    for name in dict.fromkeys(each.name for each in held if each.made_up):
        note(f"note: nothing was given for input {name!r}: its values are random (seed {seed})")
    for warning in dict.fromkeys(each for file in report.files for each in file.warnings):
        note(f"note: {warning}")
    sizes = ", ".join(map(str, batch_sizes))
    kept = {each.name: each.shape for each in held if sizes and each.shape and each.shape[0] not in batch_sizes}
    for name, shape in kept.items():
        note(f"note: input {name!r} keeps its shape {list(shape)}: it is no batch of {sizes}")


def _print_report(report: WarmupReport, *, frozen: bool) -> None:
    from tfkit.cli.output import print_table, print_text
    from tfkit.warmup.report import ROW_COLUMNS

    if report.path == report.files[0].path:
        _print_file(report.files[0], frozen=frozen)
        return
    rows = [file.row() for file in report.files]
    print_table(ROW_COLUMNS, rows)
    count = f"{len(rows)} warm-up file{'s' if len(rows) > 1 else ''}"
    print_text(f"folder  {report.path}, {count} and manifest.json")


def _print_file(file: WarmupFile, *, frozen: bool) -> None:
    from tfkit.cli.output import print_table, print_text, printable

    rows = [
        (
            printable(each.name),
            each.dtype.short_name,
            ", ".join(map(str, each.shape)) or "scalar",
            _range(each),
            _first(each),
        )
        for each in file.inputs
    ]
    print_table(("input", "dtype", "shape", "range", "first values"), rows)
    if not frozen:  # which has none
        print_text(f"signature  {file.signature_name or '(the default one)'}")
    print_text(f"outputs    {', '.join(file.output_filter) or 'all'}")
    print_text(f"file       {file.path}, {file.size_bytes} bytes")
    print_text(f"sha256     {file.sha256}")


def _range(summary: InputSummary) -> str:
    if summary.low is None or summary.high is None:
        return "-"
    return f"{summary.low:g} to {summary.high:g}"


def _first(summary: InputSummary) -> str:
    from tfkit.cli.output import printable

    shown = [f"{value:.4g}" if isinstance(value, float) else printable(str(value)) for value in summary.first]
    count = 1
    for dim in summary.shape:
        count *= dim
    return ", ".join(shown) + (", ..." if count > len(shown) else "")
