"""``tfkit.lower.rules.log_sums``: sums of numbers that are given by their logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(8)
INFINITY = np.inf
OLD = (OLDEST, "tensorflow_cpu_1.14", "tensorflow_cpu_1.15")


def all_ways(tf: Any, numbers: Any) -> Any:
    return [
        tf.math.cumulative_logsumexp(numbers, axis=axis, exclusive=exclusive, reverse=reverse)
        for axis, exclusive, reverse in ((0, False, False), (1, True, False), (-1, False, True), (1, True, True))
    ]


def first_axis(tf: Any, numbers: Any) -> Any:
    return [tf.math.cumulative_logsumexp(numbers), tf.math.cumulative_logsumexp(numbers, exclusive=True, reverse=True)]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14), ("float16", 4e-3)])
def test_sums(prove: Prove, dtype: str, tolerance: float) -> None:
    calls = [(RANDOM.normal(scale=9, size=(3, size, 2)).astype(dtype),) for size in (0, 1, 2, 11)]
    prove(all_ways, *calls, processors=OLD, tolerance=tolerance)


def test_numbers_too_large_to_be_exponentiated(prove: Prove) -> None:
    rows = [np.array(row, "float32") for row in ([900, -800, 901, 850], [-1e4, -1e4])]
    prove(first_axis, *((row,) for row in rows), tolerance=1e-6)


def test_infinities(prove: Prove) -> None:
    rows = [
        [-INFINITY, -INFINITY, 1, 2],
        [1, 2, INFINITY, INFINITY],
        [INFINITY, 3, -INFINITY, INFINITY],
        [-INFINITY] * 4,
        [INFINITY, 1, 2, 3],
    ]
    prove(first_axis, *((np.array(row, "float32"),) for row in rows), processors=OLD, tolerance=1e-6)
