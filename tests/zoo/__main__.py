"""Lowers and runs the zoo, and prints its matrix; exit code 1 if a cell is not as expected."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.old_tensorflow.recorded import FIXTURES
from tests.runtimes import CPU_PROCESSORS
from tests.zoo.expected import QUICK, expected_verdict
from tests.zoo.matrix import markdown, summary, text_head, text_line
from tests.zoo.run import Animal, Keepers, Row, made_animals, old_animal


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", help="kinds; all but the big ones by default")
    parser.add_argument("--quick", action="store_true", help="the small ones of each family")
    parser.add_argument("--whole", action="store_true", help="the big ones, the real ones and old TensorFlows' too")
    parser.add_argument("--processor", action="append", choices=CPU_PROCESSORS, help="run on this one; may be repeated")
    parser.add_argument("--folder", type=Path, help="where the models are, or are made and kept")
    parser.add_argument("--output", type=Path, help="write the matrix there as Markdown")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tfkit-zoo-") as scratch:
        folder = arguments.folder or Path(scratch)
        names = QUICK if arguments.quick else arguments.names
        whole = ["--whole"] if arguments.whole else []
        made = subprocess.run([sys.executable, "-m", "tests.zoo.make", folder, *names, *whole], check=False)
        rows = _rows(made_animals(folder, names), arguments)
    print(f"\n{summary(rows)}")
    if arguments.output is not None:
        arguments.output.write_text(markdown(rows))
    surprises = [
        f"{row.animal.name} on {processor}: {cell.verdict}"
        for row in rows
        for processor, cell in row.cells.items()
        if cell.verdict != expected_verdict(row.animal.name, processor)
    ]
    print(*surprises, sep="\n")
    return int(bool(made.returncode or surprises))


def _rows(animals: list[Animal], arguments: argparse.Namespace) -> list[Row]:
    if arguments.whole:
        animals += map(old_animal, FIXTURES)
    processors = arguments.processor or CPU_PROCESSORS
    print(text_head(processors), flush=True)
    rows = []
    with Keepers(processors) as keepers:
        for animal in animals:
            rows.append(keepers.show(animal))
            print(text_line(rows[-1]), flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
