"""``tfkit.lower.rules.top_k``: the largest numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(4)


def all_types(tf: Any, values: Any, count: Any) -> Any:
    return [
        each
        for count_type, index_type in ((tf.int16, tf.int64), (tf.int64, tf.int16), (tf.int64, tf.int32))
        for each in tf.math.top_k(values, tf.cast(count, count_type), index_type=index_type)
    ]


def approximate(tf: Any, values: Any) -> Any:
    return tf.math.approx_max_k(values, 3, recall_target=0.5)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "uint64"])
def test_counts_and_indices(prove: Prove, dtype: str) -> None:
    calls = [(RANDOM.integers(0, 120, (2, size)).astype(dtype), np.int32(size - 4)) for size in (4, 9)]
    prove(all_types, *calls, processors=CPU_PROCESSORS)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_approximate_ones_are_exact(prove: Prove, dtype: str) -> None:
    calls = [(RANDOM.integers(-9, 9, (size, 30)).astype(dtype),) for size in (1, 4)]
    prove(approximate, *calls, processors=CPU_PROCESSORS)
