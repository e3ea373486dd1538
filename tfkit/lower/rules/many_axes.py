"""Tensors with more axes than older TensorFlows take, though what is computed does not depend on how many there are."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_MOST_AXES = 5
_SINCE = {"ArgMax": (2, 0), "ArgMin": (2, 0), "BiasAdd": (2, 7), "Where": (1, 15)}  # that take more


def _has_many_axes(edit: Edit) -> bool:
    shape = edit.shape(edit.input(0))
    return edit.target.version < _SINCE[edit.node.op] and shape is not None and len(shape) > _MOST_AXES


@rule("ArgMax", "ArgMin", makes="itself of three axes, between Reshapes", wanted=_has_many_axes)
def index_along_one_of_three(edit: Edit) -> None:
    """Makes one axis of all that are before the one that is searched along, and one of those after it."""
    tensor, axis = edit.node.inputs
    at = int(edit.constant(axis, "the axis").reshape(-1)[0]) % edit.rank(tensor, "the tensor")
    sizes = edit.shape_tensor(tensor)
    before, after = edit.part(sizes, 0, at), edit.part(sizes, at + 1, None)
    merged = [edit.reduce("Prod", before, [0]), edit.gather(sizes, at), edit.reduce("Prod", after, [0])]
    attrs = {name: value for name, value in edit.node.attrs.items() if name[0] != "_"}
    inputs = (edit.reshape(tensor, edit.pack(merged)), edit.const(1))
    found = edit.add(edit.node.op, inputs, **{**attrs, "Tidx": DType.INT32})
    edit.become_identity(edit.reshape(found, edit.concat([before, after])))


@rule("BiasAdd", makes="itself of two axes, between Reshapes", wanted=_has_many_axes)
def add_to_rows(edit: Edit) -> None:
    """Makes one axis of all but the last; the bias is added along that one."""
    tensor, bias = edit.node.inputs
    sizes = edit.shape_tensor(tensor)
    merged = [edit.reduce("Prod", edit.part(sizes, None, -1), [0]), edit.gather(edit.shape_tensor(bias), 0)]
    added = edit.add("BiasAdd", (edit.reshape(tensor, edit.pack(merged)), bias), T=edit.dtype(tensor))
    edit.become_identity(edit.reshape(added, sizes))


@rule("Where", makes="itself of one axis, FloorDiv, FloorMod", wanted=_has_many_axes)
def where_in_all(edit: Edit) -> None:
    """Finds the numbers of the elements, and from each its place along every axis."""
    tensor, dtype = edit.input(0), edit.dtype(edit.input(0))
    sizes = edit.shape_tensor(tensor, DType.INT64)
    steps = edit.add("Cumprod", (sizes, edit.const(0)), exclusive=True, reverse=True, T=DType.INT64, Tidx=DType.INT32)
    number = edit.add("Where", (edit.reshape(tensor, [-1]),), T=dtype)
    edit.become("FloorMod", (edit.binary("FloorDiv", number, steps), sizes), T=DType.INT64)
