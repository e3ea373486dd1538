"""Choosing between two tensors, element by element."""

from __future__ import annotations

from tfkit.lower.broadcast import broadcast, surely_equal
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule


@rule("SelectV2", makes="Select, its operands broadcast")
def select_v2(edit: Edit) -> None:
    """``Select`` wants operands of one shape, but for a condition that is a scalar."""
    condition, yes, no = edit.node.inputs
    if edit.shape(condition) == () and surely_equal(edit.shape(yes), edit.shape(no)):
        operands = [condition, yes, no]
    else:
        operands = broadcast(edit, (condition, yes, no))
    edit.become("Select", operands, T=edit.dtype(yes))
