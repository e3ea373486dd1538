"""Normalized batches."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule


@rule("FusedBatchNormV3", makes="FusedBatchNormV2", misfit="op")
def without_reserve(edit: Edit) -> None:
    """What the third one keeps besides is for gradients alone, and empty on a CPU."""
    attrs = {name: value for name, value in edit.node.attrs.items() if name[0] != "_"}
    made = edit.add("FusedBatchNormV2", edit.node.inputs, **attrs)
    outputs = made.node.outs(5)
    edit.become_each([*outputs, edit.const([], edit.dtype(outputs[-1]))])
