"""Lists of tensors, which loops of TensorFlow 2 read and fill.

TensorFlow 1.12 has them too, with other habits: a reserved list has no elements, elements are taken without a word
about their shape, and a list becomes one tensor only if the shape of its elements is known in full. So there a list of
so many elements begins as one of as many zeros, and is stacked by a loop that puts its elements into a ``TensorArray``.
Lists stay values that branches and loops hand on. As lists are joined only if their elements' shapes are declared
alike, none is declared. Where the shape of the elements is not known, those that nobody has set yet are scalars; what
reads the list gives them the shape of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfkit.graph import attributes
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType, Shape

_NEW_LISTS = (1, 14)
_MAX_STEPS = 1000
_ANY_SHAPE = -1
_HAND_ON = frozenset(("Enter", "Identity", "Switch"))


def _is_old(edit: Edit) -> bool:
    return edit.target.version < _NEW_LISTS


def _dtype(edit: Edit) -> DType:
    """The dtype of the elements; refuses lists of lists, which TensorFlow 1.12 can neither begin nor stack."""
    dtype = DType(edit.node.type_attr("element_dtype"))
    if dtype in (DType.VARIANT, DType.RESOURCE):
        edit.refuse(f"the elements of the list are {dtype.short_name}s themselves")
    return dtype


# --- what makes a list


@rule("EmptyTensorList", makes="TensorListFromTensor", wanted=_is_old)
def begin_empty(edit: Edit) -> None:
    """How many elements it will have at most is of no interest."""
    edit.become_identity(_zeros(edit, _dtype(edit), edit.const(0)))


def _declares_shape(edit: Edit) -> bool:
    declared = edit.value(edit.input(1))
    return _is_old(edit) and (declared is None or declared.tolist() != _ANY_SHAPE)


@rule("TensorListFromTensor", makes="TensorListFromTensor for elements of any shape", wanted=_declares_shape)
def from_tensor(edit: Edit) -> None:
    """Each row becomes an element."""
    edit.become("TensorListFromTensor", **_listed(edit, _dtype(edit), edit.input(0)))


@rule("TensorListReserve", makes="TensorListFromTensor", wanted=_is_old)
def reserve(edit: Edit) -> None:
    """Elements that nobody sets are zeros, of the elements' shape where that is known; scalars where it is not."""
    shape, count = edit.node.inputs
    known = edit.value(shape)
    sizes = [] if known is None or known.ndim == 0 or (known < 0).any() else known.tolist()
    edit.become_identity(_zeros(edit, _dtype(edit), count, sizes))


@rule("TensorListScatterV2", makes="a loop of TensorListSetItem")
def scatter(edit: Edit) -> None:
    """A list that is as long as is said, or as the indices want."""
    tensor, indices, _, count = edit.node.inputs
    dtype = _dtype(edit)
    largest = edit.binary("Maximum", _end_of(edit, indices), count)
    edit.become_identity(_scattered(edit, dtype, _zeros(edit, dtype, largest), tensor, indices))


@rule("TensorListScatterIntoExistingList", makes="a loop of TensorListSetItem")
def scatter_into(edit: Edit) -> None:
    """The list grows where the indices want it."""
    handle, tensor, indices = edit.node.inputs
    dtype = _dtype(edit)
    longer = _grown(edit, dtype, handle, _end_of(edit, indices))
    edit.become_identity(_scattered(edit, dtype, longer, tensor, indices))


