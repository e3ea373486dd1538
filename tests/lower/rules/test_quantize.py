"""Quantizing and back, on TensorFlows that name it otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
VALUES = np.linspace(-3, 4, 24, dtype="f").reshape(4, 6)


def there_and_back(tf, values):
    quantize = tf.quantization.quantize_and_dequantize_v2
    return quantize(values, -2.0, 3.0, range_given=True), quantize(values, 0.0, 0.0, num_bits=4)


def test_numbers_are_rounded_alike(prove: Prove):
    prove(there_and_back, [VALUES], [VALUES[:1]], processors=(OLDEST, "tensorflow_cpu_2.3"), tolerance=1e-6)
