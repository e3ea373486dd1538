"""``tfkit check``: whether and why a model runs on each processor, with nothing installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.cli.processors import ProcessorOptions
from tfkit.cli.tags import parse_tags
from tfkit.errors import EXIT_VERDICT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfkit.compat.check import CheckReport, Row
    from tfkit.compat.findings import Finding

_SHOWN = 3
_CPU, _GPU = "_cpu_", "_gpu_"


def run(
    model: Annotated[Path, typer.Argument(help="A SavedModel's folder.", show_default=False)],
    *,
    processors: ProcessorOptions = None,
    signatures: Annotated[
        list[str] | None,
        typer.Option("--signature", metavar="NAME", help="Check only what this needs.", show_default="all"),
    ] = None,
    tags: Annotated[str, typer.Option(help="Tag set of the SavedModel, separated by commas.")] = "serve",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Count 'runs after lowering' as no; without --processor every processor is asked for."
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all-problems", help="Show every problem and node, and what lowering does.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say whether a model runs on EAS's processors: as it is, after lowering, or not, and why.

    Only the graph is read, and compared with what each TensorFlow has. Exits with 1 if a processor that was named
    with --processor cannot run the model, or with --strict, if one that was named, or else any, cannot run it as it is.

    tfkit check build/model

    tfkit check build/model --processor tensorflow_cpu_1.15 --strict
    """
    from tfkit.cli.output import print_json
    from tfkit.compat.check import check_model

    wanted = parse_tags(tags)
    report = check_model(model, processors=processors or (), tags=wanted, signatures=signatures)
    print_json(report.as_dict()) if as_json else _print_report(report, everything=everything)
    if (processors or strict) and not report.passes(strict=strict):
        raise typer.Exit(EXIT_VERDICT)


def _print_report(report: CheckReport, *, everything: bool) -> None:
    from tfkit.cli.output import print_table, print_text
    from tfkit.compat.check import LOWERED

    writer = f"TensorFlow {report.written_by}" if report.written_by else "an unknown TensorFlow"
    print_text(f"{report.model}: written by {writer}, {report.nodes} nodes")
    print_table(("processor", "verdict", "why"), list(_table_rows(report.rows)))
    for row in report.rows:
        for line in _details(row, everything=everything):
            print_text(line)
    if any(row.verdict == LOWERED for row in report.rows):
        print_text(
            f"runs after lowering: tfkit export {report.model.parent} --processor NAME --output FOLDER writes it so"
        )
    for row in report.rows:
        if row.derived:
            print_text(f"note: {row.processor}'s GPU kernels are taken to be those of {row.derived}")
    for warned in report.warnings:
        users = ", ".join(warned.signatures) or "loading the model"
        nodes = ", ".join(warned.nodes if everything else warned.nodes[:1])
        print_text(f"warning: {warned.op} {warned.kind} ({nodes}; needed by {users}): {warned.text}")


def _table_rows(rows: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """A line a processor; one for all GPU processors that say what their CPU twins say."""
    cells = {row.processor: (row.verdict, row.reason) for row in rows}
    alike = [name for name, each in cells.items() if _GPU in name and cells.get(name.replace(_GPU, _CPU)) == each]
    for name, each in cells.items():
        if name not in alike:
            yield name, *each
    if alike:
        every = [name for name in cells if _GPU in name]
        stem, _, first = alike[0].partition(_GPU)
        versions = (
            "*"
            if alike == every and len(alike) > 1
            else ", ".join((first, *(each.partition(_GPU)[2] for each in alike[1:])))
        )
        yield f"{stem}{_GPU}{versions}", "as on cpu", ""


def _details(row: Row, *, everything: bool) -> Iterator[str]:
    """What keeps a processor from running the model; with ``everything``, what lowering takes care of as well."""
    if row.problems:
        yield f"\n{row.processor} cannot run it:"
        yield from _findings(row.problems, everything=everything)
    if everything and row.blocking and not row.problems:
        yield f"\n{row.processor} cannot run it as it is:"
        yield from _findings(row.blocking, everything=True)
        for rule in row.rules:
            yield f"  lowering writes {rule.op} as {rule.makes} ({rule.count} times)"


def _findings(found: tuple[Finding, ...], *, everything: bool) -> Iterator[str]:
    for finding in found if everything else found[:_SHOWN]:
        since = f"; TensorFlow {finding.misfit.since} is the first that takes it" if finding.misfit.since else ""
        yield f"  {finding.misfit.text}{since}"
        for place in finding.places if everything else finding.places[:1]:
            users = ", ".join(place.signatures)
            parts = (
                f"node {place.node}",
                f"function {place.function}" if place.function else "",
                f"layer {place.layer}" if place.layer else "",
                f"signature {users}" if users else "looked at when the model is loaded",
            )
            yield f"    {', '.join(filter(None, parts))}"
        if not everything and len(finding.places) > 1:
            yield f"    and {len(finding.places) - 1} more nodes like it"
        if finding.refusal:
            yield f"    it cannot be written otherwise: {finding.refusal}"
        if not finding.solved:
            yield f"    {finding.advice}"
    if not everything and len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN} more: --all-problems shows them"
