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


def quantize(tf: Any, x: Any) -> Any:
    ways: list[dict[str, Any]] = [
        {"axis": 1},
        {"axis": 1, "narrow_range": True, "num_bits": 5},
        {"axis": 1, "signed_input": False},
        {"axis": 2, "round_mode": "HALF_UP", "num_bits": 3},
    ]
    ranges = {1: [0.0] * 5, 2: [0.0] * 3}  # not looked at
    return [
        tf.quantization.quantize_and_dequantize_v2(x, ranges[way["axis"]], ranges[way["axis"]], **way) for way in ways
    ]


def numbers(*shape: int, dtype: str) -> Any:
    return RANDOM.normal(scale=3, size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_channel_has_a_range(prove: Prove, dtype: str) -> None:
    calls = [(numbers(size, 5, 3, dtype=dtype),) for size in (1, 6)]
    calls[1][0][:, 2] = 0
    calls[1][0][:, 3] = np.abs(calls[1][0][:, 3])
    prove(quantize, *calls, processors=BEFORE_2_3, tolerance=1e-6)
