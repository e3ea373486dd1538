"""Sums over segments, whose numbers old TensorFlows want to be int32."""

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule(
    "SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN",
    "SparseSegmentSumWithNumSegments", "SparseSegmentMeanWithNumSegments", "SparseSegmentSqrtNWithNumSegments",
    makes="the same with int32 indices and segments",
)  # fmt: skip
def small_numbers(edit: Edit) -> None:
    """Casts: as many rows or segments as int32 cannot count have no place in memory."""
    values, indices, segments, *count = edit.node.inputs
    if edit.dtype(indices) == edit.dtype(segments) == DType.INT32:
        edit.refuse(f"it is of {edit.dtype(values).short_name}")
    edit.node.inputs = [
        values,
        edit.cast(indices, DType.INT32),
        edit.cast(segments, DType.INT32),
        *(edit.cast(each, DType.INT32) for each in count),
    ]
    changed = {"Tidx": DType.INT32, "Tsegmentids": DType.INT32}
    if count:
        changed["Tnumsegments"] = DType.INT32
    edit.with_attrs(**changed)
