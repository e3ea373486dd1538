"""``tfkit.lower.rules.channel_quantization``: numbers rounded to few bits, channel by channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(11)
BEFORE_2_3 = [name for name in CPU_PROCESSORS if "cpu_1" in name]


def given(tf: Any, x: Any, low: Any, high: Any) -> Any:
    quantize = tf.quantization.quantize_and_dequantize_v2
    ways: list[dict[str, Any]] = [
        {},
        {"narrow_range": True, "num_bits": 5},
        {"signed_input": False},
        {"round_mode": "HALF_UP", "num_bits": 4},
    ]
    return [quantize(x, low, high, range_given=True, axis=1, **way) for way in ways]


def found(tf: Any, x: Any) -> Any:
    quantize = tf.quantization.quantize_and_dequantize_v2
    ways: list[dict[str, Any]] = [{"axis": 0}, {"axis": 2, "num_bits": 3}, {"axis": 1, "signed_input": False}]
    return [quantize(x, 0.0, 0.0, range_given=False, **way) for way in ways]


def numbers(*shape: int, dtype: str) -> Any:
    return RANDOM.normal(scale=3, size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ranges_that_are_given(prove: Prove, dtype: str) -> None:
    low, high = np.array([-1, -3, 0, -2, 1], dtype), np.array([2, 1, 4, -1, 3], dtype)
    calls = [(numbers(size, 5, 3, dtype=dtype), low, high) for size in (1, 6)]
    prove(given, *calls, processors=BEFORE_2_3, tolerance=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ranges_that_are_found(prove: Prove, dtype: str) -> None:
    calls = [(numbers(size, 4, 3, dtype=dtype),) for size in (1, 6)]
    calls[1][0][:, 2] = 0
    calls[1][0][:, :, 1] = np.abs(calls[1][0][:, :, 1])
    prove(found, *calls, processors=BEFORE_2_3, tolerance=1e-6)
