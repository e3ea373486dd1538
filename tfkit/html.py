"""The pieces of tfkit's reports as HTML: pages that need nothing else, no scripts, no files, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from string import Template

_PAGE_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2430; }
"""
# What holds inside of a report, be it a page of its own or a cell of a notebook.
_STYLE = """\
.tfkit h1 { font-size: 1.4rem } .tfkit h2 { font-size: 1.1rem; margin-top: 2rem }
.tfkit :is(h3, h4, h5) { font-size: 1rem; margin-bottom: .3rem } .tfkit .verdict { font-size: 1.1rem; font-weight: 600 }
.tfkit table { border-collapse: collapse } .tfkit td, .tfkit th { padding: .25rem .8rem .25rem 0 }
.tfkit td, .tfkit th { text-align: left; vertical-align: top }
.tfkit td { font-variant-numeric: tabular-nums; white-space: pre-line }
.tfkit th { font-weight: 600; border-bottom: 1px solid #c5ccd6 }
.tfkit .good { color: #12703f } .tfkit .bad { color: #b3261e } .tfkit a { color: #24527a }
.tfkit pre { white-space: pre-wrap; background: #f3f5f8; padding: .6rem }
.tfkit svg { display: block; max-width: 100% } .tfkit figure { margin: .4rem 0 1rem }
.tfkit figcaption { font-size: .85rem; color: #44505f } .tfkit .bars rect { fill: #3b6ea8 }
.tfkit .bars text { font: 11px system-ui, sans-serif; fill: #44505f; text-anchor: middle }
"""

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style</style>
</head>
<body class="tfkit">
$body
</body>
</html>
""")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def page(title: str, body: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: Its title, as text.
        body: Its parts, as HTML.
    """
    return _PAGE.substitute(title=escape(title), style=f"{_PAGE_STYLE}{_STYLE}", body="\n".join(body))


def fragment(body: Iterable[str]) -> str:
    """A part of somebody else's page, as a notebook shows it.

    Args:
        body: Its parts, as HTML.
    """
    return f'<div class="tfkit"><style>\n{_STYLE}</style>{"".join(body)}</div>'


def verdict(text: str, *, good: bool) -> Html:
    """A verdict, coloured."""
    return Html(f'<span class="{"good" if good else "bad"}">{escape(text)}</span>')


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table; cells are text, or ``Html``."""
    return Html(f"<table>{_row('th', columns)}{''.join(_row('td', row) for row in rows)}</table>")


def figure(picture: str, caption: str) -> Html:
    """A picture, as SVG, with its caption, as text."""
    return Html(f"<figure><figcaption>{escape(caption)}</figcaption>{picture}</figure>")


def _row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_as_html(cell)}</{tag}>' for cell in cells)}</tr>"


def _as_html(cell: str) -> str:
    return cell if isinstance(cell, Html) else escape(cell)
