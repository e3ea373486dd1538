"""What the old TensorFlows trained and recorded of it; ``write_fixtures.py`` made it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.old_tensorflow.recorded import read_arrays
from tfkit.arrays import Array

FOLDER = Path(__file__).with_name("fixtures")
MINORS = ("1.12", "1.15")
# What export has to be told of each model, beside the outputs that were recorded.
OPTIONS: dict[str, dict[str, Any]] = {
    "cnn": {"fixed": {"is_training": False}},
    "cnn_by_hand": {"fixed": {"phase_train": False, "keep_prob": 1.0}},
    "lstm": {},
    "words": {},
    "pipeline": {"input_tensors": {"IteratorGetNext": "IteratorGetNext:0"}},
}


@dataclass(frozen=True)
class Trained:
    """A model that one TensorFlow trained."""

    minor: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}-{self.minor}"

    @property
    def folder(self) -> Path:
        """Where its checkpoint is."""
        return FOLDER / f"tf_{self.minor}" / self.name

    @property
    def options(self) -> dict[str, Any]:
        """What export has to be told."""
        return OPTIONS[self.name]

    @property
    def outputs(self) -> dict[str, str]:
        """The tensors that were recorded, by names for them."""
        return {name.partition(":")[0].replace("/", "_"): name for name in self._recorded["fetched"]}

    @property
    def inputs(self) -> dict[str, Array]:
        """What they were recorded for, without what is fixed."""
        fed = {name.partition(":")[0]: array for name, array in read_arrays(self._recorded["fed"]).items()}
        return {name: array for name, array in fed.items() if name not in self.options.get("fixed", {})}

    def check(self, came: dict[str, Array], rtol: float = 1e-5) -> None:
        """Fails unless these are the recorded outputs."""
        expected = read_arrays(self._recorded["fetched"])
        assert sorted(came) == sorted(self.outputs)
        for name, tensor in self.outputs.items():
            assert came[name].dtype == expected[tensor].dtype
            np.testing.assert_allclose(came[name], expected[tensor], rtol=rtol, atol=rtol / 10, err_msg=name)

    @property
    def _recorded(self) -> dict[str, Any]:
        return dict(json.loads((self.folder.parent / "recorded.json").read_text())[self.name])


TRAINED = tuple(Trained(minor, name) for minor in MINORS for name in OPTIONS)
CNN, BY_HAND, LSTM, WORDS, PIPELINE = (Trained("1.15", name) for name in OPTIONS)
