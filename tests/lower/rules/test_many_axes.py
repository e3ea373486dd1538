"""``tfkit.lower.rules.many_axes``: tensors with more axes than older TensorFlows take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(12)


def extremes(tf: Any, x: Any) -> Any:
    return tf.argmax(x, 4), tf.argmin(x, -1, tf.int32), tf.argmax(x, 0)


def places(tf: Any, x: Any) -> Any:
    return tf.where(x > 4), tf.where(x)


def biased(tf: Any, x: Any, bias: Any) -> Any:
    first = tf.transpose(x, [0, 6, 1, 2, 3, 4, 5])
    return tf.nn.bias_add(x, bias), tf.nn.bias_add(first, bias, data_format="NCHW")


def values(*shape: int) -> Any:
    return RANDOM.integers(0, 9, shape).astype(np.float32)


def test_the_place_of_the_largest(prove: Prove) -> None:
    prove(extremes, *[(values(size, 2, 1, 3, 4, 2),) for size in (1, 3)], processors=CPU_PROCESSORS)


def test_where_something_is(prove: Prove) -> None:
    prove(places, *[(values(size, 2, 1, 3, 4, 2),) for size in (0, 1, 3)], processors=CPU_PROCESSORS)


def test_a_bias(prove: Prove) -> None:
    calls = [(values(size, 2, 1, 3, 2, 2, 5), values(5)) for size in (0, 1, 3)]
    prove(biased, *calls, processors=CPU_PROCESSORS)
