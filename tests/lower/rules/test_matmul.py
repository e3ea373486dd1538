"""``tfkit.lower.rules.matmul``: products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(2)


def multiply(tf: Any, x: Any, y: Any) -> Any:
    return tf.raw_ops.BatchMatMulV2(x=x, y=y)


def multiply_turned(tf: Any, x: Any, y: Any) -> Any:
    return tf.raw_ops.BatchMatMulV2(x=x, y=y, adj_x=True, adj_y=True)


def multiply_int8(tf: Any, x: Any, y: Any) -> Any:
    return tf.raw_ops.BatchMatMulV3(x=x, y=y, Tout=tf.int32)


def floats(*shape: int) -> Any:
    return RANDOM.random(shape, np.float32)


def test_equal_batches_of_unknown_size(prove: Prove) -> None:
    calls = [(floats(size, 3, 4), floats(size, 4, 5)) for size in (1, 4)]
    assert prove(multiply, *calls, tolerance=1e-6).applied["BatchMatMulV2"] == 2


def test_batches_are_broadcast(prove: Prove) -> None:
    calls = [(floats(2, 1, size, 4), floats(3, 4, 5)) for size in (1, 4)]
    prove(multiply, *calls, tolerance=1e-6)


def test_many_axes_are_broadcast(prove: Prove) -> None:
    calls = [(floats(2, 1, 2, 1, size, 4), floats(1, 3, 1, 2, 4, 5)) for size in (1, 4)]
    prove(multiply, *calls, processors=CPU_PROCESSORS, tolerance=1e-6)


def test_one_side_without_a_batch(prove: Prove) -> None:
    calls = [(floats(size, 4), floats(6, 4, 2)) for size in (1, 4)]
    prove(multiply, *calls, tolerance=1e-6)


def test_equal_shapes_need_no_broadcast(prove: Prove) -> None:
    done = prove(multiply, (floats(2, 3, 4), floats(2, 4, 5)), tolerance=1e-6)
    assert not done.problems


def test_adjoint_complex_matrices(prove: Prove) -> None:
    calls = [
        ((floats(size, 4, 3) + 1j * floats(size, 4, 3)), (floats(1, 5, 4) - 1j * floats(1, 5, 4))) for size in (1, 3)
    ]
    prove(multiply_turned, *calls, tolerance=1e-6)


def test_small_integers_are_summed_in_large_ones(prove: Prove) -> None:
    calls = [
        (RANDOM.integers(-128, 128, (size, 30)).astype(np.int8), RANDOM.integers(-128, 128, (30, 6)).astype(np.int8))
        for size in (1, 3)
    ]
    prove(multiply_int8, *calls, processors=[each for each in CPU_PROCESSORS if not each.endswith("2.7")])
