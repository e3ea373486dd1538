"""A warm-up's proof as a page, and the picture in it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from html import escape

from tfkit import __version__
from tfkit.html import Html, figure, page, table, verdict
from tfkit.prove.report import ProcessorProof, RequestProof, WarmupProof

_COLUMNS = ("request", "result", "first, cold", "first, warm", "later", "covered by")
_COLD, _WARM = "#b3261e", "#3b6ea8"


def render_page(proof: WarmupProof) -> str:
    """The page."""
    return page(f"tfkit warmup-prove: {proof.model.name}", render_parts(proof))


def render_parts(proof: WarmupProof) -> Iterator[str]:
    """What stands on the page."""
    yield f"<h1>Warm-up of {escape(str(proof.model))}</h1>"
    passed = verdict("passed" if proof.passed else "failed", good=proof.passed)
    yield f'<p class="verdict">{passed}: {escape(proof.verdict)}</p>'
    files = ", ".join(map(str, proof.warm_up))
    yield f"<p>tfkit {__version__}, {proof.created:%Y-%m-%d %H:%M} UTC. Warm-up: {escape(files)}. "
    services = "A fresh service" if proof.runs == 1 else f"{proof.runs} fresh services"
    yield f"{services} without it and as many with it, on each processor; more where one was slow.</p>"
    for each in proof.processors:
        yield f"<h2>{escape(each.processor)}</h2>"
        yield from _processor(each)


def _processor(proof: ProcessorProof) -> Iterator[str]:
    if proof.problem:
        yield f"<pre>{escape(proof.problem)}</pre><p>{escape(proof.hint)}</p>"
        return
    yield table(_COLUMNS, map(_cells, proof.requests))
    started = f"{proof.cold_start_s:.2f} s without warm-up, in {proof.warm_start_s:.2f} s with it"
    yield f"<p>A service started in {started}.</p>"
    for each in proof.requests:
        if each.differences:
            yield f"<p>{escape(each.name)} asks for {escape('; '.join(each.differences))}.</p>"
        yield figure(draw_latencies(each), f"{each.name}: the latency of each request after the start")


def _cells(proof: RequestProof) -> tuple[str, ...]:
    times = (f"{value:.1f} ms" for value in (proof.cold_first_ms, proof.warm_first_ms, proof.later_ms))
    return (proof.name, verdict(proof.result, good=proof.passed), *times, proof.covered_by or "-")


def draw_latencies(proof: RequestProof) -> Html:
    """The latencies as SVG: request by request, a line for each service, cold ones red and warm ones blue."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    drawn = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = drawn.add_subplot()
    for runs, colour, label in ((proof.cold_ms, _COLD, "without warm-up"), (proof.warm_ms, _WARM, "with warm-up")):
        for number, values in enumerate(runs):
            axes.plot(
                range(1, len(values) + 1), values, ".-", color=colour, alpha=0.7, label=label if number == 0 else None
            )
    axes.set(yscale="log", xlabel="request", ylabel="latency in ms")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "tfkit"}):
        drawn.savefig(text, format="svg", metadata={"Date": None})
    return Html(text.getvalue().partition("<!DOCTYPE")[2].partition(">")[2])
