"""Choosing between two tensors, element by element."""

from __future__ import annotations

from tfkit.lower.broadcast import broadcast, surely_equal
from tfkit.lower.edit import Edit
from tfkit.lower.facts import SHAPES
from tfkit.lower.rules import rule

_MOST_AXES = 5  # of SelectV2 in TensorFlow 1.14
_SINCE = (1, 15)


def _may_have_many_axes(edit: Edit) -> bool:
    """Whether it has more axes than that, or nobody knows how many; not where nobody has noted any shapes at all."""
    shape = edit.shape(edit.node.out())
    many = len(shape) > _MOST_AXES if shape is not None else SHAPES in edit.node.attrs
    return edit.target.version < _SINCE and many


@rule("SelectV2", makes="Select, its operands broadcast", wanted=_may_have_many_axes)
@rule("SelectV2", makes="Select, its operands broadcast")
def select_v2(edit: Edit) -> None:
    """``Select`` wants operands of one shape, but for a condition that is a scalar."""
    condition, yes, no = edit.node.inputs
    if edit.shape(condition) == () and surely_equal(edit.shape(yes), edit.shape(no)):
        operands = [condition, yes, no]
    else:
        operands = broadcast(edit, (condition, yes, no))
    edit.become("Select", operands, T=edit.dtype(yes))
