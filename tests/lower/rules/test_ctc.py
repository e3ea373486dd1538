"""``tfkit.lower.rules.ctc``: texts read off class by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(5)
BEFORE_2_7 = [name for name in CPU_PROCESSORS if not name.endswith("2.7")]
STEPS, CLASSES = 6, 3


def read(tf: Any, scores: Any, lengths: Any) -> Any:
    return [
        each
        for merge in (True, False)
        for blank in (0, 1, -1, -2)
        for each in tf.raw_ops.CTCGreedyDecoder(
            inputs=scores, sequence_length=lengths, merge_repeated=merge, blank_index=blank
        )
    ]


def read_by_keras(tf: Any, scores: Any, lengths: Any) -> Any:
    import keras

    return keras.ops.ctc_decode(scores, lengths, strategy="greedy", mask_index=0)


def scores(batch: int, dtype: str) -> Any:
    """Of few values, so that many are equal; the first row is of blanks alone."""
    values = RANDOM.integers(0, 3, (STEPS, batch, CLASSES)).astype(dtype) / 8
    values[:, :1, 0] = 9
    return values


def calls(dtype: str) -> list[tuple[Any, Any]]:
    some = [(scores(batch, dtype), RANDOM.integers(0, STEPS + 1, batch).astype("int32")) for batch in (1, 7)]
    impossible = scores(3, dtype)
    impossible[2:5] = -np.inf
    return [*some, (impossible, np.array([STEPS, 4, 1], "int32"))]


def test_any_class_is_blank(prove: Prove) -> None:
    prove(read, *calls("float32"), processors=BEFORE_2_7)


def test_doubles(prove: Prove) -> None:
    prove(read, *calls("float64")[:2], processors=(OLDEST, "tensorflow_cpu_1.14", "tensorflow_cpu_1.15"))


def test_keras(prove: Prove) -> None:
    given = [(np.moveaxis(each, 0, 1), lengths) for each, lengths in calls("float32")[:2]]
    prove(read_by_keras, *given, processors=BEFORE_2_7)
