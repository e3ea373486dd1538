"""Sums, products, means and extremes of segments: tf2onnx gives infinities for those that have nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES
from tfkit.export.onnx.rules.registry import onnx_rule
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.tensors import DType

_EXTREMES = ("UnsortedSegmentMax", "UnsortedSegmentMin")
_SAFE = "_written_for_onnx"


def _is_plain(edit: Edit) -> bool:
    return _SAFE not in edit.node.attrs


@onnx_rule(
    "UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin",
    makes="itself, with a segment for what belongs to none", wanted=_is_plain,
)  # fmt: skip
def unsorted_segment(edit: Edit) -> None:
    """What has a negative number is left out, and the largest of no numbers is the lowest there is."""
    data, ids, count = edit.node.inputs
    numbers, size = edit.dtype(ids), edit.cast(count, edit.dtype(ids))
    safe = edit.select(edit.binary("Less", ids, edit.const(0, numbers)), size, ids)
    more = edit.binary("Add", size, edit.const(1, numbers))
    result = _segments(edit, edit.node.op, data, safe, more)
    if edit.node.op in _EXTREMES:
        empty = _of_rows(
            edit,
            edit.binary("Equal", _counts(edit, safe, more, numbers), edit.const(0, numbers)),
            edit.rank(data, "the data"),
        )
        result = edit.select(empty, edit.const(_lowest(edit.node.op, edit.dtype(data)), edit.dtype(data)), result)
    edit.become_identity(edit.gather(result, edit.range_of(edit.cast(size, DType.INT32))))


@onnx_rule("SegmentProd", "SegmentMax", "SegmentMin", makes="UnsortedSegmentProd, UnsortedSegmentMax, ...")
def segment(edit: Edit) -> None:
    """Sorted segments; of those that have nothing, 0, and 1 for products."""
    data, ids = edit.node.inputs
    dtype, numbers = edit.dtype(data), edit.dtype(ids)
    size = _segments_of(edit, ids)
    result = _segments(edit, f"Unsorted{edit.node.op}", data, ids, size)
    if edit.node.op in ("SegmentMax", "SegmentMin"):
        empty = _of_rows(
            edit,
            edit.binary("Equal", _counts(edit, ids, size, numbers), edit.const(0, numbers)),
            edit.rank(data, "the data"),
        )
        result = edit.select(empty, edit.const(0, dtype), result)
    edit.become_identity(result)


@onnx_rule("SegmentMean", makes="SegmentSum and counts")
def segment_mean(edit: Edit) -> None:
    """Of segments that have nothing, 0."""
    data, ids = edit.node.inputs
    edit.become_identity(_mean(edit, data, ids, _segments_of(edit, ids), rank=edit.rank(data, "the data"), root=False))


@onnx_rule(
    "SparseSegmentMean", "SparseSegmentSqrtN", "SparseSegmentMeanWithNumSegments",
    "SparseSegmentSqrtNWithNumSegments", makes="GatherV2, sums and counts",
)  # fmt: skip
def sparse_segment_mean(edit: Edit) -> None:
    """The same of some rows."""
    data, indices, ids, *count = edit.node.inputs
    size = edit.cast(count[0], edit.dtype(ids)) if count else _segments_of(edit, ids)
    rank, root = edit.rank(data, "the data"), "SqrtN" in edit.node.op
    edit.become_identity(_mean(edit, edit.gather(data, indices), ids, size, rank=rank, root=root))


def _mean(edit: Edit, data: Tensor, ids: Tensor, size: Tensor, *, rank: int, root: bool) -> Tensor:
    dtype = edit.dtype(data)
    counts = edit.cast(_counts(edit, ids, size, edit.dtype(ids)), dtype)
    counts = edit.binary("Maximum", counts, edit.const(1, dtype))
    if root:
        counts = edit.add("Sqrt", (counts,), T=dtype)
    return edit.binary("RealDiv", _segments(edit, "UnsortedSegmentSum", data, ids, size), _of_rows(edit, counts, rank))


def _segments(edit: Edit, op: str, data: Tensor, ids: Tensor, size: Tensor) -> Tensor:
    """A node that no rule looks at again."""
    numbers = edit.dtype(ids)
    return edit.add(
        op, (data, ids, size), T=edit.dtype(data), Tindices=numbers, Tnumsegments=numbers, **{_SAFE: True}
    )  # fmt: skip


def _segments_of(edit: Edit, ids: Tensor) -> Tensor:
    """How many sorted segments there are."""
    numbers = edit.dtype(ids)
    with_none = edit.concat([edit.const([-1], numbers), ids])
    return edit.binary("Add", edit.reduce("Max", with_none, [0]), edit.const(1, numbers))


def _counts(edit: Edit, ids: Tensor, size: Tensor, numbers: DType) -> Tensor:
    return _segments(edit, "UnsortedSegmentSum", edit.add("OnesLike", (ids,), T=numbers), ids, size)


def _of_rows(edit: Edit, vector: Tensor, rank: int) -> Tensor:
    """A vector that holds something of each segment, in a shape that is broadcast to those of the data's rows."""
    return edit.reshape(vector, [-1, *[1] * (rank - 1)])


def _lowest(op: str, dtype: DType) -> float:
    """The lowest number of a dtype, or for the smallest of some numbers the highest."""
    kind = np.dtype(NUMPY_DTYPES[dtype])
    limits: Any = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    end: float = limits.min if op == "UnsortedSegmentMax" else limits.max
    return end
