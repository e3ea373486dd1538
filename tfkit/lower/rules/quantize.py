"""Quantizing and back, where only the gradient has changed since."""

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule


@rule("QuantizeAndDequantizeV4", makes="QuantizeAndDequantizeV2")
def of_before(edit: Edit) -> None:
    """The same under an older name."""
    edit.become("QuantizeAndDequantizeV2", edit.node.inputs, **dict(edit.node.attrs))
