"""A verification as one HTML page that needs nothing else: no scripts, no files, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from string import Template

from tfkit.compat.compare import DECADES, PERCENTILES, Errors, OutputResult
from tfkit.compat.recorded import Case
from tfkit.compat.report import VerifyReport, VerifyRow

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
pre { white-space: pre-wrap; background: #f3f5f8; padding: .6rem } svg { display: block; margin: .4rem 0 1rem }
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


def _body(report: VerifyReport) -> Iterator[str]:
    yield f"<h1>{escape(str(report.model))}</h1>"
    kind = "good" if report.passed else "bad"
    yield f'<p class="verdict {kind}">{"passed" if report.passed else "failed"}: {escape(report.verdict)}</p>'
    for note in report.notes:
        yield f"<p>{escape(note)}</p>"
    yield "<h2>Runtimes</h2>"
    columns = ("processor", "TensorFlow", "result", "load ms", "first run ms", "later runs ms")
    yield from _table(columns, (_runtime_cells(row) for row in report.rows))
    for row in report.rows:
        if row.ran.reason:
            yield f"<h3>{escape(row.ran.processor)}: {escape(row.status)}</h3><pre>{escape(row.ran.reason)}</pre>"
    yield f"<h2>Cases</h2><p>Seed {report.seed}.</p>"
    cells = ((str(number), each.signature, each.what, _shapes(each)) for number, each in enumerate(report.cases))
    yield from _table(("case", "signature", "what", "inputs"), cells)
    for row in report.rows:
        if row.outputs:
            yield f"<h2>{escape(row.ran.processor)}</h2>"
        for output in row.outputs:
            yield from _output(output)


def _shapes(case: Case) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in case.inputs.items())


def _runtime_cells(row: VerifyRow) -> tuple[str, ...]:
    latency = row.ran.latency
    times = (latency.load_ms, latency.cold_ms, latency.warm_ms) if latency is not None else ()
    return (row.ran.processor, row.ran.tensorflow, row.status, *(f"{value:.2f}" for value in times))


def _output(output: OutputResult) -> Iterator[str]:
    kind = "good" if output.passed else "bad"
    title = f"{output.signature}: {output.name} ({output.dtype.short_name})"
    yield f'<h3>{escape(title)} <span class="{kind}">{"passed" if output.passed else "differs"}</span></h3>'
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
        parts.append(
            f"worst: case {worst.case}, index {list(worst.index)}: came {worst.came}, expected {worst.expected}"
        )
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
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


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
    label = "Relative errors by decade"
    return f'<svg width="{width}" height="{height}" role="img" aria-label="{label}">{"".join(bars)}</svg>'


def _decade(place: int, count: int) -> str:
    """What is below a bar: the decade that it begins at."""
    low = DECADES[0] + place
    if place == 0:
        return f"&lt;1e{low + 1}"
    return f"1e{low}+" if place == count - 1 else f"1e{low}"
