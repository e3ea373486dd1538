"""The bits of whole numbers, of which ONNX knows no other reading."""

from __future__ import annotations

import numpy as np

from tfkit.arrays import NUMPY_DTYPES
from tfkit.export.onnx.rules.registry import onnx_rule
from tfkit.lower.edit import Edit
from tfkit.tensors import DType

_SIGNED = frozenset((DType.INT8, DType.INT16, DType.INT32, DType.INT64))
_UNSIGNED = frozenset((DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64))


@onnx_rule("Bitcast", makes="Cast, or FloorDiv and FloorMod")
def bitcast(edit: Edit) -> None:
    """Of whole numbers, as others of their size, or as several smaller ones without signs, the lowest first."""
    x, own, dtype = edit.input(0), edit.dtype(edit.input(0)), DType(edit.node.type_attr("type"))
    if own not in _SIGNED | _UNSIGNED or dtype not in _SIGNED | _UNSIGNED:
        edit.refuse(f"it makes {dtype.short_name} of {own.short_name}: ONNX has no bits of floats")
    size, wanted = (np.dtype(NUMPY_DTYPES[each]).itemsize for each in (own, dtype))
    if size == wanted:
        edit.become("Cast", (x,), SrcT=own, DstT=dtype)
        return
    if size < wanted or dtype not in _UNSIGNED:
        edit.refuse(f"it makes {dtype.short_name} of {own.short_name}")
    wide, base = edit.cast(x, DType.INT64), 1 << 8 * wanted
    parts = []
    for _ in range(size // wanted):
        parts.append(edit.cast(edit.binary("FloorMod", wide, edit.const(base, DType.INT64)), dtype))
        wide = edit.binary("FloorDiv", wide, edit.const(base, DType.INT64))
    edit.become("Pack", parts, N=len(parts), T=dtype, axis=edit.rank(x, "the numbers"))
