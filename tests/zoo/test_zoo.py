"""The quick part of the zoo on every processor, each beside what its source computed."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.old_tensorflow.recorded import FIXTURES, Case, Fixture
from tests.runtimes import CPU_PROCESSORS
from tests.zoo.expected import QUICK, expected_verdict
from tests.zoo.matrix import markdown, text_line
from tests.zoo.recorded import Record, read_record, write_record
from tests.zoo.run import Animal, Cell, Keepers, Row, made_animals, old_animal, relative_error


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Animal]:
    """The quick kinds, made by TensorFlow in a process of its own."""
    folder = tmp_path_factory.mktemp("zoo")
    command = [sys.executable, "-m", "tests.zoo.make", str(folder), *QUICK]
    made = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert made.returncode == 0, made.stderr[-4000:]
    return {animal.name: animal for animal in made_animals(folder)}


@pytest.fixture(scope="module")
def keepers() -> Iterator[Keepers]:
    """All six TensorFlows."""
    with Keepers() as keepers:
        yield keepers


def check(row: Row) -> None:
    """Fails unless each cell is right, or refused as is known of it."""
    expected = {processor: expected_verdict(row.animal.name, processor) for processor in row.cells}
    assert {processor: cell.verdict for processor, cell in row.cells.items()} == expected, f"\n{text_line(row)}"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_every_processor_computes_what_the_source_does(zoo: dict[str, Animal], keepers: Keepers, name: str) -> None:
    check(keepers.show(zoo[name]))


@pytest.mark.network
@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_what_an_old_tensorflow_wrote_runs_on_every_processor(keepers: Keepers, fixture: Fixture) -> None:
    check(keepers.show(old_animal(fixture)))


def test_an_error_counts_relative_to_the_number_or_to_the_median_where_that_is_larger() -> None:
    expected = np.array([1000.0, 4.0, 2.0, 0.0], np.float32)

    assert relative_error(expected, expected) == 0
    assert relative_error(np.array([1000.0, 4.5, 2.0, 0.0], np.float32), expected) == pytest.approx(0.125)
    assert relative_error(np.array([1000.0, 4.0, 2.0, 0.5], np.float32), expected) == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([b"a"], object), np.array([b"b"], object)),
        (np.array([1.0], np.float32), np.array([1.0])),
        (np.array([1.0]), np.array([[1.0]])),
        (np.array([np.nan, 1.0]), np.array([1.0, 1.0])),
        (np.array([np.inf]), np.array([-np.inf])),
    ],
    ids=["integers", "strings", "dtypes", "shapes", "not a number", "infinities"],
)
def test_what_differs_in_kind_is_infinitely_wrong(came: np.ndarray, expected: np.ndarray) -> None:
    assert relative_error(came, expected) == math.inf


def test_equal_infinities_are_no_error() -> None:
    values = np.array([np.inf, np.nan, 1.0], np.float32)

    assert relative_error(values, values.copy()) == 0


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    inputs = {"x": np.array([[1.5, np.nan]], np.float32), "s": np.array([b"\xff", b""], object)}
    write_record(
        tmp_path, Record("mlp", "dense", "Layers", [Case("serving_default", inputs, {"y": np.array(3)})], 1e-5)
    )

    record = read_record(tmp_path)

    assert (record.name, record.family, record.what, record.tolerance) == ("mlp", "dense", "Layers", 1e-5)
    case = record.cases[0]
    np.testing.assert_array_equal(case.inputs["x"], inputs["x"])
    assert case.inputs["s"].tolist() == inputs["s"].tolist()
    assert case.outputs["y"].shape == ()
    assert case.outputs["y"] == 3


def test_the_page_names_what_is_not_right(tmp_path: Path) -> None:
    cells = {name: Cell("right", 3e-7) for name in CPU_PROCESSORS}
    cells[CPU_PROCESSORS[0]] = Cell("refused", reason="it has no op A|B")

    page = markdown([Row(Animal("mlp", "dense", "Layers", tmp_path, ()), cells)])

    assert "| `mlp` | Layers | refused | 3e-07 | 3e-07 |" in page
    assert r"- `mlp` on 1.12 refused: it has no op A\|B" in page
    assert "- TensorFlow 1.14: 1 right" in page
