"""Lowers models to processors, runs them in the real TensorFlow, and compares with what their sources computed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from tests.old_tensorflow.recorded import Case, Fixture
from tests.runtimes import CPU_PROCESSORS, installed_runtime
from tests.zoo.recorded import RECORD_NAME, read_record
from tfkit.arrays import Array
from tfkit.errors import ModelError, TfkitError
from tfkit.lower.flat import FlatModel, read_flat
from tfkit.lower.rewrite import rewrite
from tfkit.lower.target import Target
from tfkit.lower.write import write_flat
from tfkit.runtime import Runtime

MOST_SECONDS = 60
_TOLERANCE = 1e-5
_FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")


@dataclass(frozen=True, slots=True)
class Animal:
    """A model, and what its source computed.

    Attributes:
        name: What it is called.
        family: What it belongs to.
        what: What it is, in a sentence.
        model: Its SavedModel.
        cases: What its signatures were asked, and what the source answered.
        tolerance: The largest relative error that is right.
    """

    name: str
    family: str
    what: str
    model: Path
    cases: tuple[Case, ...]
    tolerance: float = _TOLERANCE


@dataclass(frozen=True, slots=True)
class Cell:
    """What became of a model on a processor.

    Attributes:
        verdict: ``right``, ``WRONG``, ``refused``, or ``failed`` where the runtime did not take what was lowered.
        error: The largest relative error.
        reason: Why it was refused, what failed, which output is wrong.
    """

    verdict: str
    error: float = 0.0
    reason: str = ""


@dataclass(slots=True)
class Row:
    """A model on all processors."""

    animal: Animal
    cells: dict[str, Cell] = field(default_factory=dict)


def made_animals(folder: Path, names: Sequence[str] = ()) -> list[Animal]:
    """The models that ``tests.zoo.make`` made in a folder."""
    animals = []
    for record in (read_record(path.parent) for path in sorted(folder.glob(f"*/{RECORD_NAME}"))):
        if not names or record.name in names:
            place = folder / record.name / "model"
            animals.append(
                Animal(record.name, record.family, record.what, place, tuple(record.cases), record.tolerance)
            )
    return sorted(animals, key=lambda animal: animal.family)


def old_animal(fixture: Fixture) -> Animal:
    """What an old TensorFlow wrote, with what it computed itself."""
    return Animal(
        f"tensorflow_{fixture.minor}",
        "old TensorFlows",
        f"Written by TensorFlow {fixture.version}: variables of both kinds, a table, conditions, loops, every dtype",
        fixture.model,
        tuple(fixture.cases()),
    )


class Keepers:
    """The processors' runtimes, each in a process that all models share.

    Args:
        processors: Those to run on; downloaded unless they are installed.
    """

    def __init__(self, processors: Sequence[str] = CPU_PROCESSORS) -> None:
        for processor in processors:
            installed_runtime(processor)
        self._targets = {processor: Target(processor) for processor in processors}
        self._runtimes = {
            processor: Runtime(processor, device="cpu", timeout_s=MOST_SECONDS) for processor in processors
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for runtime in self._runtimes.values():
            runtime.close()

    def show(self, animal: Animal) -> Row:
        """Lowers a model to every processor and runs it there."""
        row = Row(animal)
        try:
            flat = read_flat(animal.model)
        except ModelError as error:
            row.cells = {processor: Cell("refused", reason=error.message) for processor in self._targets}
            return row
        for processor in self._targets:
            folder = Path(tempfile.mkdtemp(prefix="tfkit-zoo-"))
            try:
                row.cells[processor] = self._cell(animal, flat.copy(), processor, folder)
            finally:
                shutil.rmtree(folder)
        return row

    def _cell(self, animal: Animal, flat: FlatModel, processor: str, folder: Path) -> Cell:
        target = self._targets[processor]
        try:
            problems = rewrite(flat, target).problems
        except Exception as error:  # noqa: BLE001  # a defect of a rule is a cell, not the end
            return Cell("failed", reason=f"lowering ended with {error!r}")
        if problems:
            return Cell("refused", reason="; ".join(dict.fromkeys(p.refusal or p.misfit.text for p in problems)))
        write_flat(flat, target, folder)
        runtime = self._runtimes[processor]
        try:
            model = runtime.load(folder)
            errors = [_worst(model.predict(case.inputs, signature=case.signature), case) for case in animal.cases]
            model.close()
        except TfkitError as error:
            return Cell("failed", reason=f"{error}".partition("\n")[0])
        worst, which = max(errors)
        return Cell("right" if worst <= animal.tolerance else "WRONG", worst, which)


def _worst(came: dict[str, Array], case: Case) -> tuple[float, str]:
    """The largest relative error of a run, and the output that has it."""
    if sorted(came) != sorted(case.outputs):
        return np.inf, f"{case.signature}: outputs {sorted(came)}, expected {sorted(case.outputs)}"
    return max(
        (relative_error(came[name], expected), f"{case.signature}/{name}") for name, expected in case.outputs.items()
    )


def relative_error(came: Array, expected: Array) -> float:
    """The largest of ``|came - expected| / |expected|``; infinite for anything but floats where they differ at all.

    Numbers that are smaller than half of those of their output, zeros aside, count as if they were of the size of that
    median: an average would be led by the largest ones, and hide what goes wrong with the others.
    """
    if came.dtype != expected.dtype or came.shape != expected.shape:
        return np.inf
    if expected.dtype.name not in _FLOATS:
        return 0.0 if came.tolist() == expected.tolist() else np.inf
    exact = np.complex128 if expected.dtype.kind == "c" else np.float64
    came, expected = came.astype(exact), expected.astype(exact)
    same = (came == expected) | (np.isnan(came) & np.isnan(expected))
    if same.all():
        return 0.0
    size = np.abs(expected)
    usual = np.median(size[np.isfinite(size) & (size > 0)]) if np.any(np.isfinite(size) & (size > 0)) else 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.abs(came - expected) / np.maximum(size, usual)
    return float(np.nan_to_num(np.max(errors[~same]), nan=np.inf, posinf=np.inf))
