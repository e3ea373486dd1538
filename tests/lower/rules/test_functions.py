"""``tfkit.lower.rules``: ``activations``, ``division``, ``dtypes``, ``special_functions``: what numbers become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove, Prover
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(6)
OF_TENSORFLOW_1 = [name for name in CPU_PROCESSORS if "cpu_1" in name]


def leaky(tf: Any, x: Any) -> Any:
    return [tf.raw_ops.LeakyRelu(features=x, alpha=alpha) for alpha in (0.2, 0.0, 1.5, -0.3)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_leaky_relu(prove: Prove, dtype: str) -> None:
    prove(leaky, *[(RANDOM.normal(size=(size, 4)).astype(dtype),) for size in (1, 5)])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_leaky_relu_of_what_is_no_number(prove: Prove, dtype: str) -> None:
    """Minus infinity times 0 is none either."""
    x = np.array([-np.inf, np.inf, np.nan, -0.0, 0, -2, 2], dtype)
    prove(leaky, (x,), (x[:3],), processors=OF_TENSORFLOW_1)


def without_nan(tf: Any, x: Any, y: Any) -> Any:
    return tf.raw_ops.MulNoNan(x=x, y=y), tf.raw_ops.Xlog1py(x=y, y=x), tf.math.divide_no_nan(x, y)


def test_zero_times_anything_is_zero(prove: Prove) -> None:
    x = np.array([[1, np.inf, np.nan, 2]], np.float32)
    calls = [(np.repeat(x, size, 0), np.array([[0, 0, 0, 0.5]], np.float32)) for size in (1, 3)]
    prove(without_nan, *calls, processors=OF_TENSORFLOW_1, tolerance=1e-6)


def norms(tf: Any, x: Any) -> Any:
    return tf.raw_ops.EuclideanNorm(input=x, axis=[1]), tf.raw_ops.EuclideanNorm(input=x, axis=0, keep_dims=True)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_euclidean_norm(prove: Prove, dtype: str) -> None:
    prove(norms, *[((RANDOM.normal(size=(size, 4)) * (1 + 1j)).real.astype(dtype),) for size in (1, 5)], tolerance=1e-6)


def quantiles(tf: Any, x: Any) -> Any:
    return tf.math.ndtri(x), tf.math.erfinv(2 * x - 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_quantiles(prove: Prove, dtype: str) -> None:
    x = np.array([0, 1e-30, 1e-12, 1e-3, 0.1, 0.13, 0.14, 0.3, 0.5, 0.8, 0.9, 0.9999, 1, 1.5], dtype)
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    prove(quantiles, (x,), (RANDOM.random(30).astype(dtype),), processors=OF_TENSORFLOW_1, tolerance=tolerance)


def bessel(tf: Any, x: Any) -> Any:
    return tf.raw_ops.BesselI0(x=x), tf.raw_ops.BesselI1(x=x)


def test_bessel(prove: Prove) -> None:
    calls = [(RANDOM.normal(size=size).astype(np.float32) * 5,) for size in (1, 30)]
    prove(bessel, *calls, processors=OF_TENSORFLOW_1, tolerance=1e-5)


def neighbour(tf: Any, x: Any, y: Any) -> Any:
    return tf.raw_ops.NextAfter(x1=x, x2=y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_next_float(prove: Prove, dtype: str) -> None:
    x = np.array([0, 0, 0, 1, 1, -1, -1, 1e30, np.nan, np.inf, -0.0], dtype)
    y = np.array([1, -1, 0, 2, 0, 0, -2, np.inf, 1, 0, -0.0], dtype)
    prove(neighbour, (x, y), (x[:3], y[:3]))


def small(tf: Any, x: Any, y: Any) -> Any:
    return (
        tf.abs(x), tf.maximum(x, y), tf.minimum(x, y), tf.square(x), -x, tf.math.floormod(x, y), x < y, tf.sign(x),
        tf.reduce_max(x, 1),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_small_integers(prove: Prove, dtype: str) -> None:
    calls = [(RANDOM.integers(-128, 128, (size, 5)).astype(dtype), RANDOM.integers(1, 9, 5).astype(dtype))
             for size in (1, 4)]  # fmt: skip
    done = prove(small, *calls)
    assert done.applied["Abs"] == 2


def squares(tf: Any, x: Any, y: Any) -> Any:
    return x * x, (x + y) * (x + y), x * y, x * tf.constant(3, x.dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
def test_squares_of_small_integers(prove: Prove, dtype: str) -> None:
    """The optimizers of old TensorFlows make ``Square`` of them, for which there may be no kernel."""
    calls = [(RANDOM.integers(0, 1 << 16, 9).astype(dtype), np.full(9, size).astype(dtype)) for size in (1, 77)]
    prove(squares, *calls, processors=CPU_PROCESSORS)


def large(tf: Any, x: Any, y: Any) -> Any:
    return tf.concat([x, x], 0), tf.reduce_max(x), tf.argmax(x), x - y, x == y, tf.not_equal(x, y)


def test_uint32(prove: Prove) -> None:
    calls = [(RANDOM.integers(0, 1 << 32, size).astype("uint32"), np.array([5], "uint32")) for size in (3, 5)]
    prove(large, *calls, processors=CPU_PROCESSORS, inside=False)


def means(tf: Any, x: Any) -> Any:
    return tf.reduce_mean(x, 1), tf.reduce_mean(x, 0, keepdims=True), tf.reduce_mean(x)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "int64"])
def test_means_of_integers(prove: Prove, dtype: str) -> None:
    """Of as many as the dtype can count and more, and of negative ones, which are rounded towards zero."""
    ends = np.iinfo(dtype)
    any_numbers = RANDOM.integers(ends.min, ends.max, (3, 256), dtype, endpoint=True)
    rows = [np.full((2, 4), ends.min, dtype), any_numbers, (np.arange(12).reshape(3, 4) - 9).astype(dtype)]
    prove(means, (np.full((2, 4), ends.max, dtype),), *((each,) for each in rows), processors=CPU_PROCESSORS)


def quotients(tf: Any, x: Any, y: Any) -> Any:
    return x // y, x // y[:1], x % y


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_quotients_near_the_ends_of_a_dtype(prove: Prove, dtype: str) -> None:
    ends = np.iinfo(dtype)
    near = [each + by for each in (ends.min, 0, ends.max) for by in range(-4, 5)]
    near = [each for each in near if ends.min <= each <= ends.max]
    pairs = [(x, y) for x in near for y in near if y and (x, y) != (ends.min, -1)]
    x, y = (np.array(each, dtype) for each in zip(*pairs, strict=True))
    prove(quotients, (x, np.where(y == -1, y + 2, y)), (x[1:], y[1:] * 0 + 3), processors=CPU_PROCESSORS)


@pytest.mark.parametrize("dtype", ["int8", "int64"])
def test_nothing_is_divided_by_zero(prover: Prover, tmp_path: Path, dtype: str) -> None:
    prover.fails(tmp_path, quotients, (np.array([5], dtype), np.array([0], dtype)), match="division by zero")


def halved_shape(tf: Any, x: Any) -> Any:
    return tf.reshape(x, [tf.shape(x)[0] // 2, -1])


def test_what_is_done_with_shapes_stays_as_it_is(prove: Prove) -> None:
    done = prove(halved_shape, (RANDOM.random((4, 3)),), (RANDOM.random((2, 3)),), inside=False)
    assert "FloorDiv" not in done.applied


def waves(tf: Any, x: Any) -> Any:
    return tf.sin(x), tf.cos(x), tf.tan(x), tf.sin(tf.clip_by_value(x, -1.0, 1.0))


def test_waves_of_large_numbers(prove: Prove) -> None:
    large = np.array([[1e6, -3e7, 1e9, 1e20, np.inf, -np.inf, np.nan, 0.5]], np.float32)
    calls = [large, RANDOM.uniform(-9e4, 9e4, (3, 8)).astype(np.float32), large[:0]]
    prove(waves, *((each,) for each in calls), tolerance=1e-6)


def halves(tf: Any, x: Any, y: Any) -> Any:
    return tf.cosh(x), tf.tan(x), tf.acos(x / 9), tf.math.floormod(x, y), tf.image.rgb_to_hsv(x[..., :3])


def test_half_floats(prove: Prove) -> None:
    calls = [(RANDOM.random((size, 2, 5)).astype(np.float16), np.full(5, 0.3, np.float16)) for size in (1, 4)]
    prove(halves, *calls, tolerance=2e-3)


def quantized(tf: Any, x: Any) -> Any:
    quantize = tf.quantization.quantize_and_dequantize_v2
    return (
        quantize(x, -3.0, 2.0, range_given=True),
        quantize(x, 0.0, 0.0, num_bits=5, narrow_range=True, round_mode="HALF_UP"),
        quantize(tf.abs(x), 0.0, 1.5, num_bits=6, signed_input=False, range_given=True),
    )


def test_quantized(prove: Prove) -> None:
    calls = [(RANDOM.normal(size=(size, 5)).astype(np.float32),) for size in (1, 4)]
    prove(quantized, *calls, processors=CPU_PROCESSORS, tolerance=1e-6)


def random_numbers(tf: Any, seed: Any) -> Any:
    return (
        tf.random.stateless_uniform([2, 3], seed),
        tf.random.stateless_normal([5], seed),
        tf.random.stateless_truncated_normal([5], seed + 1),
    )


def random_integers(tf: Any, seed: Any) -> Any:
    return tf.random.stateless_uniform([9], seed, 3, 90, tf.int32)


def test_a_seed_gives_the_same_numbers(prove: Prove) -> None:
    calls = [(np.array([seed, 3], np.int32),) for seed in (1, 77)]
    prove(random_numbers, *calls, processors=CPU_PROCESSORS, tolerance=1e-6, inside=False)


def test_a_seed_gives_the_same_integers(prove: Prove) -> None:
    newer = [name for name in CPU_PROCESSORS if "1.12" not in name]
    prove(random_integers, (np.array([1, 3], np.int32),), processors=newer, inside=False)


def normed(tf: Any, x: Any, scale: Any, mean: Any) -> Any:
    given = {"scale": scale, "offset": mean, "mean": mean, "variance": scale}
    return tf.raw_ops.FusedBatchNormV3(x=x, **given, is_training=False)[0]


def test_batch_norm(prove: Prove) -> None:
    vectors = [RANDOM.random(4, np.float32) for _ in range(2)]
    prove(normed, *[(RANDOM.random((size, 2, 3, 4), np.float32), *vectors) for size in (1, 3)], tolerance=1e-6)
