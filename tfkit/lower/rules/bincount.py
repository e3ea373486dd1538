"""Counting how often numbers occur, as `tf.math.bincount` and Keras's preprocessing layers do."""

from __future__ import annotations

from dataclasses import dataclass

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rows import row_numbers, segment_sum, sorting
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@dataclass(frozen=True, slots=True)
class _Counted:
    """What is counted: values in rows, their dtype that of everything but the weights.

    Attributes:
        values: The values, a vector.
        rows: The row of each, or a scalar for all.
        outer: The sizes of the axes that the rows stand for: none for a single row.
    """

    values: Tensor
    rows: Tensor
    outer: Tensor


@rule("DenseBincount", makes="UnsortedSegmentSum")
def dense_bincount(edit: Edit) -> None:
    """Counts along the last axis."""
    values, size, weights = edit.node.inputs
    _count(edit, _dense(edit, values), size, weights)


@rule("RaggedBincount", makes="UnsortedSegmentSum")
def ragged_bincount(edit: Edit) -> None:
    """Counts in each row of a ragged tensor."""
    splits, values, size, weights = edit.node.inputs
    _count(edit, _ragged(edit, splits, values), size, weights)


@rule("SparseBincount", makes="UnsortedSegmentSum")
def sparse_bincount(edit: Edit) -> None:
    """Counts in each row of a sparse matrix, or in a sparse vector."""
    indices, values, dense_shape, size, weights = edit.node.inputs
    _count(edit, _sparse(edit, indices, values, dense_shape), size, weights)


@rule("DenseCountSparseOutput", makes="TopK, Unique and UnsortedSegmentSum")
def dense_count(edit: Edit) -> None:
    """As above; only what occurs is given."""
    values, weights = edit.node.inputs
    _count_sparse(edit, _dense(edit, values), weights, is_vector=edit.rank(values, "what is counted") < 2)


@rule("RaggedCountSparseOutput", makes="TopK, Unique and UnsortedSegmentSum")
def ragged_count(edit: Edit) -> None:
    """As above; only what occurs is given."""
    splits, values, weights = edit.node.inputs
    _count_sparse(edit, _ragged(edit, splits, values), weights, is_vector=False)


@rule("SparseCountSparseOutput", makes="TopK, Unique and UnsortedSegmentSum")
def sparse_count(edit: Edit) -> None:
    """As above; only what occurs is given."""
    indices, values, dense_shape, weights = edit.node.inputs
    counted = _sparse(edit, indices, values, dense_shape)
    _count_sparse(edit, counted, weights, is_vector=_sparse_rank(edit, indices, dense_shape) < 2)


def _dense(edit: Edit, values: Tensor) -> _Counted:
    dtype = edit.dtype(values)
    shape, one = edit.shape_tensor(values, dtype), edit.const(1, dtype)
    length = edit.binary("Maximum", edit.reduce("Prod", edit.part(shape, -1, None), (0,)), one)
    numbers = edit.range_of(edit.size(values, dtype))
    return _Counted(edit.reshape(values, (-1,)), edit.binary("FloorDiv", numbers, length), edit.part(shape, None, -1))


def _ragged(edit: Edit, splits: Tensor, values: Tensor) -> _Counted:
    dtype = edit.dtype(values)
    rows = edit.cast(row_numbers(edit, splits, edit.size(values, edit.dtype(splits))), dtype)
    row_count = edit.binary("Sub", edit.shape_tensor(splits, dtype), edit.const([1], dtype))
    return _Counted(values, rows, row_count)


def _sparse(edit: Edit, indices: Tensor, values: Tensor, dense_shape: Tensor) -> _Counted:
    dtype = edit.dtype(values)
    rank = _sparse_rank(edit, indices, dense_shape)
    rows = edit.const(0, dtype) if rank == 1 else edit.cast(edit.gather(indices, 0, axis=1), dtype)
    return _Counted(values, rows, edit.cast(edit.part(dense_shape, None, -1), dtype))


def _sparse_rank(edit: Edit, indices: Tensor, dense_shape: Tensor) -> int:
    of_shape, of_indices = edit.shape(dense_shape), edit.shape(indices)
    rank = of_shape[0] if of_shape else None
    if rank is None and of_indices is not None:
        rank = of_indices[1]
    if rank not in (1, 2):
        edit.refuse(f"the sparse tensor that is counted is of {'unknown ' if rank is None else ''}rank {rank or ''}")
    return rank


