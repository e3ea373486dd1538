"""``tfkit.lower.rules.select``: choosing between two tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network


def where(tf: Any, condition: Any, yes: Any, no: Any) -> Any:
    return tf.where(condition, yes, no)


RANDOM = np.random.default_rng(1)


def values(*shape: int, dtype: str = "float32") -> Any:
    if dtype == "object":
        return np.array(RANDOM.choice([b"", b"a", b"some longer text"], shape), object)
    return (RANDOM.random(shape) * 9).astype(dtype)


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "int32", "int64", "int8", "uint8", "bool", "object", "complex64"]
)
def test_operands_are_broadcast(prove: Prove, dtype: str) -> None:
    calls = [(values(rows, 1, dtype="bool"), values(rows, 4, dtype=dtype), values(4, dtype=dtype)) for rows in (2, 5)]
    assert prove(where, *calls).applied["SelectV2"] == 2


def test_a_scalar_decides_about_equal_shapes(prove: Prove) -> None:
    calls = [(np.array(yes), values(2, 3), values(2, 3)) for yes in (True, False)]
    done = prove(where, *calls)
    assert "BroadcastTo" not in done.applied


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ((), (3, 2), ()),
        ((2,), (3, 2), (3, 1)),
        ((4, 1, 2, 3, 1), (2, 1, 2), (3, 1, 1, 1)),
        ((4, 1, 1, 1, 3, 1), (2, 1, 2, 1, 2), (1, 3, 1, 1, 1)),
        ((2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 2), (2, 1, 2, 1, 2, 2)),
        ((2, 1, 2, 1, 2, 2), (2, 1, 2, 1, 2, 2), (2, 1, 2, 1, 2, 2)),
        ((0, 1), (1, 3), ()),
    ],
)  # fmt: skip
def test_any_ranks(prove: Prove, condition: Any, yes: Any, no: Any) -> None:
    call = (values(*condition) > 4, values(*yes), values(*no))
    prove(where, call, shapes=[(None,) * len(shape) for shape in (condition, yes, no)], processors=CPU_PROCESSORS)


def test_unknown_ranks(prove: Prove) -> None:
    calls = [(values(2) > 4, values(2), values(3, 2)), (values(3, 2) > 4, values(2, 1, 1), values())]
    calls.append((values(2, 1, 1, 1, 1, 1) > 4, values(1, 2, 1, 2, 1, 2), values(2, 2, 2)))
    prove(where, *calls, shapes=[None, None, None], inside=False, processors=CPU_PROCESSORS)
