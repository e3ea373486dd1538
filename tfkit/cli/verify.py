"""``tfkit verify``: runs a model in the real TensorFlow of each processor, and compares it with its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfkit.cli.inputs import InputOptions
from tfkit.cli.processors import ProcessorOptions
from tfkit.cli.tags import parse_tags
from tfkit.errors import EXIT_INTERRUPTED, EXIT_VERDICT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfkit.compat.compare import OutputResult
    from tfkit.compat.report import VerifyReport, VerifyRow


def run(
    model: Annotated[
        Path,
        typer.Argument(help="A SavedModel's folder, or a folder with one for each processor.", show_default=False),
    ],
    *,
    processors: ProcessorOptions = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="SOURCE",
            show_default="what the export recorded",
            help="What to compare with: any source that tfkit export takes, a folder of recorded requests and "
            "responses, or an .npz file with the outputs for the given inputs.",
        ),
    ] = None,
    inputs: InputOptions = None,
    warm_up: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A warm-up file: a request to run as it is.", show_default=False)
    ] = None,
    signature: Annotated[
        str | None, typer.Option(metavar="NAME", help="The signature to run.", show_default="all")
    ] = None,
    batch_sizes: Annotated[
        list[int] | None,
        typer.Option(
            "--batch-size",
            min=1,
            metavar="N",
            help="Rows of a case, any number of times.",
            show_default="1, 3, and all given rows up to 256",
        ),
    ] = None,
    atol: Annotated[
        float | None,
        typer.Option(min=0, help="Largest absolute difference allowed.", show_default="by dtype and size"),
    ] = None,
    rtol: Annotated[
        float | None, typer.Option(min=0, help="Largest relative difference allowed.", show_default="by dtype")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random inputs.")] = 0,
    timeout: Annotated[float, typer.Option(help="Longest that loading or one run may take, in seconds.")] = 120.0,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, gpu or auto.")] = "cpu",
    tags: Annotated[str, typer.Option(help="Tag set of the SavedModel, separated by commas.")] = "serve",
    install: Annotated[bool, typer.Option("--install", help="Install the processors that are missing.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a page, too.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the page if it is there already.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show each output's errors, and TensorFlow's messages in full.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run a model in the real TensorFlow of each processor, and compare what comes out with the model's source.

    Each runs in a process of its own: one that crashes or hangs is a row of the report.

    The table says for each processor the largest absolute and relative error of all outputs, the share of values that
    differ by more than is allowed, and how long loading, the first run and later runs of the first case took.

    Exits with 1 if an output differs, the outputs do not vary, or the model does not load or run on an installed
    processor; or if a processor that was named in full is not installed. Those that 'all' or a pattern stands for may
    be missing: the verdict names them. Exits with 4 if none is installed.

    tfkit verify build/m115 --processor tensorflow_cpu_1.15

    tfkit verify build/m115 --processor all --reference model.keras --input images=@digits.npy
    """
    from tfkit.cli.export import prepare_process
    from tfkit.cli.output import note, print_json, write_page
    from tfkit.errors import MissingError
    from tfkit.export.reference import is_source
    from tfkit.export.verify import verify_model
    from tfkit.warmup.files import check_target

    if html is not None:
        check_target(html, force=force)
    if reference is not None and is_source(reference):
        prepare_process(cards=device != "cpu")  # as Keras may run in it
    options: dict[str, Any] = {
        "processors": processors or ["all"],
        "reference": reference,
        "inputs": inputs or (),
        "warm_up": warm_up,
        "signature": signature,
        "batch_sizes": batch_sizes or (),
        "atol": atol,
        "rtol": rtol,
        "seed": seed,
        "timeout_s": timeout,
        "tags": parse_tags(tags),
        "device": device,
    }
    try:
        if install:
            _install(options["processors"])
        report = verify_model(model, progress=lambda name: note(f"running in {name}"), **options)
    except KeyboardInterrupt:
        note("tfkit: interrupted")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if html is not None:
        from tfkit.compat.page import render_page

        write_page(render_page(report), html, force=force)
    print_json(report.as_dict()) if as_json else _print_report(report, verbose=verbose)
    if report.only_missing:
        raise MissingError(
            "no processor that was asked for is installed",
            hint=f"tfkit runtime install {report.missing[0]}, or tfkit verify --install.",
        )
    if not report.passed:
        raise typer.Exit(EXIT_VERDICT)