@rule("TensorListSplit", makes="a loop of TensorListPushBack")
def split(edit: Edit) -> None:
    """Takes as many rows as each length says."""
    tensor, _, lengths = edit.node.inputs
    dtype = _dtype(edit)
    lengths = edit.cast(lengths, DType.INT32)
    ends = edit.add("Cumsum", (lengths, edit.const(0)), T=DType.INT32, Tidx=DType.INT32)
    starts = edit.binary("Sub", ends, lengths)
    count = edit.reshape(edit.shape_tensor(lengths), [])

    def push(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        index, handle, _, tensor, starts, ends = tensors
        one = inside.const(1)
        rows = inside.add("Range", (inside.gather(starts, index), inside.gather(ends, index), one), Tidx=DType.INT32)
        item = inside.gather(tensor, rows)
        longer = inside.add("TensorListPushBack", (handle, item), element_dtype=dtype)
        return [inside.binary("Add", index, one), longer]

    empty = _zeros(edit, dtype, edit.const(0))
    edit.become_identity(edit.loop([edit.const(0), empty], [count, tensor, starts, ends], _is_left, push)[1])


def _listed(edit: Edit, dtype: DType, tensor: Tensor) -> dict[str, Any]:
    """The inputs and attributes of a ``TensorListFromTensor`` that declares nothing about its elements' shape.

    What is listed must not look like a constant: TensorFlow 1.12 would make the list before it runs, and of the list
    that it keeps it believes that all elements are scalars. That a ``TensorArray`` has no elements it does not foresee.
    """
    array = edit.add("TensorArrayV3", (edit.const(0),), dtype=dtype)
    zero = edit.add("TensorArraySizeV3", (array, array.node.out(1)))
    unforeseen = edit.reshape(tensor, edit.binary("Add", edit.shape_tensor(tensor), zero))
    return {"inputs": (unforeseen, edit.const(_ANY_SHAPE)), "element_dtype": dtype, "shape_type": DType.INT32}


def _zeros(edit: Edit, dtype: DType, count: Tensor, sizes: Sequence[int] = ()) -> Tensor:
    """A list of so many zeros, which may give way to elements of any shape."""
    shape = edit.concat([edit.reshape(count, [1]), *([edit.const(sizes)] if sizes else [])])
    zero = edit.const(b"" if dtype is DType.STRING else 0, dtype)
    zeros = edit.add("Fill", (shape, zero), T=dtype, index_type=DType.INT32)
    return edit.add("TensorListFromTensor", **_listed(edit, dtype, zeros))


def _end_of(edit: Edit, indices: Tensor) -> Tensor:
    """How many elements a list has at least that has elements at these indices."""
    with_none = edit.concat([indices, edit.const([-1])])
    return edit.binary("Add", edit.reduce("Max", with_none, [0]), edit.const(1))


def _scattered(edit: Edit, dtype: DType, handle: Tensor, tensor: Tensor, indices: Tensor) -> Tensor:
    """A list with the rows of a tensor at some indices."""
    count = edit.reshape(edit.shape_tensor(indices), [])

    def put(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        index, handle, _, tensor, indices = tensors
        row, at = inside.gather(tensor, index), inside.gather(indices, index)
        changed = inside.add("TensorListSetItem", (handle, at, row), element_dtype=dtype)
        return [inside.binary("Add", index, inside.const(1)), changed]

    return edit.loop([edit.const(0), handle], [count, tensor, indices], _is_left, put)[1]


def _is_left(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Whether the first tensor, which counts, has not reached the third."""
    return [inside.binary("Less", tensors[0], tensors[2])]


# --- what changes a list


@rule("TensorListSetItem", makes="TensorListResize, TensorListSetItem", misfit="attribute")
def set_item(edit: Edit) -> None:
    """Lets the list grow first."""
    handle, index, item = edit.node.inputs
    dtype = DType(edit.node.type_attr("element_dtype"))
    longer = _grown(edit, dtype, handle, edit.binary("Add", index, edit.const(1)))
    edit.become("TensorListSetItem", (longer, index, item), element_dtype=dtype)


@rule("TensorListResize", makes="TensorListConcatLists, TensorListPopBack")
def resize(edit: Edit) -> None:
    """Zeros at the end of a list that grows; elements are taken from the end of one that shrinks."""
    handle, size = edit.node.inputs
    dtype = _dtype_behind(edit, handle)

    def is_longer(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        return [inside.binary("Greater", tensors[0], tensors[2])]

    def pop(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        shorter = inside.add("TensorListPopBack", (tensors[1],), element_dtype=dtype)
        return [inside.binary("Sub", tensors[0], inside.const(1)), shorter]

    longer = _grown(edit, dtype, handle, size)
    length = edit.add("TensorListLength", (longer,))
    edit.become_identity(edit.loop([length, longer], [size], is_longer, pop)[1])


@rule("TensorListPopBack", makes="TensorListPopBack, any shape", misfit="input")
def pop_back(edit: Edit) -> None:
    """The shape of the element is what it is."""
    edit.become("TensorListPopBack", edit.node.inputs[:1], element_dtype=DType(edit.node.type_attr("element_dtype")))


def _grown(edit: Edit, dtype: DType, handle: Tensor, size: Tensor) -> Tensor:
    """A list with zeros at its end, where it has less than so many elements."""
    length = edit.add("TensorListLength", (handle,))
    if edit.target.has("TensorListResize"):
        return edit.add("TensorListResize", (handle, edit.binary("Maximum", length, size)))
    more = edit.binary("Maximum", edit.binary("Sub", size, length), edit.const(0))
    return edit.add("TensorListConcatLists", (handle, _zeros(edit, dtype, more)), element_dtype=dtype)


def _dtype_behind(edit: Edit, handle: Tensor) -> DType:
    """The dtype of a list's elements, which a node that made it tells."""
    tensor = handle
    for _ in range(_MAX_STEPS):
        dtype = tensor.node.type_attr("element_dtype")
        if dtype:
            return DType(dtype)
        if not tensor.node.inputs:
            break
        tensor = tensor.node.inputs[0]
    return edit.refuse("the dtype of the list's elements is not known")


# --- what reads a list


@rule("TensorListGetItem", makes="TensorListGetItem, any shape", misfit="input")
def get_item(edit: Edit) -> None:
    """The shape of the element is what it is, but for elements that nobody has set."""
    handle, index, given = edit.node.inputs
    dtype = DType(edit.node.type_attr("element_dtype"))
    known, noted = _given_shape(edit, given), edit.shape(edit.node.out())
    shape = noted if known is None else known
    if shape == () or _holds_rows(handle):
        edit.become("TensorListGetItem", (handle, index), element_dtype=dtype)
        return
    sizes = _sizes(edit, shape)
    if sizes is None:
        count = edit.add("TensorListLength", (handle,))
        sizes = _sizes_of_those_set(edit, dtype, handle, edit.range_of(count), count)
    item = edit.add("TensorListGetItem", (handle, index), element_dtype=dtype)
    edit.become_identity(_shaped(edit, item, shape, sizes))


def _holds_rows(handle: Tensor) -> bool:
    """Whether a list is certainly one of a tensor's rows, of which each was set: those of most loops are."""
    node = handle.node
    for _ in range(_MAX_STEPS):
        if node.op == "TensorListFromTensor":
            return not any(each.node.op == "Fill" for each in node.inputs[0].node.inputs)  # as `_zeros` has it
        if node.op not in _HAND_ON:
            break
        node = node.inputs[0].node
    return False


@rule("TensorListGetItem", makes="TensorListGetItem, the shape as int32", misfit="attribute")
def get_item_of_shape(edit: Edit) -> None:
    """Older ones know no other dtype for the element's shape."""
    handle, index, shape = edit.node.inputs
    dtype = DType(edit.node.type_attr("element_dtype"))
    edit.become("TensorListGetItem", (handle, index, edit.cast(shape, DType.INT32)), element_dtype=dtype)


@rule("TensorListStack", makes="TensorArrayGatherV3", misfit="input")
def stack(edit: Edit) -> None:
    """All elements, as rows."""
    handle = edit.input(0)
    count = edit.add("TensorListLength", (handle,))
    _become_rows(edit, handle, edit.range_of(count), count)


@rule("TensorListGather", makes="TensorArrayGatherV3", misfit="input")
def gather(edit: Edit) -> None:
    """Some elements, as rows."""
    handle, indices, _ = edit.node.inputs
    _become_rows(edit, handle, indices, edit.reshape(edit.shape_tensor(indices), []))


@rule("TensorListConcatV2", "TensorListConcat", makes="TensorArrayConcatV3")
def concat(edit: Edit) -> None:
    """All elements one after the other, and the length of each."""
    handle, dtype = edit.input(0), _dtype(edit)
    count = edit.add("TensorListLength", (handle,))
    shape = _given_shape(edit, edit.input(1)) if edit.node.op == "TensorListConcatV2" else None
    array, flow = _array(edit, dtype, handle, edit.range_of(count), count, shape, _sizes(edit, shape))
    result = edit.shape(edit.node.out())
    rest = attributes.shape_value(None if result is None else result[1:])
    edit.become("TensorArrayConcatV3", (array, flow), dtype=dtype, element_shape_except0=rest)


def _become_rows(edit: Edit, handle: Tensor, indices: Tensor, count: Tensor) -> None:
    dtype = _dtype(edit)
    shape = _element_shape(edit)
    sizes = _sizes(edit, shape)
    if sizes is None and shape != ():
        sizes = _sizes_of_those_set(edit, dtype, handle, indices, count)
    array, flow = _array(edit, dtype, handle, indices, count, shape, sizes)
    known = attributes.shape_value(shape)
    edit.become("TensorArrayGatherV3", (array, edit.range_of(count), flow), dtype=dtype, element_shape=known)


def _element_shape(edit: Edit) -> Shape | None:
    """What is known of the shape of the elements that a node makes rows of."""
    given = _given_shape(edit, edit.node.inputs[-1])
    shape = edit.shape(edit.node.out())
    return given if given is not None or shape is None else shape[1:]


def _given_shape(edit: Edit, tensor: Tensor) -> Shape | None:
    given = edit.value(tensor)
    if given is None or given.ndim == 0:
        return None
    return tuple(None if size < 0 else size for size in given.tolist())


def _sizes(edit: Edit, shape: Shape | None) -> Tensor | None:
    """A shape as a tensor; ``None`` if it is not known in full, or that of a scalar."""
    return edit.const(shape) if shape and None not in shape else None


def _sizes_of_those_set(edit: Edit, dtype: DType, handle: Tensor, indices: Tensor, count: Tensor) -> Tensor:
    """The shape of the first of some elements that is no scalar, mostly the very first; of scalars if all are."""

    def goes_on(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        index, sizes, count, *_ = tensors
        is_scalar = inside.binary("Equal", inside.size(sizes), inside.const(0))
        return [inside.add("LogicalAnd", (inside.binary("Less", index, count), is_scalar))]

    def look(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        index, _, _, handle, indices = tensors
        item = inside.add("TensorListGetItem", (handle, inside.gather(indices, index)), element_dtype=dtype)
        return [inside.binary("Add", index, inside.const(1)), inside.shape_tensor(item)]

    scalar = edit.const(np.zeros(0))
    return edit.loop([edit.const(0), scalar], [count, handle, indices], goes_on, look)[1]


def _shaped(edit: Edit, item: Tensor, shape: Shape | None, sizes: Tensor) -> Tensor:
    """An element, repeated if it is a single zero that stands for one of a shape: what is known of it, and all."""
    own = edit.shape_tensor(item)
    # All of it for a scalar, nothing for others: these are not to be broadcast.
    rest = (sizes, edit.shape_tensor(own), edit.const([-1]))
    lacking = edit.add("Slice", rest, T=DType.INT32, Index=DType.INT32)
    return edit.note(edit.broadcast_to(item, edit.concat([own, lacking])), shape)


def _array(
    edit: Edit, dtype: DType, handle: Tensor, indices: Tensor, count: Tensor, shape: Shape | None, sizes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """A ``TensorArray`` of so many elements of a list, and what it hangs on.

    Elements that nobody set may be a single zero: where the shape of the others is given they get it. It is given as
    a tensor, and what is known of it beforehand.
    """

    def put(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        index, flow, _, handle, array, indices, *of_others = tensors
        at = inside.gather(indices, index)
        item = inside.add("TensorListGetItem", (handle, at), element_dtype=dtype)
        for wanted in of_others:
            item = _shaped(inside, item, shape, wanted)
        written = inside.add("TensorArrayWriteV3", (array, index, item, flow), T=dtype)
        return [inside.binary("Add", index, inside.const(1)), written]

    array = edit.add("TensorArrayV3", (count,), dtype=dtype)
    first = [edit.const(0), array.node.out(1)]
    constant = [count, handle, array, indices, *([] if sizes is None else [sizes])]
    return array, edit.loop(first, constant, _is_left, put)[1]
