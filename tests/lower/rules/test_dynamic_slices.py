"""``tfkit.lower.rules.dynamic_slices``: slices whose place is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(3)
BEFORE_2_4 = [name for name in CPU_PROCESSORS if "cpu_1" in name or name.endswith("2.3")]


def update(tf: Any, tensor: Any, part: Any, start: Any) -> Any:
    from tensorflow.compiler.tf2xla.python import xla  # what Keras takes it from

    return xla.dynamic_update_slice(tensor, part, start)


def read(tf: Any, tensor: Any, start: Any) -> Any:
    from tensorflow.compiler.tf2xla.python import xla

    return xla.dynamic_slice(tensor, start, tf.constant([2, 1], start.dtype))


def cached(tf: Any, cache: Any, new: Any, at: Any) -> Any:
    import keras

    return keras.ops.slice_update(cache, [0, at, 0, 0], new)


def numbers(*shape: int, dtype: str = "float32") -> Any:
    return RANDOM.integers(0, 100, shape).astype(dtype)


# Inside, before the tensor and beyond its end.
STARTS = [np.array(start, "int32") for start in ([1, 2], [-3, 5], [9, -1])]


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "uint32", "float16"])
def test_parts_are_written(prove: Prove, dtype: str) -> None:
    calls = [
        (numbers(size, 4, dtype=dtype), numbers(2, size - 1, dtype=dtype), start.astype("int64"))
        for size, start in zip((4, 3, 4), STARTS, strict=True)
    ]
    prove(update, *calls, processors=BEFORE_2_4)


def test_single_numbers_are_written(prove: Prove) -> None:
    prove(update, (numbers(), numbers(), np.zeros(0, "int32")))


def test_empty_parts_are_written(prove: Prove) -> None:
    prove(update, *((numbers(3), numbers(size), np.array([4], "int32")) for size in (0, 3)))


def test_parts_are_read(prove: Prove) -> None:
    prove(read, *((numbers(3, size), start) for size, start in zip((4, 3, 1), STARTS, strict=True)))


def test_a_key_value_cache(prove: Prove) -> None:
    calls = [(numbers(size, 5, 2, 3), numbers(size, 1, 2, 3), np.int32(size)) for size in (1, 4)]
    prove(cached, *calls, processors=BEFORE_2_4)
