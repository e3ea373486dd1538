"""``tfkit.lower.rules.convolution``: convolutions and pools."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove, Prover
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


def volumes_first(tf: Any, volumes: Any, filters: Any) -> Any:
    turned, raw = tf.transpose(volumes, [0, 4, 1, 2, 3]), tf.raw_ops
    given = {"strides": [1, 1, 2, 1, 1], "padding": "VALID", "data_format": "NCDHW"}
    made = raw.Conv3D(input=turned, filter=filters, **given)
    shape = tf.shape(turned)
    return made, raw.Conv3DBackpropInputV2(input_sizes=shape, filter=filters, out_backprop=made, **given)


def test_volumes_with_channels_first(prove: Prove) -> None:
    calls = [(floats(size, 5, 4, 6, 3), floats(2, 3, 2, 3, 4)) for size in (1, 3)]
    prove(volumes_first, *calls, processors=CPU_PROCESSORS, tolerance=1e-5, inside=False)


def blocks(tf: Any, images: Any) -> Any:
    def both(images: Any) -> Any:
        deep = tf.raw_ops.SpaceToDepth(input=images, block_size=2, data_format="NCHW")
        return deep, tf.raw_ops.DepthToSpace(input=deep * 2, block_size=2, data_format="NCHW")

    # The installed TensorFlow has no kernels for it on CPUs, but its compiler has.
    return tf.function(both, jit_compile=True)(images)


def test_blocks_of_pixels_with_channels_first(prove: Prove) -> None:
    prove(blocks, *[(floats(size, 3, 4, 6),) for size in (1, 3)], processors=CPU_PROCESSORS, inside=False)


def grouped_channels_first(tf: Any, images: Any, filters: Any) -> Any:
    return tf.nn.conv2d(images, filters, [1, 1, 2, 1], "SAME", data_format="NCHW")


def test_groups_of_channels_that_are_first(prove: Prove) -> None:
    calls = [(floats(size, 6, 8, 9), floats(3, 3, 2, 9)) for size in (1, 3)]
    prove(grouped_channels_first, *calls, processors=CPU_PROCESSORS, tolerance=1e-5)


@pytest.mark.parametrize("channels", [2, 6])
def test_groups_of_unknown_channels(prove: Prove, channels: int) -> None:
    """How many groups there are is seen when the model runs; mostly it is one."""
    shapes = [None, (3, 3, 2, 6)]
    calls = [(floats(size, 8, 9, channels), floats(3, 3, 2, 6)) for size in (1, 3)]
    prove(grouped, *calls, shapes=shapes, processors=CPU_PROCESSORS, tolerance=1e-5)


def test_channels_that_make_no_whole_groups_are_an_error(prover: Prover, tmp_path: Path) -> None:
    shapes = [(None, None, None, None), (3, 3, 2, 6)]
    prover.fails(
        tmp_path,
        grouped,
        (floats(1, 8, 9, 5), floats(3, 3, 2, 6)),
        shapes=shapes,
        match="evenly divisible|Input to reshape",
    )


def transposed(layout: str, padding: str, tf: Any, images: Any, filters: Any) -> Any:
    size = tf.shape(images)[0]
    wide = {"SAME": (10, 18), "VALID": (12, 18)}[padding]
    results = []
    for strides, gaps, sizes in [((2, 3), (1, 1), wide), ((1, 1), (2, 3), (5, 6) if padding == "SAME" else (9, 9))]:
        shape, each = [size, *sizes, 4], {"strides": [1, *strides, 1], "dilations": [1, *gaps, 1]}
        values = images
        if layout == "NCHW":
            values = tf.transpose(images, [0, 3, 1, 2])
            shape, each = [size, 4, *sizes], {"strides": [1, 1, *strides], "dilations": [1, 1, *gaps]}
        given = {"input_sizes": shape, "filter": filters, "padding": padding, "data_format": layout, **each}
        results.append(tf.raw_ops.Conv2DBackpropInput(out_backprop=values, **given))
    return results


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_transposed_convolutions(prove: Prove, layout: str, padding: str) -> None:
    calls = [(floats(size, 5, 6, 3), floats(3, 2, 4, 3)) for size in (1, 3)]
    prove(partial(transposed, layout, padding), *calls, processors=CPU_PROCESSORS, tolerance=1e-5)


def volumes_with_gaps(tf: Any, volumes: Any, filters: Any) -> Any:
    given = {"strides": [1] * 5, "padding": "SAME", "dilations": [1, 2, 1, 3, 1]}
    made = tf.raw_ops.Conv3D(input=volumes, filter=filters, **given)
    shape = tf.shape(volumes)
    return made, tf.raw_ops.Conv3DBackpropInputV2(input_sizes=shape, filter=filters, out_backprop=made, **given)


def test_volumes_with_gaps(prove: Prove) -> None:
    calls = [(floats(size, 5, 4, 6, 2), floats(2, 3, 2, 2, 3)) for size in (1, 3)]
    prove(volumes_with_gaps, *calls, processors=CPU_PROCESSORS, tolerance=1e-5, inside=False)
