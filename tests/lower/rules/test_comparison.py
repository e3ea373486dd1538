"""``tfkit.lower.rules.comparison``: ``a == b``, which may be of shapes that do not go together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
OF_TENSORFLOW_1 = [name for name in CPU_PROCESSORS if "cpu_1" in name]
SHAPES = [((3,), (3,)), ((3,), (1,)), ((2, 3), (3,)), ((2, 3), (2,)), ((2, 3), (2, 3, 1)), ((2, 1), (0,)), ((2,), (0,))]


def same(tf: Any, x: Any, y: Any) -> Any:
    return x == y, x != y


@pytest.mark.parametrize("dtype", ["float32", "object", "uint32", "uint64"])
def test_shapes_that_may_not_go_together(prove: Prove, dtype: str) -> None:
    def values(shape: tuple[int, ...]) -> Any:
        numbers = np.arange(np.prod(shape)) % 3
        return (
            np.array([b"a", b"b", b"c"], object)[numbers].reshape(shape)
            if dtype == "object"
            else np.array(numbers.reshape(shape), dtype)
        )

    calls = [(values(one), values(other)) for one, other in SHAPES]
    prove(same, *calls, shapes=[None, None], processors=OF_TENSORFLOW_1, inside=False)


def test_sizes_that_may_not_go_together(prove: Prove) -> None:
    calls = [(np.zeros((size, 2), bool), np.zeros((other, 2), bool)) for size, other in ((2, 2), (2, 3), (3, 1))]
    prove(same, *calls, shapes=[(None, 2), (None, 2)], processors=OF_TENSORFLOW_1, inside=False)


def test_large_unsigned_integers(prove: Prove) -> None:
    large = np.array([0, 1, 2**32, 2**63, 2**64 - 1], np.uint64)
    prove(same, (large, large[::-1].copy()), (large[:2], large[3:]), processors=CPU_PROCESSORS, inside=False)