def _install(names: Sequence[str]) -> None:
    from tfkit.cli.processors import install
    from tfkit.processors.catalogue import INSTALLED, select_processors
    from tfkit.processors.libraries import is_installed

    install(each for each in select_processors(names) if each.name != INSTALLED and not is_installed(each))


def _print_report(report: VerifyReport, *, verbose: bool) -> None:
    from tfkit.cli.output import print_table, print_text

    for row in report.rows:
        shown = row.outputs if verbose else [each for each in row.outputs if not each.passed]
        if shown:
            of_outputs = ("output", "largest", "mean", "relative", "p99", "differ", "argmax")
            title = f"{row.ran.processor} (TensorFlow {row.ran.tensorflow})"
            print_table(of_outputs, list(map(_output_cells, shown)), title=title)
        for output in shown:
            if not output.passed:
                print_text(output.difference)
    columns = ("processor", "result", "largest", "relative", "differ", "load ms", "first ms", "later ms")
    print_table(columns, list(map(_row_cells, report.rows)))
    for row in report.rows:
        if row.ran.reason:
            _print_reason(row, verbose=verbose)
    for name, reason in report.skipped.items():
        print_text(f"note: signature {name} was not compared: {reason}")
    for each in report.notes:
        print_text(f"note: {each}")
    what = ", ".join(dict.fromkeys(case.what for case in report.cases)) or "no cases"
    print_text(f"{'passed' if report.passed else 'FAILED'}: {report.verdict} ({what}; seed {report.seed})")


def _print_reason(row: VerifyRow, *, verbose: bool) -> None:
    from tfkit.cli.output import print_text
    from tfkit.compat.reasons import shorten

    print_text(f"{row.ran.processor} {row.status}: {row.ran.reason if verbose else shorten(row.ran.reason)}")
    for line in row.ran.hint.splitlines():
        print_text(f"  {line}")


def _row_cells(row: VerifyRow) -> tuple[str, ...]:
    latency = row.ran.latency
    times = (latency.load_ms, latency.cold_ms, latency.warm_ms) if latency is not None else ()
    return (row.ran.processor, row.status, *_worst_cells(row), *(f"{value:.2f}" for value in times))


def _worst_cells(row: VerifyRow) -> tuple[str, str, str]:
    """The largest errors of all outputs, and the share of values that differ by more than is allowed."""
    absolute = [each.absolute.largest for each in row.outputs if each.absolute is not None]
    relative = [each.relative.largest for each in row.outputs if each.relative is not None]
    values = sum(each.values for each in row.outputs)
    share = f"{sum(each.mismatched for each in row.outputs) / values:.2%}" if values else ""
    return f"{max(absolute):.2g}" if absolute else "", f"{max(relative):.2g}" if relative else "", share


def _output_cells(output: OutputResult) -> tuple[str, ...]:
    share = output.mismatched / output.values if output.values else 0.0
    name = f"{output.signature}: {output.name}"
    if output.absolute is None or output.relative is None:
        return (name, "", "", "", "", f"{share:.2%}", "")
    agreement = "" if output.argmax_agreement is None else f"{output.argmax_agreement:.1%}"
    errors = (output.absolute.largest, output.absolute.mean, output.relative.largest, output.relative.percentiles[-1])
    return (name, *(f"{value:.2g}" for value in errors), f"{share:.2%}", agreement)
