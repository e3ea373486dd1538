"""Repeated tensors of dtypes that old kernels of ``Tile`` are there for, and refuse when they run."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

# The first TensorFlow that repeats a dtype, and the dtype that older ones do it in.
_SINCE = {
    DType.INT8: ((1, 14), DType.INT16),
    DType.BFLOAT16: ((2, 4), DType.FLOAT),
    DType.UINT32: ((2, 3), DType.INT32),
    DType.UINT64: ((2, 3), DType.INT64),
}
_OF_SAME_SIZE = (DType.UINT32, DType.UINT64)


def _is_refused(edit: Edit) -> bool:
    dtype = edit.dtype(edit.input(0))
    return dtype in _SINCE and edit.target.version < _SINCE[dtype][0]


@rule("Tile", makes="Tile of another dtype", wanted=_is_refused)
def tile(edit: Edit) -> None:
    """Repeats the same numbers, or the same bits, in a dtype that is repeated."""
    tensor, times = edit.node.inputs
    dtype = edit.dtype(tensor)
    other = _SINCE[dtype][1]
    if dtype in _OF_SAME_SIZE:
        given = edit.add("Bitcast", (tensor,), T=dtype, type=other)
        repeated = edit.add("Tile", (given, times), T=other, Tmultiples=edit.dtype(times))
        edit.become("Bitcast", (repeated,), T=other, type=dtype)
        return
    repeated = edit.add("Tile", (edit.cast(tensor, other), times), T=other, Tmultiples=edit.dtype(times))
    edit.become("Cast", (repeated,), SrcT=other, DstT=dtype)
