"""Mathematics on tensors, by keras.ops and by TensorFlow's own functions."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tests.zoo.kinds import (
    BFLOAT16,
    FLOAT16,
    RANDOM,
    Made,
    function,
    functional,
    given,
    integers,
    kind,
    normal,
    rows,
    spec,
    uniform,
    weights,
)


@kind
def elementwise() -> Made:
    """Functions of single numbers."""
    x = keras.Input((6,), name="x")
    y = [
        ops.where(x > 0, x, 0.1 * x), ops.clip(x, -1.0, 1.0), ops.floor(x), ops.round(x), ops.mod(x, 2.0), ops.sign(x),
        ops.log1p(ops.abs(x)), ops.erf(x), ops.expm1(x), ops.rsqrt(ops.abs(x) + 0.1), ops.arctan2(x, 0.5),
        ops.power(ops.abs(x), 1.7), ops.floor_divide(x, 0.3), ops.maximum(x, 0.2), ops.nan_to_num(x / 0.0),
        ops.sinh(x), ops.arcsinh(x), ops.logaddexp(x, 0.3), ops.square(x), ops.reciprocal(x + 9.0),
        ops.cast(ops.isfinite(x / 0.0), "float32"), ops.erfinv(ops.tanh(x)), ops.select([x > 1, x < -1], [x, -x], 0.5),
    ]  # fmt: skip
    return functional(x, {f"y{at}": each for at, each in enumerate(y)}, given(x=normal(6)))


@kind
def reductions() -> Made:
    """Sorting, ranking, summing up along axes."""
    x = keras.Input((4, 6), name="x")
    outputs = {
        "sorted": ops.sort(x, -1),
        "order": ops.argsort(x, -1),
        "top": ops.top_k(x, 3)[0],
        "sums": ops.cumsum(x, 1),
        "hot": ops.one_hot(ops.argmax(x, -1), 6),
        "log": ops.logsumexp(x, -1, keepdims=True),
        "rolled": ops.roll(x, 2, 1),
        "flipped": ops.flip(x, 1),
        "variance": ops.var(x, -1),
        "norm": ops.norm(x, axis=-1, keepdims=True),
        "products": ops.cumprod(x, -1),
        "median": ops.median(x, -1),
        "quantile": ops.quantile(x, 0.3, axis=-1),
        "any": ops.any(x > 1.5, -1),
        "all": ops.all(x > -1.5, -1),
        "least": ops.argmin(x, 1),
        "mean": ops.mean(x, (1, 2)),
        "nonzero": ops.count_nonzero(x > 0, -1),
        "deviation": ops.std(x, 1),
        "softmax": ops.log_softmax(x, 1),
    }
    return functional(x, outputs, given(x=normal(4, 6)))


@kind
def matrices() -> Made:
    """Products of matrices, einsums, padding, tiles, diagonals."""
    x, y = keras.Input((5, 4), name="x"), keras.Input((5, 4), name="y")
    products = ops.matmul(x, ops.transpose(y, (0, 2, 1)))
    outputs = {
        "products": products,
        "einsum": ops.einsum("bij,bkj->bik", x, y),
        "dot": ops.tensordot(x, ops.ones((4, 2)), 1),
        "reflected": ops.pad(x, [[0, 0], [1, 1], [2, 2]], mode="reflect"),
        "lower": ops.tril(products),
        "upper": ops.triu(products, 1),
        "taken": ops.take(x, ops.array([1, 0, 4]), axis=1),
        "repeated": ops.repeat(x, 2, axis=1),
        "tiled": ops.tile(x, (1, 1, 2)),
        "diagonal": ops.diagonal(products, axis1=1, axis2=2),
        "along": ops.take_along_axis(x, ops.argsort(y, 1), 1),
        "cross": ops.cross(x[:, :, :3], y[:, :, :3]),
        "outer": ops.einsum("bi,bj->bij", x[:, 0], y[:, 1]),
        "trace": ops.trace(products, axis1=1, axis2=2),
    }
    return functional([x, y], outputs, given(x=normal(5, 4), y=normal(5, 4)))


@kind
def einsums() -> Made:
    """Einsums: sums over several axes, ellipses, permutations, of one, two and three operands."""
    w = weights(3, 4, 2)

    def serve(x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "two_axes": tf.einsum("bqi,iho->bqho", x, tf.transpose(w, [1, 0, 2])),
            "contract": tf.einsum("bqi,bki->bqk", x, y),
            "ellipsis": tf.einsum("...i,ij->...j", x, w[0]),
            "swapped": tf.einsum("bqi->iqb", x),
            "summed": tf.einsum("bqi->b", x),
            "weighted": tf.einsum("bqi,bki,ij->bqkj", x, y, w[1]),
            "broadcast": tf.einsum("bq...,b...->bq...", x, y[:, 0]),
            "scalar": tf.einsum("bqi,bqi->", x, y),
        }

    return function(
        serve, [spec("float32", 3, 4), spec("float32", 3, 4)], given(x=normal(3, 4), y=normal(3, 4)), keep=[w]
    )


@kind
def broadcasts() -> Made:
    """Shapes that have to be broadcast: matmul, where, comparisons, broadcast_to of dynamic shapes."""
    w = weights(2, 1, 4, 3)

    def serve(x: tf.Tensor, p: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "matmul": tf.matmul(x[tf.newaxis], w),
            "adjoint": tf.matmul(w, x[tf.newaxis], adjoint_a=True, transpose_b=True),
            "rows": tf.where(p[:, tf.newaxis, tf.newaxis], x, tf.zeros_like(x)),
            "scalar": tf.where(x > 0, x, -1.0),
            "columns": tf.where(x[:, :, :1] > 0, x, x[:, :1]),
            "between": tf.where(x[0, 0] > 0, x, 7.0),
            "to": tf.broadcast_to(x[:, :1], tf.shape(x)),
            "equal": tf.equal(tf.round(x), tf.constant([[0.0], [1.0], [2.0]])),
        }

    flags = rows(True, False, True, False, True, False)
    return function(serve, [spec("float32", 3, 4), spec("bool")], given(x=normal(3, 4), p=flags), keep=[w])


@kind
def linear_algebra() -> Made:
    """Cholesky, inverse, determinant, solve, SVD, QR, eigenvalues, diagonals, bands."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        square = tf.matmul(x, x, transpose_b=True) + 3.0 * tf.eye(4)
        band = tf.linalg.band_part(square, 1, 0)
        return {
            "cholesky": tf.linalg.cholesky(square),
            "inverse": tf.linalg.inv(square),
            "determinant": tf.linalg.slogdet(square)[1],
            "solved": tf.linalg.solve(square, x),
            "triangular": tf.linalg.triangular_solve(tf.linalg.cholesky(square), x),
            "values": tf.linalg.svd(x, compute_uv=False),
            "r": tf.abs(tf.linalg.qr(x).r),
            "eigenvalues": tf.linalg.eigvalsh(square),
            "band": band,
            "diagonal": tf.linalg.diag(tf.linalg.diag_part(square)),
            "off_diagonal": tf.linalg.diag_part(square, k=1),
            "two_diagonals": tf.linalg.diag_part(square, k=(-1, 1)),
            "made": tf.linalg.diag(x[:, 0, :2], k=-1, num_rows=3, num_cols=4, padding_value=2.0),
            "set": tf.linalg.set_diag(square, x[:, :, 0]),
            "set_above": tf.linalg.set_diag(square, x[:, :3, 0], k=1),
            "lstsq": tf.linalg.lstsq(square, x),
            "cross": tf.linalg.cross(x[:, 0, :3], x[:, 1, :3]),
        }

    return function(serve, [spec("float32", 4, 5)], given(x=normal(4, 5)))


