"""What looks at where and whether it runs, on TensorFlows that do not let it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
OLD = (OLDEST, "tensorflow_cpu_1.15")


def devices(tf, number):
    names = (["GPU", "CPU"], ["CPU"], ["GPU"])
    return [number + tf.raw_ops.DeviceIndex(device_names=each) for each in names]


def checked(tf, numbers):
    return tf.raw_ops.CheckNumericsV2(tensor=numbers, message="odd")


def truth(tf, number, text, numbers):
    return [tf.raw_ops.ToBool(input=each) for each in (number, text, numbers)]


def test_devices_are_those_of_the_processor(prove: Prove):
    prove(devices, [np.array([1, 2], "i")], [np.zeros(0, "i")], processors=OLD)


def test_numbers_are_checked(prove: Prove):
    prove(checked, [np.ones((2, 3), "f")], [np.ones((0, 3), "f")], processors=OLD)


def test_what_is_true(prove: Prove):
    yes = [np.array(0.5, "f"), np.array(b"x", object), np.array([0.0], "f")]
    prove(truth, yes, [np.array(0, "f"), np.array(b"", object), np.zeros(0, "f")], processors=OLD)
