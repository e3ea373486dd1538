"""Which of some ranges numbers are in, and how many are in each."""

from __future__ import annotations

from tfkit.export.onnx.rules.registry import onnx_rule
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.tensors import DType


@onnx_rule("Bucketize", makes="GreaterEqual, Sum")
def bucketize(edit: Edit) -> None:
    """How many boundaries a number has reached."""
    x, dtype = edit.input(0), edit.dtype(edit.input(0))
    if "boundaries" not in edit.node.attrs:
        edit.refuse("it has no boundaries")
    boundaries = [float(each) for each in edit.node.attrs["boundaries"].list.f]
    wide = DType.DOUBLE if dtype in (DType.INT32, DType.INT64, DType.DOUBLE) else DType.FLOAT
    numbers = edit.expand_dims(edit.cast(x, wide), -1)
    reached = edit.cast(edit.binary("GreaterEqual", numbers, edit.const(boundaries, wide)), DType.INT32)
    edit.become_identity(edit.reduce("Sum", reached, [-1]))


@onnx_rule("LowerBound", makes="Less, Sum")
def lower_bound(edit: Edit) -> None:
    """How many of a row's sorted numbers are smaller."""
    _count_below(edit, "Less")


@onnx_rule("UpperBound", makes="LessEqual, Sum")
def upper_bound(edit: Edit) -> None:
    """How many of a row's sorted numbers are not larger."""
    _count_below(edit, "LessEqual")


def _count_below(edit: Edit, comparison: str) -> None:
    numbers, values = edit.node.inputs
    dtype = DType(edit.node.type_attr("out_type") or int(DType.INT32))
    below = edit.binary(comparison, edit.expand_dims(numbers, 1), edit.expand_dims(values, 2))
    edit.become_identity(edit.reduce("Sum", edit.cast(below, dtype), [2]))


@onnx_rule("HistogramFixedWidth", makes="UnsortedSegmentSum")
def histogram(edit: Edit) -> None:
    """As many bins as are wanted; what is outside of the range is in the first or the last."""
    values, limits, bins = edit.node.inputs
    result = DType(edit.node.type_attr("dtype") or int(DType.INT32))
    maths = Formulas(edit, DType.DOUBLE)
    flat = edit.cast(edit.reshape(values, [-1]), DType.DOUBLE)
    low, high = (edit.cast(edit.gather(limits, at), DType.DOUBLE) for at in (0, 1))
    count = edit.cast(bins, DType.DOUBLE)
    step = maths.do("RealDiv", maths.do("Sub", high, low), count)
    place = maths.do("Floor", maths.do("RealDiv", maths.do("Sub", flat, low), step))
    place = maths.do("Minimum", maths.do("Maximum", place, 0.0), maths.do("Sub", count, 1.0))
    ones = edit.add("OnesLike", (edit.cast(place, result),), T=result)
    edit.become(
        "UnsortedSegmentSum", (ones, edit.cast(place, DType.INT32), bins), T=result, Tindices=DType.INT32,
        Tnumsegments=DType.INT32,
    )  # fmt: skip
