"""The sample models for tests: where they are, the data they have not seen, and how many of it a service gets right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfkit.arrays import Array
from tfkit.inputs import make_inputs, parse_inputs
from tfkit.tensors import Signature

SAMPLES = Path(__file__).parents[1] / "sample_models"
ACCURACIES: dict[str, float] = json.loads((SAMPLES / "accuracies.json").read_text(encoding="utf-8"))

# The samples of a model as --input takes them, and the labels: by the model's name, the digits' for any other.
_DIGITS = (f"images=@{SAMPLES / 'digits_test.npy'}", "digits_test_labels.npy")
_HELD_OUT = {
    "penguins": (f"@{SAMPLES / 'penguins_test.npz'}", "penguins_test_labels.npy"),
    "sentences": (f"text=@{SAMPLES / 'sentences_test.txt'}", "sentences_test_labels.npy"),
    "wide_and_deep": (f"@{SAMPLES / 'wide_and_deep_test.csv'}", "wide_and_deep_test_labels.npy"),
}


class Answering(Protocol):
    """A client of a service, or the service itself."""

    def predict(self, inputs: dict[str, Array], *, signature: str) -> dict[str, Any]: ...


def held_out_option(name: str) -> str:
    """The held-out inputs of a model as one ``--input`` option."""
    return _HELD_OUT.get(name, _DIGITS)[0]


def accuracy(name: str, service: Answering, signature: Signature) -> float:
    """The share of a model's held-out rows that a service gets right; ``scores`` is what it answers."""
    inputs = make_inputs(parse_inputs([held_out_option(name)]), signature, batch_size=None)
    scores = service.predict(inputs, signature=signature.name)["scores"]
    labels = np.load(SAMPLES / _HELD_OUT.get(name, _DIGITS)[1])
    return float(np.mean(np.argmax(scores, axis=1) == labels))