@kind
def special_functions() -> Made:
    """Gamma, beta, zeta, Bessel functions and their kin."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "gamma": tf.math.lgamma(x),
            "digamma": tf.math.digamma(x),
            "erfc": tf.math.erfc(x),
            "beta": tf.math.betainc(x, 1.5, x / 6),
            "igamma": tf.math.igamma(x, 1.2),
            "zeta": tf.math.zeta(x + 1.5, 2.0),
            "xlogy": tf.math.xlogy(x - 0.5, x),
            "xdivy": tf.math.xdivy(x, x + 1),
            "bessel": tf.math.bessel_i0e(x),
            "ndtri": tf.math.ndtri(x / 6),
            "polygamma": tf.math.polygamma(2.0, x),
            "next": tf.math.nextafter(x, 9.0),
            "xlog1py": tf.math.xlog1py(x, x),
            "multiply": tf.math.multiply_no_nan(x, x - 1),
        }

    return function(serve, [spec("float32", 4)], given(x=uniform(0.6, 4, 4)))


@kind
def integer_arithmetic() -> Made:
    """Divisions, remainders, bits and casts of whole numbers of several types."""

    def serve(x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "floordiv": x // y,
            "floormod": x % y,
            "truncated": tf.truncatediv(x, y),
            "remainder": tf.truncatemod(x, y),
            "and": tf.bitwise.bitwise_and(x, y),
            "xor": tf.bitwise.bitwise_xor(x, y),
            "shift": tf.bitwise.left_shift(x, y % 4),
            "int64": tf.cast(x, tf.int64) * 3,
            "uint8": tf.cast(x, tf.uint8),
            "int8": tf.cast(y, tf.int8) + 1,
            "int16": tf.cast(x, tf.int16) * 2,
            "float": tf.cast(x, tf.float32) / 3.0,
            "bool": tf.cast(x, tf.bool),
            "abs": tf.abs(x),
            "power": tf.pow(y, 2),
            "clipped": tf.clip_by_value(x, -2, 3),
            "hot": tf.one_hot(x, 5, on_value=9, off_value=-1),
            "unary": tf.range(tf.reduce_max(y) + 1),
            "bits": tf.bitcast(x, tf.uint8),
        }

    runs = given(x=integers(-20, 20, 3), y=integers(1, 7, 3))
    return function(serve, [spec("int32", 3), spec("int32", 3)], runs)


@kind
def complex_numbers() -> Made:
    """Complex numbers in between and out."""

    def serve(x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        z = tf.complex(x, y)
        return {
            "z": z * z + 1j,
            "abs": tf.abs(z),
            "angle": tf.math.angle(z),
            "conj": tf.math.real(tf.math.conj(z) / (z + 3.0)),
        }

    return function(serve, [spec("float32", 4), spec("float32", 4)], given(x=normal(4), y=normal(4)))


@kind(tolerance=BFLOAT16)
def bfloat16() -> Made:
    """bfloat16 in the middle: products, sums, a variable."""
    w = tf.Variable(tf.cast(RANDOM.randn(6, 4), tf.bfloat16))

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        y = tf.matmul(tf.cast(x, tf.bfloat16), w)
        return {
            "y": tf.cast(tf.nn.softmax(y), tf.float32),
            "sum": tf.cast(tf.reduce_sum(tf.nn.relu(y), -1), tf.float32),
        }

    return function(serve, [spec("float32", 6)], given(x=normal(6)), keep=[w])


@kind(tolerance=BFLOAT16)
def bfloat16_inputs() -> Made:
    """bfloat16 in and out."""
    kind_of = tf.bfloat16.as_numpy_dtype

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.tanh(x) * tf.cast(3.0, tf.bfloat16), "float": tf.cast(x, tf.float32) + 1.0}

    return function(serve, [spec("bfloat16", 3)], given(x=lambda size: RANDOM.randn(size, 3).astype(kind_of)))


@kind(tolerance=FLOAT16)
def float16_inputs() -> Made:
    """float16 in and out."""
    w = tf.Variable(RANDOM.randn(6, 4).astype(np.float16))

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.nn.sigmoid(tf.matmul(x, w))}

    return function(serve, [spec("float16", 6)], given(x=normal(6, dtype="float16")), keep=[w])


@kind
def quantized() -> Made:
    """Fake quantization, as quantization-aware training leaves it, and real quantized tensors in between."""
    w = weights(6, 4)

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        y = tf.quantization.fake_quant_with_min_max_args(x, -3, 3)
        y = tf.matmul(y, tf.quantization.fake_quant_with_min_max_vars(w, -2.0, 2.0))
        per_channel = tf.quantization.fake_quant_with_min_max_vars_per_channel(y, [-4.0] * 4, [4.0, 3.0, 2.0, 1.0])
        held = tf.quantization.quantize(y, -5.0, 5.0, tf.qint8)
        back = tf.quantization.dequantize(held.output, held.output_min, held.output_max)
        both = tf.quantization.quantize_and_dequantize_v2(y, -4.0, 4.0)
        return {"y": y, "per_channel": per_channel, "back": back, "both": both}

    return function(serve, [spec("float32", 6)], given(x=normal(6)), keep=[w])
