"""``tfkit bundle-check``: proves a bundle by serving it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.errors import EXIT_VERDICT

if TYPE_CHECKING:
    from tfkit.bundle.report import BundleCheck


def run(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder, or its service JSON.", show_default=False)],
    *,
    device: Annotated[
        str, typer.Option(help="Where to compute: auto, cpu or gpu.", autocompletion=lambda: ["auto", "cpu", "gpu"])
    ] = "auto",
    timeout: Annotated[float, typer.Option(help="Longest that one answer may take, in seconds.")] = 60.0,
    install: Annotated[bool, typer.Option("--install", help="Install the processor if it is missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Prove a bundle: checksums, service JSON, unpacked, started on its processor, warmed, asked, compared, stopped.

    A bundle for a GPU is proved in the CPU build of the same TensorFlow unless a GPU is there, and the result says so.
    Exits with 1 if the bundle fails.

    tfkit bundle-check bundle
    """
    from tfkit.bundle.check import check_bundle
    from tfkit.cli.output import note, print_json

    if install:
        _install(bundle)
    report = check_bundle(bundle, device=device, timeout_s=timeout, progress=note)
    print_json(report.as_dict()) if as_json else _print_report(report)
    if not report.passed:
        raise typer.Exit(EXIT_VERDICT)


def _install(path: Path) -> None:
    """Installs what a bundle is proved in; one that does not say what is told so by the check."""
    from tfkit.bundle.opened import find_bundle, open_bundle
    from tfkit.cli.processors import install_provers
    from tfkit.errors import InputError

    try:
        processor = open_bundle(find_bundle(path)).processor
    except InputError:
        return
    install_provers([processor])


def _print_report(report: BundleCheck) -> None:
    from tfkit.bundle.report import STEP_COLUMNS
    from tfkit.cli.output import note, print_table, print_text

    print_table(STEP_COLUMNS, list(report.rows()))
    print_text(f"{'passed' if report.passed else 'FAILED'}: {report.verdict}")
    for line in report.notes:
        note(f"note: {line}")
