"""A verification as one HTML page that needs nothing else: no scripts, no files, no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from tfkit import __version__
from tfkit.compat.compare import DECADES, PERCENTILES, Errors, OutputResult
from tfkit.compat.recorded import Case
from tfkit.compat.report import VerifyReport, VerifyRow
from tfkit.compat.running import MISSING
from tfkit.html import Html, figure, page, table, verdict

_BAR_WIDTH, _BAR_GAP, _HEIGHT, _LABELS = 30, 4, 70, 16


def render_page(report: VerifyReport) -> str:
    """The page."""
    return page(f"tfkit verify: {report.model.name}", render_parts(report))


def render_parts(report: VerifyReport) -> Iterator[str]:
    """What stands on the page."""
    yield f"<h1>{escape(str(report.model))}</h1>"
    yield f'<p class="verdict">{verdict("passed" if report.passed else "failed", good=report.passed)}: '
    yield f"{escape(report.verdict)}</p>"
    yield f"<p>tfkit {__version__}, {report.created:%Y-%m-%d %H:%M} UTC. Inputs: {escape(report.inputs_from)}.</p>"
    for note in (*(f"signature {name} was not compared: {why}" for name, why in report.skipped.items()), *report.notes):
        yield f"<p>{escape(note)}</p>"
    yield "<h2>Runtimes</h2>"
    columns = ("processor", "TensorFlow", "result", "load ms", "first run ms", "later runs ms")
    present = [row for row in report.rows if row.status != MISSING]
    yield table(columns, (*map(_runtime_cells, present), *_missing_cells(report)))
    for row in present:
        if row.ran.reason:
            yield f"<h3{_anchor(row)}>{escape(row.ran.processor)}: {escape(row.status)}</h3>"
            yield f"<pre>{escape(row.ran.reason)}</pre><p>{escape(row.ran.hint)}</p>"
    yield "<h2>Cases</h2>"
    cells = ((str(number), each.signature, each.what, _shapes(each)) for number, each in enumerate(report.cases))
    yield table(("case", "signature", "what", "inputs"), cells)
    for row in report.rows:
        if row.outputs:
            yield f"<h2{_anchor(row)}>{escape(row.ran.processor)}</h2>"
        for output in row.outputs:
            yield from _output(output)


def _shapes(case: Case) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in case.inputs.items())


def _anchor(row: VerifyRow) -> str:
    return f' id="{escape(row.ran.processor)}"'


def _runtime_cells(row: VerifyRow) -> tuple[str, ...]:
    latency = row.ran.latency
    times = (latency.load_ms, latency.cold_ms, latency.warm_ms) if latency is not None else ()
    name = escape(row.ran.processor)
    linked = Html(f'<a href="#{name}">{name}</a>') if row.outputs or row.ran.reason else row.ran.processor
    result = verdict(row.status, good=not row.failed)
    return (linked, row.ran.tensorflow, result, *(f"{value:.2f}" for value in times))


def _missing_cells(report: VerifyReport) -> Iterator[tuple[str, ...]]:
    """One line for all that is not installed."""
    if report.missing:
        named = any(row.failed for row in report.rows if row.status == MISSING)
        yield (", ".join(report.missing), "", verdict(MISSING, good=False) if named else MISSING)


def _output(output: OutputResult) -> Iterator[str]:
    result = verdict("passed" if output.passed else "differs", good=output.passed)
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
        yield table(columns, errors)
        yield _histogram(output.histogram)


def _error_cells(name: str, errors: Errors) -> tuple[str, ...]:
    return (name, *(f"{value:.3g}" for value in (errors.largest, errors.mean, *errors.percentiles)))


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
    picture = (
        f'<svg class="bars" width="{width}" height="{height}" role="img" aria-label="{label}">{"".join(bars)}</svg>'
    )
    return figure(picture, label)


def _decade(place: int, count: int) -> str:
    """What is below a bar: the decade that it begins at."""
    low = DECADES[0] + place
    if place == 0:
        return f"&lt;1e{low + 1}"
    return f"1e{low}+" if place == count - 1 else f"1e{low}"
