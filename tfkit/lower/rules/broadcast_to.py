"""Tensors repeated along axes."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_MOST_AXES = 5  # of BroadcastTo in TensorFlow 1.12 and 1.14
_SINCE = (1, 15)


def _may_have_many_axes(edit: Edit) -> bool:
    shape = edit.shape(edit.node.out())
    return edit.target.version < _SINCE and (shape is None or len(shape) > _MOST_AXES)


@rule("BroadcastTo", makes="Tile, where it may have many axes", wanted=_may_have_many_axes)
def tile(edit: Edit) -> None:
    """Repeats axes of size 1 as often as the shape says, and the others once."""
    tensor, shape = edit.node.inputs
    shape = edit.cast(shape, DType.INT32)
    own = edit.shape_tensor(tensor)
    # Axes that the tensor lacks are in front.
    lacking = edit.binary("Sub", edit.shape_tensor(shape), edit.shape_tensor(own))
    full = edit.concat(
        [edit.add("Fill", (lacking, edit.const(1)), T=edit.dtype(shape), index_type=edit.dtype(shape)), own]
    )
    ones = edit.add("OnesLike", (full,), T=edit.dtype(full))
    times = edit.add("Select", (edit.binary("Equal", full, ones), shape, ones), T=edit.dtype(shape))
    edit.become("Tile", (edit.reshape(tensor, full), times), T=edit.dtype(tensor), Tmultiples=edit.dtype(times))
