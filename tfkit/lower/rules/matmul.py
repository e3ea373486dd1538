"""Products of matrices."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.broadcast import common_shape, surely_equal
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("BatchMatMulV3", makes="BatchMatMulV2, its operands cast to the dtype of the result")
def mixed_matmul(edit: Edit) -> None:
    """Exact: whatever a dtype holds its result's dtype holds, int32 for int8."""
    dtype = DType(edit.node.type_attr("Tout"))
    operands = [edit.cast(tensor, dtype) for tensor in edit.node.inputs]
    edit.become("BatchMatMulV2", operands, T=dtype, **_sides(edit))


@rule("BatchMatMulV2", makes="BatchMatMul, its operands broadcast", misfit="op")
def broadcast_matmul(edit: Edit) -> None:
    """``BatchMatMul`` wants operands whose sizes are the same but for the last two."""
    x, y = edit.node.inputs
    shapes = [edit.shape(tensor) for tensor in (x, y)]
    batches = [None if shape is None else shape[:-2] for shape in shapes]
    if not surely_equal(*batches):
        x, y = _with_common_batch(edit, (x, y))
    edit.become("BatchMatMul", (x, y), T=edit.dtype(x), **_sides(edit))


def _sides(edit: Edit) -> dict[str, bool]:
    return {name: edit.node.bool_attr(name) for name in ("adj_x", "adj_y")}


def _with_common_batch(edit: Edit, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    sizes = [edit.shape_tensor(tensor) for tensor in tensors]
    common = common_shape(edit, [edit.part(shape, None, -2) for shape in sizes])
    noted = [edit.shape(tensor) for tensor in tensors]
    ranks = [len(shape) for shape in noted if shape is not None]
    known = (None,) * max(ranks) if len(ranks) == len(tensors) else None
    return [
        edit.note(edit.broadcast_to(tensor, edit.concat([common, edit.part(shape, -2, None)])), known)
        for tensor, shape in zip(tensors, sizes, strict=True)
    ]
