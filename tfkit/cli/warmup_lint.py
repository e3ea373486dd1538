"""``tfkit warmup-lint``: whether warm-up files are requests that the model takes, and that production's are like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.errors import EXIT_VERDICT, counted

if TYPE_CHECKING:
    from tfkit.warmup.coverage import Coverage
    from tfkit.warmup.lint import Finding, LintReport

_SHOWN_PLACES = 3


def run(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            show_default=False,
            help="A .bin or .txt file, a folder of requests, a tf_serving_warmup_requests file or the SavedModel that "
            "holds it, or a Triton model's folder.",
        ),
    ],
    *,
    model: Annotated[
        Path, typer.Option(show_default=False, help="The model: a SavedModel's folder, or a frozen graph's .pb file.")
    ],
    signature: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            show_default="the model's default",
            help="The signature that a Triton model's samples are for: they name none.",
        ),
    ] = "",
    recorded: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", show_default=False, help="A folder of recorded requests: how much of them is warmed up?"
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what is wrong with warm-up files: names, dtypes, shapes, values, outputs, or no request at all.

    Only the model's graph is read; nothing is run. Exits with 1 if a request would fail, or with --strict, if it may
    not warm up what it should.

    tfkit warmup-lint warm_up_test.bin --model build/digits

    tfkit warmup-lint requests --model build/digits --recorded recorded --strict
    """
    from tfkit.cli.output import print_json
    from tfkit.warmup.lint import lint_warmup

    report = lint_warmup(files, model=model, signature=signature, recorded=recorded)
    print_json(report.as_dict()) if as_json else _print_report(report, strict=strict)
    if not report.passes(strict=strict):
        raise typer.Exit(EXIT_VERDICT)


def _print_report(report: LintReport, *, strict: bool) -> None:
    from tfkit.cli.output import print_table, print_text
    from tfkit.warmup.lint import Severity

    rows = [(str(each.path), each.format.value, str(each.requests)) for each in report.files]
    print_table(("file", "format", "requests"), rows)
    for findings in _alike(report.findings):
        print_text(_line(findings))
        for line in findings[0].hint.splitlines():
            print_text(f"    {line}")
    if report.coverage is not None:
        _print_coverage(report.coverage)
    counts = ", ".join(counted(report.count(each), each) for each in Severity)
    print_text(f"{'passed' if report.passes(strict=strict) else 'FAILED'}: {counts}")


def _alike(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings that differ in nothing but their place, together."""
    groups: dict[Finding, list[Finding]] = {}
    for each in findings:
        groups.setdefault(replace(each, file="", place=""), []).append(each)
    return list(groups.values())


def _line(findings: Sequence[Finding]) -> str:
    """What was found in one place, or alike in several, of which the first are named."""
    first = findings[0]
    places = [", ".join(filter(None, (each.file, each.place))) for each in findings]
    beyond = f" and {len(places) - _SHOWN_PLACES} more" if len(places) > _SHOWN_PLACES else ""
    where = "; ".join(filter(None, places[:_SHOWN_PLACES])) + beyond
    place = ", ".join(filter(None, (where, f"input {first.input!r}" if first.input else "")))
    times = f" ({len(places)} times)" if len(places) > 1 else ""
    return f"{first.severity}{times}: {place + ': ' if place else ''}{first.message} [{first.code}]"


def _print_coverage(coverage: Coverage) -> None:
    from tfkit.cli.output import print_table, print_text

    rows = [(str(each.requests), "yes" if each.covered else "NO", str(each.form)) for each in coverage.forms]
    print_table(("recorded", "covered", "form"), rows)
    print_text(f"covered: {coverage.covered} of {coverage.requests} recorded requests, {coverage.share:.1%}")
