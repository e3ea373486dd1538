"""Comparisons, and what newer TensorFlows let them do."""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType, Shape


@rule("Equal", "NotEqual", makes="the same, in a branch unless the shapes always go together", misfit="attribute")
def compare_what_fits(edit: Edit) -> None:
    """``a == b`` in Python asks for False, not an error, where the shapes do not go together."""
    operands, op, dtype = edit.node.inputs, edit.node.op, edit.dtype(edit.input(0))
    shapes = [edit.shape(tensor) for tensor in operands]
    if _go_together(shapes[0], shapes[1]):
        edit.with_attrs(incompatible_shape_error=None)
        return

    def compare(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        return [inside.add(op, tensors, T=dtype)]

    def differ(inside: Edit, _: Sequence[Tensor]) -> list[Tensor]:
        return [inside.const(op == "NotEqual", DType.BOOL)]

    fit = _shapes_fit(edit, [edit.shape_tensor(tensor) for tensor in operands])
    edit.become_identity(edit.choose(fit, operands, [DType.BOOL], compare, differ)[0])


def _shapes_fit(edit: Edit, shapes: Sequence[Tensor]) -> Tensor:
    """Whether two shapes broadcast, as they are when the model runs."""
    ranks = [edit.size(shape) for shape in shapes]
    most, one = edit.binary("Maximum", *ranks), edit.const(1)
    padded = []
    for shape, rank in zip(shapes, ranks, strict=True):
        lacking = edit.reshape(edit.binary("Sub", most, rank), [1])
        ones = edit.add("Fill", (lacking, one), T=DType.INT32, index_type=DType.INT32)
        padded.append(edit.concat([ones, shape]))
    fit = edit.binary("Equal", *padded)
    for shape in padded:
        fit = edit.add("LogicalOr", (fit, edit.binary("Equal", shape, one)))
    return edit.add("All", (fit, edit.const([0])), Tidx=DType.INT32, keep_dims=False)


def _go_together(one: Shape | None, other: Shape | None) -> bool:
    """Whether two shapes broadcast, for certain."""
    if one == () or other == ():
        return True
    if one is None or other is None:
        return False
    pairs = zip(reversed(one), reversed(other), strict=False)
    return all(a == 1 or b == 1 or (a is not None and a == b) for a, b in pairs)
