"""Lists of numbers: products along an axis, what is in one and not in another, places."""

from __future__ import annotations

from tfkit.export.onnx.rules.registry import onnx_rule
from tfkit.lower.edit import Edit
from tfkit.tensors import DType


@onnx_rule("Cumprod", makes="SelectV2, Prod")
def cumprod(edit: Edit) -> None:
    """Each number is the product of those up to it: of all, with ones for the others."""
    x, dtype = edit.input(0), edit.dtype(edit.input(0))
    rank = edit.rank(x, "the tensor")
    axis = int(edit.constant(edit.input(1), "the axis")) % rank
    size = edit.gather(edit.shape_tensor(x), axis)
    own, other = (edit.expand_dims(edit.range_of(size), at) for at in (1, 0))
    first, last = (own, other) if edit.node.bool_attr("reverse") else (other, own)
    counts = edit.binary("Less" if edit.node.bool_attr("exclusive") else "LessEqual", first, last)
    counts = edit.reshape(edit.cast(counts, DType.INT32), edit.concat([
        edit.expand_dims(size, 0), edit.expand_dims(size, 0), edit.const([1] * (rank - axis - 1)),
    ]))  # fmt: skip
    among = edit.binary("Equal", counts, edit.const(1))
    factors = edit.select(among, edit.expand_dims(x, axis), edit.const(1, dtype))
    edit.become_identity(edit.reduce("Prod", factors, [axis + 1]))


@onnx_rule("ListDiff", makes="Equal, Any, Where, GatherV2")
def list_diff(edit: Edit) -> None:
    """The numbers of the first list that are not in the second, and their places."""
    x, y = edit.node.inputs
    index = DType(edit.node.type_attr("out_idx") or int(DType.INT32))
    same = edit.binary("Equal", edit.expand_dims(x, 1), edit.expand_dims(y, 0))
    found = edit.add("Any", (same, edit.const([1])), Tidx=DType.INT32)
    places = edit.add("Where", (edit.add("LogicalNot", (found,)),), T=DType.BOOL)
    places = edit.reshape(places, [-1])
    edit.become_each([edit.gather(x, places), edit.cast(places, index)])


@onnx_rule("InvertPermutation", makes="ScatterNd", wanted=lambda _: True)
def invert_permutation(edit: Edit) -> None:
    """Where each number is: tf2onnx sorts, and of int32 gives int64."""
    x, dtype = edit.input(0), edit.dtype(edit.input(0))
    size = edit.shape_tensor(x, dtype)
    places = edit.range_of(edit.reshape(size, []))
    edit.become("ScatterNd", (edit.expand_dims(x, 1), places, size), T=dtype, Tindices=dtype)


@onnx_rule("OneHot", makes="Equal, SelectV2")
def one_hot(edit: Edit) -> None:
    """One value where the place is the index, another elsewhere."""
    indices, depth, on, off = edit.node.inputs
    dtype, axis = edit.dtype(indices), edit.node.int_attr("axis", -1)
    after = edit.rank(indices, "the indices") - axis if axis >= 0 else 0
    places = edit.reshape(edit.range_of(edit.cast(depth, dtype)), [-1, *[1] * after])
    edit.become_identity(edit.select(edit.binary("Equal", edit.expand_dims(indices, axis), places), on, off))
