"""A recipe's summary as one page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from tfkit.html import page, table, verdict

if TYPE_CHECKING:
    from tfkit.recipe.run import RecipeReport

_HEADING = re.compile(r"<(/?)h([1-4])>")
_COLUMNS = ("step", "status", "time", "result")


def render_page(report: RecipeReport) -> str:
    """The page."""
    return page(f"tfkit run: {report.name}", render_parts(report))


def render_parts(report: RecipeReport) -> Iterator[str]:
    """What stands on the page: the steps, then the reports of those that have one."""
    yield f"<h1>{escape(report.name)}: {verdict('passed' if report.passed else 'failed', good=report.passed)}</h1>"
    yield f"<p>{escape(str(report.recipe))}, in {escape(str(report.output))}</p>"
    rows = (
        (step.name, verdict(step.status, good=not step.exit_code), f"{step.elapsed_s:.1f} s", step.text)
        for step in report.steps
    )
    yield table(_COLUMNS, rows)
    for step in report.steps:
        if step.html:
            yield f"<section><h2>{escape(step.name)}</h2>{_below(step.html)}</section>"


def _below(report: str) -> str:
    """A report with its headings two levels lower: it stands below the page's and the step's."""
    return _HEADING.sub(lambda found: f"<{found[1]}h{int(found[2]) + 2}>", report)
