"""The table that the benchmarks end in."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

_COLUMNS = ("", "value", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Section:
    """The table of one benchmark, and what it says about itself."""

    title: str
    about: str
    rows: Sequence[Mapping[str, Any]]


def row(
    name: str,
    value: float,
    unit: str,
    ratio: float | None = None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> dict[str, Any]:
    """One line of a benchmark's table; a bound is what its ratio must keep."""
    if ratio is None or (at_least is None and at_most is None):
        return {"name": name, "value": value, "unit": unit, "ratio": ratio, "target": "", "ok": None}
    if at_least is not None:
        target, ok = f"at least {at_least:.3g}", ratio >= at_least
    else:
        target, ok = f"at most {at_most:.3g}", at_most is not None and ratio <= at_most
    return {"name": name, "value": value, "unit": unit, "ratio": ratio, "target": target, "ok": ok}


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a table to stdout."""
    cells = [_COLUMNS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for name, *others in cells:
        aligned = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        print("  ".join(aligned).rstrip())


def write_results(path: Path, sections: Sequence[Section]) -> None:
    """Writes the tables of a whole run as Markdown, with what it ran on."""
    lines = ["# Results", "", f"Of `make bench` on {machine()}.", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.about, ""]
        lines += ["| | value | ratio | target | met |", "|---|---:|---:|---|---|"]
        lines += [f"| {' | '.join(_cells(line))} |" for line in section.rows]
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")


def machine() -> str:
    """Processor, versions and date, for people."""
    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, TensorFlow {version('tensorflow')}"
    return f"{_processor()}, {cores} cores, {versions}, {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[line["ok"]]
    return line["name"], f"{_number(line['value'])} {line['unit']}", _number(line["ratio"]), line["target"] or "", met


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
