"""``tfkit.lower.rules.philox``: whole random numbers that follow from a seed are the same on every TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
SIZES, SEED = np.array([2, 5], "int32"), np.array([7, -9], "int32")
CALLS = [(SIZES, SEED), (SIZES * 0, SEED), (SIZES + 1, SEED * 2**20)]


def within(tf: Any, sizes: Any, seed: Any) -> Any:
    draw = tf.random.stateless_uniform
    return [
        draw(sizes, seed, 3, 90, tf.int32),
        draw(tf.cast(sizes, tf.int64), tf.cast(seed, tf.int64) * 2**33, -(2**31), 2**31 - 1, tf.int32),
        draw(sizes, seed, -5, 2**40, tf.int64),
        draw([3], seed, -(2**63), 2**63 - 1, tf.int64),
        draw([], seed, -7, -2, tf.int64),
    ]


def any_bits(tf: Any, sizes: Any, seed: Any) -> Any:
    draw = tf.random.stateless_uniform
    return [draw(sizes, seed, None, None, dtype) for dtype in (tf.int32, tf.int64, tf.uint32, tf.uint64)]


def drawn_by_keras(tf: Any, sizes: Any, seed: Any) -> Any:
    import keras

    return keras.random.randint((4, 3), 0, 10, seed=7) + seed[0] + sizes[0]


def test_numbers_within_limits(prove: Prove) -> None:
    prove(within, *CALLS)


def test_any_bits(prove: Prove) -> None:
    prove(any_bits, *CALLS, processors=(OLDEST, "tensorflow_cpu_1.14", "tensorflow_cpu_1.15"))


def test_keras(prove: Prove) -> None:
    prove(drawn_by_keras, (SIZES, SEED))
