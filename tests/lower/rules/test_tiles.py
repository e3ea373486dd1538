"""``tfkit.lower.rules.tiles``: repeated tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
INTEGERS = ("int8", "uint8", "int16", "uint32", "uint64")


def repeat(tf: Any, x: Any) -> Any:
    return [tf.tile(x, [2, 1]), tf.tile(x, tf.constant([1, 3], tf.int64)), tf.broadcast_to(x, [3, *x.shape])]


def repeat_bfloat16(tf: Any, x: Any) -> Any:
    return tf.cast(tf.tile(tf.cast(x, tf.bfloat16), [2, 1]), tf.float32)


@pytest.mark.parametrize("dtype", [*INTEGERS, "float16", "complex64", "complex128", "bool"])
def test_any_dtype(prove: Prove, dtype: str) -> None:
    most = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 1
    prove(repeat, (np.array([[0, 1, most]], dtype),), processors=CPU_PROCESSORS)


def test_bfloat16(prove: Prove) -> None:
    prove(repeat_bfloat16, *((np.ones((size, 2), "float32"),) for size in (0, 3)), processors=CPU_PROCESSORS)
