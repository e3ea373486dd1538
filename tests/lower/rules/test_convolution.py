"""``tfkit.lower.rules.convolution``: convolutions and pools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS
from tfkit.lower.flat import read_flat

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(8)


def floats(*shape: int) -> Any:
    return RANDOM.random(shape, np.float32)


def grouped(tf: Any, images: Any, filters: Any) -> Any:
    return tf.nn.conv2d(images, filters, [1, 2, 1, 1], "SAME")


def test_groups_of_channels(prove: Prove) -> None:
    calls = [(floats(size, 8, 9, 6), floats(3, 3, 2, 9)) for size in (1, 3)]
    done = prove(grouped, *calls, processors=CPU_PROCESSORS, tolerance=1e-5)
    assert done.applied["Conv2D"] == 2


def each_channel_a_group(tf: Any, images: Any, filters: Any) -> Any:
    return tf.nn.conv2d(images, filters, 2, "SAME"), tf.nn.conv2d(images, filters, 1, "SAME", dilations=2)


def test_groups_of_one_channel_are_one_convolution_unless_it_has_gaps(prove: Prove, tmp_path: Path) -> None:
    """``DepthwiseConv2dNative`` computes it at once, but its kernel on CPUs takes no notice of dilations."""
    calls = [(floats(size, 8, 9, 3), floats(3, 3, 1, 6)) for size in (1, 3)]
    prove(each_channel_a_group, *calls, processors=CPU_PROCESSORS, tolerance=1e-5, inside=False)
    ops = [node.op for node in read_flat(tmp_path / CPU_PROCESSORS[0]).graph.nodes.values()]
    assert ops.count("DepthwiseConv2dNative") == 1
    assert ops.count("Conv2D") == 3


def padded(tf: Any, images: Any, filters: Any) -> Any:
    paddings = [[0, 0], [1, 2], [0, 3], [0, 0]]
    return (
        tf.nn.conv2d(images, filters, 1, paddings),
        tf.nn.depthwise_conv2d(images, filters, [1, 1, 1, 1], paddings),
        tf.nn.max_pool2d(images - 1, 4, 1, paddings),
    )


def test_explicit_paddings(prove: Prove) -> None:
    calls = [(floats(size, 8, 9, 6), floats(3, 3, 6, 2)) for size in (1, 3)]
    prove(padded, *calls, processors=CPU_PROCESSORS, tolerance=1e-5)


def channels_first(tf: Any, images: Any, filters: Any, bias: Any) -> Any:
    turned = tf.transpose(images, [0, 3, 1, 2])
    raw = tf.raw_ops
    convolved = raw.Conv2D(input=turned, filter=filters, strides=[1, 1, 1, 2], padding="SAME", data_format="NCHW")
    biased = raw.BiasAdd(value=convolved, bias=bias, data_format="NCHW")
    pool = {"ksize": [1, 1, 2, 3], "strides": [1, 1, 2, 1], "padding": "VALID", "data_format": "NCHW"}
    return biased, raw.AvgPool(value=biased, **pool), raw.MaxPool(input=biased, **pool)


def test_channels_first(prove: Prove) -> None:
    calls = [(floats(size, 8, 9, 6), floats(3, 3, 6, 2), floats(2)) for size in (1, 3)]
    prove(channels_first, *calls, processors=CPU_PROCESSORS, tolerance=1e-5)
