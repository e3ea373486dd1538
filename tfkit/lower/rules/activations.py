"""Functions of single numbers that older TensorFlows write with others."""

from __future__ import annotations

import numpy as np

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_ALPHA = float(np.float32(0.2))  # LeakyRelu's own


def _dtype(edit: Edit) -> DType:
    return edit.dtype(edit.input(0))


@rule("LeakyRelu", makes="Maximum or Minimum", misfit="op")
def leaky_relu(edit: Edit) -> None:
    """Of ``x`` and ``alpha * x`` the larger is right for either sign, or the smaller if ``alpha`` exceeds 1."""
    (x,), dtype = edit.node.inputs, _dtype(edit)
    alpha = edit.node.float_attr("alpha", _ALPHA)
    scaled = edit.binary("Mul", x, edit.const(alpha, dtype))
    edit.become("Maximum" if alpha <= 1 else "Minimum", (x, scaled), T=dtype)


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
