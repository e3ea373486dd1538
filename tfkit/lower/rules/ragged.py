"""Ragged tensors, which TensorFlow 1.12 hardly knows and 1.14 cannot pad."""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rows import Rows, longest, place, rows_of_lengths, rows_of_numbers, rows_of_splits, splits_of
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("RaggedTensorToTensor", makes="UnsortedSegmentSum and GatherV2")
def ragged_to_dense(edit: Edit) -> None:
    """Computes where in the dense tensor each value goes."""
    shape, values, default, *partitions = edit.node.inputs
    outermost, levels = _levels(edit, partitions)
    dtype = edit.dtype(outermost)
    sizes = edit.pack([outermost, *(longest(edit, level.lengths) for level in levels)])
    if edit.rank(shape, "the shape that was asked for"):
        asked = edit.part(edit.cast(shape, dtype), None, len(levels) + 1)
        sizes = edit.select(edit.binary("Less", asked, edit.const(0, dtype)), sizes, asked)
    size = [edit.reshape(edit.gather(sizes, [at]), ()) for at in range(len(levels) + 1)]
    at = edit.range_of(outermost)
    inside = edit.binary("Less", at, size[0])
    for level, level_size in zip(levels, size[1:], strict=True):
        within = level.within(edit)
        at = edit.binary("Add", edit.binary("Mul", edit.gather(at, level.rows), level_size), within)
        fits = edit.binary("Less", within, level_size)
        inside = edit.add("LogicalAnd", (edit.gather(inside, level.rows), fits))
    at = edit.select(inside, at, edit.const(-1, dtype))
    edit.become_identity(place(edit, values, at, sizes, _default_row(edit, values, default)))


def _levels(edit: Edit, partitions: Sequence[Tensor]) -> tuple[Tensor, list[Rows]]:
    """How many rows there are, and each ragged axis."""
    kinds = [each.decode() for each in edit.node.attrs["row_partition_types"].list.s]
    levels: list[Rows] = []
    row_count: Tensor | None = None
    outermost: Tensor | None = None
    for kind, partition in zip(kinds, partitions, strict=True):
        if kind == "FIRST_DIM_SIZE":
            outermost = row_count = edit.reshape(partition, ())
        elif kind == "ROW_SPLITS":
            levels.append(rows_of_splits(edit, partition))
        elif kind == "VALUE_ROWIDS" and row_count is not None:
            levels.append(rows_of_numbers(edit, partition, row_count))
        else:
            edit.refuse(f"its rows are told apart by {kind}")
        if levels:
            row_count = levels[-1].count
    return outermost or edit.size(levels[0].starts, edit.dtype(partitions[0])), levels


def _default_row(edit: Edit, values: Tensor, default: Tensor) -> Tensor:
    """The default value as one slice of the values."""
    if edit.shape(default) == () and edit.shape(values) is not None and len(edit.shape(values) or ()) == 1:
        return edit.reshape(default, (1,))
    inner = edit.part(edit.shape_tensor(values), 1, None)
    return edit.broadcast_to(default, edit.concat([edit.const([1]), inner]))


@rule("RaggedTensorToSparse", makes="row numbers and positions")
def ragged_to_sparse(edit: Edit) -> None:
    """Puts together each value's row and position, and inner axes' as well."""
    *nested_splits, values = edit.node.inputs
    inner = edit.rank(values, "the values") - 1
    levels = [rows_of_splits(edit, edit.cast(splits, DType.INT64)) for splits in nested_splits]
    row_count = edit.size(levels[0].starts, DType.INT64)
    sizes = edit.pack([row_count, *(longest(edit, level.lengths) for level in levels)])
    found = [edit.range_of(row_count)]
    for level in levels:
        found = [*(edit.gather(each, level.rows) for each in found), level.within(edit)]
    if inner:
        inner_sizes = edit.part(edit.shape_tensor(values, DType.INT64), 1, None)
        found = _with_inner(edit, found, inner_sizes, inner)
        sizes = edit.concat([sizes, inner_sizes])
        values = edit.reshape(values, (-1,))
    edit.become_each([edit.pack(found, axis=1), values, sizes])


def _with_inner(edit: Edit, found: Sequence[Tensor], sizes: Tensor, count: int) -> list[Tensor]:
    """The coordinates of slices' elements, from those of the slices."""
    each = edit.reduce("Prod", sizes, (0,))
    elements = edit.range_of(edit.binary("Mul", edit.size(found[0], DType.INT64), each))
    some = edit.binary("Maximum", each, edit.const(1, DType.INT64))
    outer = [edit.gather(axis, edit.binary("FloorDiv", elements, some)) for axis in found]
    inner: list[Tensor] = []
    rest = elements
    for at in reversed(range(count)):
        size = edit.reshape(edit.gather(sizes, [at]), ())
        inner.insert(0, edit.binary("FloorMod", rest, size))
        rest = edit.binary("FloorDiv", rest, size)
    return [*outer, *inner]


