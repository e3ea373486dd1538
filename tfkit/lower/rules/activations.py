"""Functions of single numbers that older TensorFlows write with others."""

from __future__ import annotations

import numpy as np

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_ALPHA = float(np.float32(0.2))  # LeakyRelu's own


def _dtype(edit: Edit) -> DType:
    return edit.dtype(edit.input(0))


_OWN_LEAKY_RELU = (1, 15)  # the kernel of 1.14 takes the larger of x and alpha * x, whatever alpha is


def _is_no_maximum(edit: Edit) -> bool:
    """Whether it is not always the larger of ``x`` and ``alpha * x``: 0 times infinity is no number."""
    alpha = edit.node.float_attr("alpha", _ALPHA)
    return alpha == 0 or alpha > 1


def _needs_other_leaky_relu(edit: Edit) -> bool:
    lacks = not edit.target.has("LeakyRelu")
    return lacks or (edit.target.version < _OWN_LEAKY_RELU and _is_no_maximum(edit))


@rule("LeakyRelu", makes="Mul, Maximum or Select", wanted=_needs_other_leaky_relu)
def leaky_relu(edit: Edit) -> None:
    """``x`` where it is positive, ``alpha * x`` elsewhere: mostly the larger of the two."""
    (x,), dtype = edit.node.inputs, _dtype(edit)
    scaled = edit.binary("Mul", x, edit.const(edit.node.float_attr("alpha", _ALPHA), dtype))
    if _is_no_maximum(edit):
        positive = edit.binary("Greater", x, edit.add("ZerosLike", (x,), T=dtype))
        edit.become("Select", (positive, x, scaled), T=dtype)
    else:
        edit.become("Maximum", (x, scaled), T=dtype)


@rule("MulNoNan", makes="Mul, Select", misfit="op")
def mul_no_nan(edit: Edit) -> None:
    """Zero wherever ``y`` is, even if ``x`` is infinite or no number."""
    x, y = edit.node.inputs
    zero = edit.const(0, _dtype(edit))
    edit.become("SelectV2", (edit.binary("Equal", y, zero), zero, edit.binary("Mul", x, y)), T=_dtype(edit))


@rule("Xlog1py", makes="Log1p, Mul, Select", misfit="op")
def xlog1py(edit: Edit) -> None:
    """Zero wherever ``x`` is."""
    x, y = edit.node.inputs
    zero, logarithm = edit.const(0, _dtype(edit)), edit.add("Log1p", (y,), T=_dtype(edit))
    product = edit.binary("Mul", x, logarithm)
    edit.become("SelectV2", (edit.binary("Equal", x, zero), zero, product), T=_dtype(edit))


@rule("DivNoNan", makes="RealDiv, Select", misfit="kernel")
def div_no_nan(edit: Edit) -> None:
    """Zero wherever ``y`` is; for the complex numbers of TensorFlow 1.12, whose kernel knows but real ones."""
    x, y = edit.node.inputs
    zero = edit.const(0, _dtype(edit))
    edit.become("SelectV2", (edit.binary("Equal", y, zero), zero, edit.binary("RealDiv", x, y)), T=_dtype(edit))


@rule("EuclideanNorm", makes="Square, Sum, Sqrt", misfit="op")
def euclidean_norm(edit: Edit) -> None:
    """The square root of the sum of squares; of complex numbers, of their sizes."""
    (x, axes), dtype = edit.node.inputs, _dtype(edit)
    if dtype in (DType.COMPLEX64, DType.COMPLEX128):
        squares = edit.binary("Mul", x, edit.add("Conj", (x,), T=dtype))
    else:
        squares = edit.add("Square", (x,), T=dtype)
    keep = edit.node.bool_attr("keep_dims")
    total = edit.add("Sum", (squares, axes), T=dtype, Tidx=edit.dtype(axes), keep_dims=keep)
    edit.become("Sqrt", (total,), T=dtype)
