"""``tfkit.lower.rules.big_products``: products of matrices of int64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(10)


def all_ways(tf: Any, x: Any, y: Any) -> Any:
    matmul = tf.linalg.matmul
    return [
        matmul(x, y),
        matmul(tf.transpose(x), y, transpose_a=True),
        matmul(x, tf.transpose(y), transpose_b=True),
        tf.einsum("ij,jk->ik", x, y),
        matmul(tf.stack([x, -x]), y[None]),
        matmul(tf.stack([x, x + 1]), tf.stack([tf.transpose(y)] * 2), transpose_b=True),
    ]


def numbers(*shape: int) -> Any:
    """Of all sizes: their products wrap."""
    return RANDOM.integers(-(2**63), 2**63 - 1, shape) >> RANDOM.integers(0, 63, shape)


def test_rows_of_known_length(prove: Prove) -> None:
    prove(all_ways, *((numbers(size, 7), numbers(7, 3)) for size in (0, 1, 5)))


def test_rows_of_any_length(prove: Prove) -> None:
    prove(all_ways, *((numbers(2, size), numbers(size, 3)) for size in (0, 1, 1000)))