@rule("RaggedRange", makes="row numbers and positions")
def ragged_range(edit: Edit) -> None:
    """Numbers the elements of each row.

    Floats are `start + number * delta` here, while TensorFlow adds `delta` again and again.
    """
    dtype = edit.dtype(edit.input(0))
    splits_dtype = DType(edit.node.type_attr("Tsplits") or DType.INT64)
    inputs = [edit.reshape(each, (-1,)) for each in edit.node.inputs]
    count = edit.size(inputs[0])
    for each in inputs[1:]:  # those that are scalars stand for all rows
        count = edit.binary("Maximum", count, edit.size(each))
    none = edit.binary("Minimum", edit.size(inputs[0]), edit.binary("Minimum", *map(edit.size, inputs[1:])))
    count = edit.binary("Mul", count, edit.binary("Minimum", none, edit.const(1)))
    starts, limits, deltas = (edit.broadcast_to(each, edit.expand_dims(count, 0)) for each in inputs)
    lengths = edit.cast(_range_lengths(edit, starts, limits, deltas), splits_dtype)
    rows = rows_of_lengths(edit, edit.binary("Maximum", lengths, edit.const(0, splits_dtype)))
    steps = edit.binary("Mul", edit.cast(rows.within(edit), dtype), edit.gather(deltas, rows.rows))
    values = edit.binary("Add", edit.gather(starts, rows.rows), steps)
    edit.become_each([splits_of(edit, rows.lengths), values])


def _range_lengths(edit: Edit, starts: Tensor, limits: Tensor, deltas: Tensor) -> Tensor:
    """How many numbers there are from each start to its limit; negative where the limit lies behind the start."""
    dtype = edit.dtype(starts)
    way = edit.binary("Sub", limits, starts)
    if dtype in (DType.FLOAT, DType.DOUBLE):
        return edit.add("Ceil", (edit.binary("RealDiv", way, deltas),), T=dtype)
    # Rounded up: -floor(-way / delta).
    back = edit.binary("FloorDiv", edit.add("Neg", (way,), T=dtype), deltas)
    return edit.add("Neg", (back,), T=dtype)


@rule("RaggedGather", makes="GatherV2 of rows, level by level")
def ragged_gather(edit: Edit) -> None:
    """Takes rows, then what they hold, until it comes to the values."""
    *nested_splits, values, indices = edit.node.inputs
    dtype = edit.dtype(nested_splits[0])
    rank = edit.rank(indices, "the indices")
    sizes = edit.shape_tensor(indices, dtype)
    results = [_even_splits(edit, sizes, axis) for axis in range(1, rank)]
    which = edit.cast(edit.reshape(indices, (-1,)), dtype)
    for splits in nested_splits:
        starts = edit.gather(edit.part(splits, None, -1), which)
        ends = edit.gather(edit.part(splits, 1, None), which)
        rows = rows_of_lengths(edit, edit.binary("Sub", ends, starts))
        results.append(splits_of(edit, rows.lengths))
        which = edit.binary("Add", edit.gather(starts, rows.rows), rows.within(edit))
    edit.become_each([*results, edit.gather(values, which)])


def _even_splits(edit: Edit, sizes: Tensor, axis: int) -> Tensor:
    """The row splits of a dense tensor along one of its axes."""
    size = edit.reshape(edit.gather(sizes, [axis]), ())
    row_count = edit.reduce("Prod", edit.part(sizes, None, axis), (0,))
    numbers = edit.range_of(edit.binary("Add", row_count, edit.const(1, edit.dtype(sizes))))
    return edit.binary("Mul", numbers, size)


@rule("RaggedFillEmptyRows", makes="row numbers and positions")
def fill_empty_rows(edit: Edit) -> None:
    """Gives every empty row the default value."""
    numbers, values, row_count, default = edit.node.inputs
    one, zero = edit.const(1, DType.INT64), edit.const(0, DType.INT64)
    rows = rows_of_numbers(edit, numbers, row_count)
    lengths = edit.binary("Maximum", rows.lengths, one)
    filled = rows_of_lengths(edit, lengths)
    empty = edit.binary("Equal", rows.lengths, zero)
    # Values keep their order: each moves on by as many places as there are empty rows before its own.
    at = edit.binary("Add", edit.gather(filled.starts, numbers), rows.within(edit))
    size = edit.expand_dims(filled.count, 0)
    result = place(edit, values, at, size, edit.reshape(default, (1,)))
    edit.become_each([filled.rows, result, empty, at])
