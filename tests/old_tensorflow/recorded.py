"""What the old TensorFlows wrote and recorded of themselves; ``write_fixtures.py`` made it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.tensors import DType

FOLDER = Path(__file__).with_name("fixtures")
MINORS = ("1.12", "1.14", "1.15", "2.3", "2.4", "2.7")


@dataclass(frozen=True, slots=True)
class Case:
    """One run, and what came of it; ``signature`` is empty for the frozen graph."""

    signature: str
    inputs: dict[str, Array]
    outputs: dict[str, Array]

    def check(self, came: dict[str, Array], rtol: float = 1e-5) -> None:
        """Fails unless ``came`` is what was recorded: exactly, but for the last bits of what was computed in floats.

        Args:
            came: The outputs of another run.
            rtol: How far computed floats may be off, as a share of what was recorded.
        """
        assert sorted(came) == sorted(self.outputs)
        for name, expected in self.outputs.items():
            assert came[name].dtype == expected.dtype, name
            assert came[name].shape == expected.shape, name
            if expected.dtype == np.float32 and not self.signature.startswith("echo"):
                np.testing.assert_allclose(came[name], expected, rtol=rtol, atol=rtol / 10, err_msg=name)
            else:
                assert came[name].tolist() == expected.tolist(), name


@dataclass(frozen=True)
class Fixture:
    """What one TensorFlow wrote."""

    minor: str

    def __str__(self) -> str:
        return self.minor

    @property
    def processor(self) -> str:
        """The processor that runs that TensorFlow."""
        return f"tensorflow_cpu_{self.minor}"

    @property
    def model(self) -> Path:
        """The SavedModel's folder."""
        return self._folder / "model"

    @property
    def frozen(self) -> Path:
        """The frozen graph."""
        return self._folder / "frozen.pb"

    @property
    def addons(self) -> Path:
        """The SavedModel with an op of tensorflow-addons; only of 2.7."""
        return self._folder / "addons"

    @property
    def version(self) -> str:
        """The TensorFlow that wrote it."""
        return str(self._recorded["tensorflow"])

    def cases(self, of: str = "model") -> list[Case]:
        """The recorded runs of ``model``, ``frozen`` or ``addons``."""
        return [
            Case(each.get("signature", ""), read_arrays(each["inputs"]), read_arrays(each["outputs"]))
            for each in self._recorded[of]
        ]

    def first(self, signature: str) -> Case:
        """The first recorded run of a signature."""
        return next(case for case in self.cases() if case.signature == signature)

    @property
    def _folder(self) -> Path:
        return FOLDER / f"tf_{self.minor}"

    @cached_property
    def _recorded(self) -> dict[str, Any]:
        return dict(json.loads((self._folder / "recorded.json").read_text()))


FIXTURES = tuple(Fixture(minor) for minor in MINORS)


def read_arrays(recorded: dict[str, Any]) -> dict[str, Array]:
    """The arrays of a record, by name."""
    return {name: _array(**each) for name, each in recorded.items()}


def _array(dtype: str, shape: list[int], data: str | list[str]) -> Array:
    held = NUMPY_DTYPES[DType.parse(dtype)]
    if held.hasobject:
        flat = np.empty(len(data), object)
        flat[:] = [base64.b64decode(each) for each in data]
        return flat.reshape(shape)
    assert isinstance(data, str)
    return np.frombuffer(base64.b64decode(data), held).reshape(shape)
