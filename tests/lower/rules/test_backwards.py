"""``tfkit.lower.rules.backwards``: sequences turned round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network


def turn_round(tf: Any, texts: Any, lengths: Any) -> Any:
    return tf.reverse_sequence(texts, lengths, seq_axis=1, batch_axis=0)


def turn_first_axis_round(tf: Any, texts: Any, lengths: Any) -> Any:
    return tf.reverse_sequence(texts, tf.cast(lengths, tf.int64), seq_axis=0, batch_axis=2)


def texts(*shape: int) -> Any:
    return np.array([str(at) for at in range(int(np.prod(shape)))], object).reshape(shape)


def test_rows(prove: Prove) -> None:
    calls = [(texts(3, size), np.array([0, 1, size], "int32")) for size in (1, 5)]
    prove(turn_round, *calls, processors=CPU_PROCESSORS)


def test_no_rows(prove: Prove) -> None:
    prove(turn_round, (texts(0, 3, 2), np.zeros(0, "int32")), (texts(2, 3, 2), np.array([3, 2], "int32")))


def test_any_axis(prove: Prove) -> None:
    prove(turn_first_axis_round, *((texts(4, size, 2), np.array([4, 2], "int32")) for size in (1, 3)))
