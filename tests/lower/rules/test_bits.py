"""``tfkit.lower.rules.bits``: large unsigned integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(9)
DTYPES = ["uint32", "uint64"]


def compute(tf: Any, x: Any, y: Any) -> Any:
    sums = [tf.reduce_sum(x), tf.reduce_prod(y, 0), tf.cumsum(x, reverse=True), tf.add_n([x, y, y])]
    return [x + y, x - y, x * y, tf.square(x), *sums]


def compare(tf: Any, x: Any, y: Any) -> Any:
    rows = tf.constant([2, 0])
    return [
        x < y, x >= y, tf.equal(x, y), tf.maximum(x, y), tf.minimum(x, y[:1]), tf.reduce_max(x, 0), tf.reduce_min(x, 1),
        tf.argmax(y, 1), *tf.math.top_k(x, 2), tf.math.unsorted_segment_max(x[:2], rows, 3),
        tf.math.unsorted_segment_min(x[:2], rows, 3), tf.clip_by_value(x, y[0, 0], y[0, 0] + tf.ones((), x.dtype)),
    ]  # fmt: skip


def move(tf: Any, x: Any, y: Any) -> Any:
    return [
        tf.where(x > y, x, y), tf.transpose(x), tf.concat([x, y], 0), tf.stack([x, y]), tf.pad(x, [[1, 0], [0, 2]]),
        tf.gather(x, [1, 0]), x[:, 1], tf.tile(x, [2, 1]), tf.one_hot([1, 2], 3, x[0, 0], y[0, 0]),
        *tf.unstack(x, axis=1), tf.scatter_nd([[1], [1]], x[:2], [3, 3]), tf.where(x), tf.unique(x[:, 0])[0],
        tf.zeros_like(x), tf.reverse(x, [0]),
        tf.tensor_scatter_nd_update(x, [[1]], y[:1]), tf.broadcast_to(x[0], [4, 3]),
    ]  # fmt: skip


def divide(tf: Any, x: Any, y: Any) -> Any:
    divisor = tf.maximum(y, tf.ones_like(y))
    return [x // divisor, x % divisor, divisor // y[:1, :1], tf.raw_ops.TruncateDiv(x=y, y=divisor)]


def branch(tf: Any, x: Any, y: Any) -> Any:
    raw, is_more = tf.raw_ops, tf.reduce_max(x) > tf.reduce_max(y)
    sides = raw.Switch(data=x, pred=is_more)
    with tf.control_dependencies([sides.output_true.op]):
        z = tf.identity(y)
    merged = raw.Merge(inputs=[sides.output_false + y, sides.output_true])
    return [*tf.cond(is_more, lambda: (x, y), lambda: (y, x)), merged.output, z]


def calls(dtype: str) -> list[tuple[Any, Any]]:
    """Of all sizes, with some equal ones and the least and the largest."""
    most = np.iinfo(dtype).max

    def numbers() -> Any:
        values = RANDOM.integers(0, most, (3, 3), dtype, endpoint=True) >> RANDOM.integers(0, 40, (3, 3)).astype(dtype)
        values[0] = [7, most, most // 2 + 1]
        return values

    return [(numbers(), numbers()) for _ in range(3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", [compute, compare, move, divide])
def test_unsigned(prove: Prove, way: Any, dtype: str) -> None:
    prove(way, *calls(dtype), processors=CPU_PROCESSORS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_branches(prove: Prove, dtype: str) -> None:
    """Also those of TensorFlow 1, of which one side goes unused, and which what comes later waits for."""
    prove(branch, *calls(dtype), *([y, x] for x, y in calls(dtype)), processors=CPU_PROCESSORS, inside=False)
