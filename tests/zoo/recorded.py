"""What the source of a model computed, written and read without TensorFlow."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.old_tensorflow.recorded import Case, read_arrays
from tfkit.arrays import Array, dtype_of, string_array
from tfkit.tensors import DType

RECORD_NAME = "recorded.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A model of the zoo, and runs of it.

    Attributes:
        name: The kind's name.
        family: The file that it is in.
        what: What it is, in a sentence.
        cases: The runs.
        tolerance: The largest relative error that is right.
    """

    name: str
    family: str
    what: str
    cases: list[Case]
    tolerance: float


def write_record(folder: Path, record: Record) -> None:
    """Writes the record of the model that lies in ``folder / "model"``."""
    runs = [
        {"signature": case.signature, "inputs": _recorded(case.inputs), "outputs": _recorded(case.outputs)}
        for case in record.cases
    ]
    about = {"name": record.name, "family": record.family, "what": record.what, "tolerance": record.tolerance}
    (folder / RECORD_NAME).write_text(json.dumps({**about, "cases": runs}))


def read_record(folder: Path) -> Record:
    """What was written of the model in a folder."""
    recorded = json.loads((folder / RECORD_NAME).read_text())
    recorded["cases"] = [
        Case(each["signature"], read_arrays(each["inputs"]), read_arrays(each["outputs"])) for each in recorded["cases"]
    ]
    return Record(**recorded)


def _recorded(arrays: Mapping[str, Array]) -> dict[str, Any]:
    return {name: _array(np.asarray(array)) for name, array in arrays.items()}


def _array(array: Array) -> dict[str, Any]:
    dtype = dtype_of(array)
    data: str | list[str]
    if dtype == DType.STRING:
        data = [base64.b64encode(each).decode() for each in string_array(array).reshape(-1)]
    else:
        data = base64.b64encode(array.tobytes()).decode()
    return {"dtype": dtype.name, "shape": list(array.shape), "data": data}
