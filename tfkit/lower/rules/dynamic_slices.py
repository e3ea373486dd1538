"""Slices whose place is computed, and kept within the tensor: key-value caches, ``keras.ops.slice_update``.

Before TensorFlow 2.4 only XLA's own devices had kernels for them.
"""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("XlaDynamicSlice", makes="Slice, its start kept within the tensor")
def dynamic_slice(edit: Edit) -> None:
    """A slice that would reach beyond the tensor's end begins earlier."""
    tensor, start, size = edit.node.inputs
    kept = _within(edit, start, _sizes(edit, tensor, start), size)
    edit.become("Slice", (tensor, kept, size), T=edit.dtype(tensor), Index=edit.dtype(start))


@rule("XlaDynamicUpdateSlice", makes="Pad, Select")
def dynamic_update_slice(edit: Edit) -> None:
    """Moves the new part to its place in a tensor of the old one's size, and takes it where it is."""
    tensor, update, start = edit.node.inputs
    dtype = edit.dtype(tensor)
    sizes, part = _sizes(edit, tensor, start), _sizes(edit, update, start)
    before = _within(edit, start, sizes, part)
    after = edit.binary("Sub", edit.binary("Sub", sizes, part), before)
    paddings = edit.pack([before, after], axis=1)
    ones = edit.add("Fill", (part, edit.const(True, DType.BOOL)), T=DType.BOOL, index_type=edit.dtype(start))
    is_new, new = (_pad(edit, each, paddings) for each in (ones, update))
    edit.become("Select", (is_new, new, tensor), T=dtype)


def _sizes(edit: Edit, tensor: Tensor, start: Tensor) -> Tensor:
    return edit.shape_tensor(tensor, edit.dtype(start))


def _within(edit: Edit, start: Tensor, sizes: Tensor, part: Tensor) -> Tensor:
    """Where a part really begins: not before the tensor, nor so late that it would reach beyond its end."""
    latest = edit.binary("Minimum", start, edit.binary("Sub", sizes, part))
    return edit.binary("Maximum", latest, edit.const(0, edit.dtype(start)))


def _pad(edit: Edit, tensor: Tensor, paddings: Tensor) -> Tensor:
    return edit.add("Pad", (tensor, paddings), T=edit.dtype(tensor), Tpaddings=edit.dtype(paddings))
