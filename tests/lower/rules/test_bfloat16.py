"""bfloat16, which no TensorFlow before 2.8 computes all of; it is computed in float32 there."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
_CLOSE = 2e-2  # a bfloat16 has 8 digits, binary
IMAGES = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("f")


def narrow(tf, value):
    return tf.cast(value, tf.bfloat16)


def filters(tf, *sizes):
    return narrow(tf, tf.cos(tf.reshape(tf.range(float(np.prod(sizes))), sizes)))


def convolved(tf, images):
    x = narrow(tf, images)
    results = [
        tf.nn.conv2d(x, filters(tf, 3, 3, 4, 5), 1, "SAME"),
        tf.nn.depthwise_conv2d(x, filters(tf, 3, 3, 4, 2), [1, 1, 1, 1], "VALID"),
        tf.nn.conv2d_transpose(x, filters(tf, 2, 2, 3, 4), tf.stack([tf.shape(x)[0], 12, 12, 3]), 2),
        tf.nn.conv3d(x[..., None], filters(tf, 2, 2, 2, 1, 3), [1] * 5, "SAME"),
        tf.nn.bias_add(tf.nn.conv2d(x, filters(tf, 1, 1, 4, 4), 2, "VALID"), filters(tf, 4)),
    ]
    return [tf.cast(each, tf.float32) for each in results]


def pooled(tf, images):
    x = narrow(tf, images)
    ones = tf.ones([4])
    normal = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=ones * 2, offset=ones, mean=ones * 0.1, variance=ones * 3, is_training=False
    )
    results = [tf.nn.avg_pool2d(x, 2, 2, "SAME"), tf.nn.max_pool2d(x, 2, 2, "SAME"), normal.y]
    return [tf.cast(each, tf.float32) for each in results]


def calculated(tf, images):
    x = narrow(tf, images)
    flat = tf.reshape(x, [-1, 4])
    results = [
        tf.matmul(flat, filters(tf, 4, 7)),
        tf.matmul(x, filters(tf, 1, 6, 4, 3)),
        tf.einsum("bhwc,cd->bhwd", x, filters(tf, 4, 3)),
        tf.nn.softmax(x),
        tf.nn.relu(x) + tf.nn.gelu(x) + tf.nn.leaky_relu(x) - tf.sigmoid(x) * tf.tanh(x),
        tf.math.rsqrt(x * x + narrow(tf, 1.0)) / tf.exp(x) ** narrow(tf, 2.0),
        tf.reduce_mean(x, [1, 2]),
        tf.reduce_max(x, -1) - tf.reduce_sum(x, -1),
        tf.concat([tf.transpose(x, [0, 2, 1, 3]), tf.pad(x, [[0, 0], [0, 0], [0, 0], [1, 0]])], -1),
        tf.where(x > narrow(tf, 0.0), x, tf.gather(x, [0, 0, 1, 1], axis=-1)),
        tf.cumsum(x, -1) * tf.stack([x, x])[0],
    ]
    return [tf.cast(each, tf.float32) for each in results]


def handed_on(tf, x):
    return x * 2, tf.argmax(x, -1)


@pytest.mark.parametrize("function", [convolved, pooled, calculated])
def test_what_is_computed_is_close(prove: Prove, function):
    prove(function, [IMAGES], [IMAGES[:1]], processors=CPU_PROCESSORS, tolerance=_CLOSE)


def test_inputs_and_outputs_stay_bfloat16(prove: Prove):

    numbers = IMAGES[0, 0].astype(ml_dtypes.bfloat16)
    prove(handed_on, [numbers], [numbers[:0]], processors=CPU_PROCESSORS)
