"""A verification as one HTML page that needs nothing else: no scripts, no files, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from string import Template

from tfkit import __version__
from tfkit.compat.compare import DECADES, PERCENTILES, Errors, OutputResult
from tfkit.compat.recorded import Case
from tfkit.compat.report import VerifyReport, VerifyRow
from tfkit.compat.running import MISSING

_BAR_WIDTH, _BAR_GAP, _HEIGHT, _LABELS = 30, 4, 70, 16

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2430; }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem } h3 { font-size: 1rem; margin-bottom: .3rem }
table { border-collapse: collapse } td, th { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top }
th { font-weight: 600; border-bottom: 1px solid #c5ccd6 } td { font-variant-numeric: tabular-nums }
.good { color: #12703f } .bad { color: #b3261e } .verdict { font-size: 1.1rem; font-weight: 600 }
pre { white-space: pre-wrap; background: #f3f5f8; padding: .6rem } svg { display: block }
figure { margin: .4rem 0 1rem } figcaption { font-size: .85rem; color: #44505f } a { color: #24527a }
rect { fill: #3b6ea8 } text { font: 11px system-ui, sans-serif; fill: #44505f; text-anchor: middle }
</style>
</head>
<body>
$body
</body>
</html>
""")


def render_page(report: VerifyReport) -> str:
    """The page."""
    return _PAGE.substitute(title=escape(f"tfkit verify: {report.model.name}"), body="\n".join(_body(report)))


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def _body(report: VerifyReport) -> Iterator[str]:
    yield f"<h1>{escape(str(report.model))}</h1>"
    yield f'<p class="verdict">{_verdict("passed" if report.passed else "failed", good=report.passed)}: '
    yield f"{escape(report.verdict)}</p>"
    yield f"<p>tfkit {__version__}, {report.created:%Y-%m-%d %H:%M} UTC. Inputs: {escape(report.inputs_from)}.</p>"
    for note in (*(f"signature {name} was not compared: {why}" for name, why in report.skipped.items()), *report.notes):
        yield f"<p>{escape(note)}</p>"
    yield "<h2>Runtimes</h2>"
    columns = ("processor", "TensorFlow", "result", "load ms", "first run ms", "later runs ms")
    present = [row for row in report.rows if row.status != MISSING]
    yield from _table(columns, (*map(_runtime_cells, present), *_missing_cells(report)))
    for row in present:
        if row.ran.reason:
            yield f"<h3{_anchor(row)}>{escape(row.ran.processor)}: {escape(row.status)}</h3>"
            yield f"<pre>{escape(row.ran.reason)}</pre><p>{escape(row.ran.hint)}</p>"
    yield "<h2>Cases</h2>"
    cells = ((str(number), each.signature, each.what, _shapes(each)) for number, each in enumerate(report.cases))
    yield from _table(("case", "signature", "what", "inputs"), cells)
    for row in report.rows:
        if row.outputs:
            yield f"<h2{_anchor(row)}>{escape(row.ran.processor)}</h2>"
        for output in row.outputs:
            yield from _output(output)


def _shapes(case: Case) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in case.inputs.items())


def _anchor(row: VerifyRow) -> str:
    return f' id="{escape(row.ran.processor)}"'


def _verdict(text: str, *, good: bool) -> _Html:
    return _Html(f'<span class="{"good" if good else "bad"}">{escape(text)}</span>')


def _runtime_cells(row: VerifyRow) -> tuple[str, ...]:
    latency = row.ran.latency
    times = (latency.load_ms, latency.cold_ms, latency.warm_ms) if latency is not None else ()
    name = escape(row.ran.processor)
    linked = _Html(f'<a href="#{name}">{name}</a>') if row.outputs or row.ran.reason else row.ran.processor
    result = _verdict(row.status, good=not row.failed)
    return (linked, row.ran.tensorflow, result, *(f"{value:.2f}" for value in times))


def _missing_cells(report: VerifyReport) -> Iterator[tuple[str, ...]]:
    """One line for all that is not installed."""
    if report.missing:
        named = any(row.failed for row in report.rows if row.status == MISSING)
        yield (", ".join(report.missing), "", _verdict(MISSING, good=False) if named else MISSING)


def _output(output: OutputResult) -> Iterator[str]:
    result = _verdict("passed" if output.passed else "differs", good=output.passed)
    title = f"{output.signature}: {output.name} ({output.dtype.short_name})"
    yield f"<h3>{escape(title)} {result}</h3>"
    if output.problem:
        yield f"<p>{escape(output.problem)}</p>"
        return
    share = output.mismatched / output.values if output.values else 0.0
    parts = [f"{output.mismatched} of {output.values} values ({share:.2%}) are beyond what is allowed"]
    parts.append(f"allowed: {output.tolerance.atol:.3g} + {output.tolerance.rtol:.3g} · |reference|")
    if output.argmax_agreement is not None:
        parts.append(f"the largest value is at the same place in {output.argmax_agreement:.2%} of the rows")
    if not output.finite_alike:
        parts.append("NaN or infinities are elsewhere than in the reference")
    if (worst := output.worst) is not None:
        parts.append(f"worst: {worst.what}, index {list(worst.index)}: came {worst.came}, expected {worst.expected}")
    yield f"<p>{escape('; '.join(parts))}.</p>"
    if output.absolute is not None and output.relative is not None:
        columns = ("error", "largest", "mean", *(f"{share}%" for share in PERCENTILES))
        errors = (_error_cells("absolute", output.absolute), _error_cells("relative", output.relative))
        yield from _table(columns, errors)
        yield _histogram(output.histogram)


def _error_cells(name: str, errors: Errors) -> tuple[str, ...]:
    return (name, *(f"{value:.3g}" for value in (errors.largest, errors.mean, *errors.percentiles)))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"<table>{_row('th', columns)}"
    yield from (_row("td", row) for row in rows)
    yield "</table>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_as_html(cell)}</{tag}>' for cell in cells)}</tr>"


def _as_html(cell: str) -> str:
    return cell if isinstance(cell, _Html) else escape(cell)


def _histogram(counts: Sequence[int]) -> str:
    """Bars for the relative errors in each decade."""
    most = max(counts, default=0) or 1
    step = _BAR_WIDTH + _BAR_GAP
    bars = []
    for place, count in enumerate(counts):
        # A bar for a single value among a million is seen, too.
        height = max(2, round(_HEIGHT * count / most)) if count else 0
        left, middle, top = place * step, place * step + _BAR_WIDTH // 2, _LABELS + _HEIGHT - height
        bars.append(f'<rect x="{left}" y="{top}" width="{_BAR_WIDTH}" height="{height}"/>')
        if count:
            bars.append(f'<text x="{middle}" y="{top - 3}">{count}</text>')
        bars.append(f'<text x="{middle}" y="{_LABELS + _HEIGHT + 13}">{_decade(place, len(counts))}</text>')
    width, height = len(counts) * step, _HEIGHT + 2 * _LABELS
    label = "Values by their relative error, |came - expected| / |expected|: one bar a decade"
    picture = f'<svg width="{width}" height="{height}" role="img" aria-label="{label}">{"".join(bars)}</svg>'
    return f"<figure><figcaption>{label}</figcaption>{picture}</figure>"


def _decade(place: int, count: int) -> str:
    """What is below a bar: the decade that it begins at."""
    low = DECADES[0] + place
    if place == 0:
        return f"&lt;1e{low + 1}"
    return f"1e{low}+" if place == count - 1 else f"1e{low}"
