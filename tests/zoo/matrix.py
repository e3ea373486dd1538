"""The zoo's matrix: a row a model, a column a processor; for a terminal, and for docs/zoo.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.zoo.run import Cell, Row

_HEAD = """\
# The zoo

Models of every kind, each lowered to every processor, run there in the processor's real TensorFlow, and compared with
what TensorFlow's own Python computed from the source. `make zoo` wrote this.

- A number is the largest relative error of any output at any batch size; `=` stands for none at all. Right is what is
  below 1e-5 (float16: 5e-3, bfloat16: 4e-2, ten units of the last place of each); text, whole numbers and booleans have
  to be equal. Numbers below the median of their output, zeros aside, count as if they were that large.
- `refused` was told while lowering, with the reason below; nothing was written.
- **WRONG** and **failed** are defects.
"""


def short(cell: Cell) -> str:
    """A cell in a word."""
    if cell.verdict == "right":
        return f"{cell.error:.0e}" if cell.error else "="
    if cell.verdict == "WRONG":
        return f"WRONG {cell.error:.0e}"
    return cell.verdict


def text_line(row: Row) -> str:
    """A row for a terminal, with what is not right below it."""
    cells = "".join(f"{short(cell):>12}" for cell in row.cells.values())
    lines = [f"{row.animal.name:28}{cells}"]
    lines += [f"    {processor}: {cell.reason}" for processor, cell in row.cells.items() if cell.verdict != "right"]
    return "\n".join(lines)


def text_head(processors: Sequence[str]) -> str:
    """What stands over those rows."""
    return f"{'':28}" + "".join(f"{_minor(processor):>12}" for processor in processors)


def summary(rows: Sequence[Row]) -> str:
    """How many are right, a processor a line."""
    lines = []
    for processor in rows[0].cells if rows else ():
        verdicts = [row.cells[processor].verdict for row in rows]
        counts = {verdict: verdicts.count(verdict) for verdict in ("right", "refused", "failed", "WRONG")}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        lines.append(f"{_minor(processor)}: {told}")
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """The whole page."""
    processors = list(rows[0].cells)
    lines = [_HEAD, *(f"- TensorFlow {line}" for line in summary(rows).splitlines()), ""]
    for family in dict.fromkeys(row.animal.family for row in rows):
        members = [row for row in rows if row.animal.family == family]
        lines += [f"## {family.replace('_', ' ').capitalize()}", ""]
        lines += [
            _markdown_row(["model", "what it is", *map(_minor, processors)]),
            "|---|---|" + "---|" * len(processors),
        ]
        lines += [
            _markdown_row([f"`{row.animal.name}`", row.animal.what, *map(_marked, row.cells.values())])
            for row in members
        ]
        lines.append("")
    reasons = list(_reasons(rows))
    if reasons:
        lines += ["## What is not right", "", *reasons, ""]
    return "\n".join(lines)


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        told: dict[str, list[str]] = {}
        for processor, cell in row.cells.items():
            if cell.verdict != "right":
                told.setdefault(f"{cell.verdict}: {cell.reason}", []).append(_minor(processor))
        for reason, minors in told.items():
            yield f"- `{row.animal.name}` on {', '.join(minors)} {_escaped(reason)}"


def _marked(cell: Cell) -> str:
    word = short(cell)
    return f"**{word}**" if cell.verdict in ("WRONG", "failed") else word


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _minor(processor: str) -> str:
    return processor.rpartition("_")[2]