def _weights(edit: Edit, weights: Tensor, dtype: DType) -> Tensor:
    """A weight for each value, where none may have been given: what is empty stands for ones."""
    value_count = edit.size(edit.input(_VALUES[edit.node.op]), dtype)
    missing = edit.binary("Sub", value_count, edit.size(weights, dtype))
    one = edit.const(1, edit.dtype(weights))
    ones = edit.add("Fill", (edit.reshape(missing, (1,)), one), T=edit.dtype(weights), index_type=dtype)
    shape = edit.shape(weights)
    return ones if shape is not None and 0 in shape else edit.concat([edit.reshape(weights, (-1,)), ones])


_VALUES = {
    "DenseBincount": 0, "RaggedBincount": 1, "SparseBincount": 1,
    "DenseCountSparseOutput": 0, "RaggedCountSparseOutput": 1, "SparseCountSparseOutput": 1,
}  # fmt: skip


def _ones(edit: Edit, values: Tensor, dtype: DType) -> Tensor:
    return edit.add("OnesLike", (edit.cast(values, dtype),), T=dtype)


def _count(edit: Edit, counted: _Counted, size: Tensor, weights: Tensor) -> None:
    """Adds up the weights in a table of a row for each row and a column for each number below ``size``."""
    dtype, out = edit.dtype(counted.values), edit.dtype(weights)
    binary = edit.node.bool_attr("binary_output")
    size = edit.reshape(size, ())
    cells = edit.binary("Mul", edit.reduce("Prod", counted.outer, (0,)), size)
    cell = edit.binary("Add", edit.binary("Mul", counted.rows, size), counted.values)
    # Numbers that are too large are not counted. A negative one is an error: no cell has that number.
    cell = edit.select(edit.binary("Less", counted.values, size), cell, edit.const(-1, dtype))
    cell = edit.select(edit.binary("Less", counted.values, edit.const(0, dtype)), cells, cell)
    added = _ones(edit, counted.values, out) if binary else _weights(edit, weights, dtype)
    table = segment_sum(edit, added, cell, cells)
    if binary:
        table = edit.binary("Minimum", table, edit.const(1, out))
    shape = edit.concat([counted.outer, edit.expand_dims(size, 0)])
    edit.become("Reshape", (table, shape), T=out, Tshape=dtype)


def _count_sparse(edit: Edit, counted: _Counted, weights: Tensor, *, is_vector: bool) -> None:
    """Sorts what is counted by row and value, and adds up what is the same."""
    most, least = edit.node.int_attr("maxlength", -1), edit.node.int_attr("minlength", -1)
    out, dtype = edit.dtype(edit.node.out(1)), edit.dtype(counted.values)
    binary = edit.node.bool_attr("binary_output")
    values = edit.cast(counted.values, DType.INT64)
    rows = edit.binary("Add", edit.cast(counted.rows, DType.INT64), edit.add("ZerosLike", (values,), T=DType.INT64))
    added = _ones(edit, values, out) if binary else edit.cast(_weights(edit, weights, dtype), out)
    if most > 0:
        fits = edit.binary("Less", values, edit.const(most, DType.INT64))
        kept = edit.reshape(edit.add("Where", (fits,), T=DType.BOOL), (-1,))
        values, rows, added = (edit.gather(each, kept) for each in (values, rows, added))
        width = edit.const(most, DType.INT64)
    else:
        largest = edit.reduce("Max", edit.concat([values, edit.const([0], DType.INT64)]), (0,))
        needed = edit.binary("Add", largest, edit.const(1, DType.INT64))
        width = edit.binary("Maximum", needed, edit.const(max(least, 0), DType.INT64))
    keys = edit.binary("Add", edit.binary("Mul", rows, width), values)
    order = sorting(edit, keys)
    unique = edit.add("Unique", (edit.gather(keys, order),), T=DType.INT64, out_idx=DType.INT32)
    sums = segment_sum(edit, edit.gather(added, order), unique.node.out(1), edit.size(unique))
    if binary:
        sums = edit.binary("Minimum", sums, edit.const(1, out))
    column = edit.binary("FloorMod", unique, width)
    wide = edit.expand_dims(width, 0)
    if is_vector:
        edit.become_each([edit.expand_dims(column, 1), sums, wide])
    else:
        indices = edit.pack([edit.binary("FloorDiv", unique, width), column], axis=1)
        edit.become_each([indices, sums, edit.concat([edit.cast(counted.outer, DType.INT64), wide])])
