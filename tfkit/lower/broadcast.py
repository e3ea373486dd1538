"""Shapes of operands that are broadcast to each other, for the rules."""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.tensors import Shape


def surely_equal(*shapes: Shape | None) -> bool:
    """Whether shapes are known, and the same."""
    first = shapes[0]
    return first is not None and None not in first and all(shape == first for shape in shapes)


def common_shape(edit: Edit, shapes: Sequence[Tensor]) -> Tensor:
    """The shape that operands of these shapes are broadcast to, as it is when the model runs.

    Args:
        edit: Adds the nodes.
        shapes: The operands' shapes, int32 vectors.
    """
    common = shapes[0]
    for shape in shapes[1:]:
        common = edit.add("BroadcastArgs", (common, shape), T=edit.dtype(shape))
    return common


def broadcast(edit: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors repeated until they have the same shape; as they are if they surely have."""
    shapes = [edit.shape(tensor) for tensor in tensors]
    if surely_equal(*shapes):
        return list(tensors)
    common = common_shape(edit, [edit.shape_tensor(tensor) for tensor in tensors])
    ranks = [len(shape) for shape in shapes if shape is not None]
    known = (None,) * max(ranks) if len(ranks) == len(shapes) else None
    return [edit.note(edit.broadcast_to(tensor, common), known) for tensor in tensors]
