"""Runs benchmarks: ``python -m benchmarks`` all of them, ``python -m benchmarks serving codec`` some.

A run of all writes its tables to ``benchmarks/RESULTS.md`` as well. The exit code is 1 if a target was missed.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from benchmarks.report import Section, print_rows, write_results

BENCHMARKS = {
    "inspect": ("benchmarks.inspect_speed", "tfkit inspect"),
    "codec": ("benchmarks.codec", "Message codec"),
    "serving": ("benchmarks.serving", "Serving the digits MLP"),
    "processors": ("benchmarks.processors", "Each processor, with the digits MLP"),
    "lowering": ("benchmarks.lowering", "Lowering"),
    "graph_sources": ("benchmarks.graph_sources", "Converting graphs of TensorFlow 1"),
    "http_layer": ("benchmarks.http_layer", "HTTP layers before the same model"),
}
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
    sections = []
    for name in names or BENCHMARKS:
        module_name, title = BENCHMARKS[name]
        module = import_module(module_name)
        section = Section(title, _about(module), module.run())
        sections.append(section)
        print(f"{title}\n")
        print_rows(section.rows)
        print(flush=True)
    if not names:
        write_results(RESULTS, sections)
    missed = [line["name"] for section in sections for line in section.rows if line["ok"] is False]
    for line in missed:
        print(f"missed its target: {line}", file=sys.stderr)
    return 1 if missed else 0


def _about(module: ModuleType) -> str:
    """What a benchmark measures: its module's first two paragraphs, as Markdown."""
    return "\n\n".join((module.__doc__ or "").strip().split("\n\n")[:2]).replace("``", "`")


if __name__ == "__main__":
    sys.exit(main())
