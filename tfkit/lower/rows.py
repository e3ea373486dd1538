"""What rules about rows of several lengths have in common: row splits, row numbers, positions."""

from __future__ import annotations

from dataclasses import dataclass

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit


@dataclass(frozen=True, slots=True)
class Rows:
    """Values in rows: vectors and a scalar, all of one dtype.

    Attributes:
        starts: For each row, where it begins among the values.
        lengths: For each row, how many values it has.
        rows: For each value, the row that it is in.
        count: How many values there are.
    """

    starts: Tensor
    lengths: Tensor
    rows: Tensor
    count: Tensor

    def within(self, edit: Edit) -> Tensor:
        """For each value, where in its row it is."""
        return edit.binary("Sub", edit.range_of(self.count), edit.gather(self.starts, self.rows))


def rows_of_splits(edit: Edit, splits: Tensor) -> Rows:
    """The rows that begin and end where a vector of row splits says."""
    starts, ends = edit.part(splits, None, -1), edit.part(splits, 1, None)
    count = edit.reshape(edit.part(splits, -1, None), ())
    return Rows(starts, edit.binary("Sub", ends, starts), row_numbers(edit, splits, count), count)


def rows_of_numbers(edit: Edit, numbers: Tensor, row_count: Tensor) -> Rows:
    """The rows of values whose row numbers are given, in order."""
    dtype = edit.dtype(numbers)
    ones = edit.add("OnesLike", (numbers,), T=dtype)
    lengths = segment_sum(edit, ones, numbers, row_count)
    return Rows(before(edit, lengths), lengths, numbers, edit.size(numbers, dtype))


def rows_of_lengths(edit: Edit, lengths: Tensor) -> Rows:
    """Rows of these lengths, one after the other."""
    return rows_of_splits(edit, splits_of(edit, lengths))


def splits_of(edit: Edit, lengths: Tensor) -> Tensor:
    """The row splits of rows of these lengths."""
    zero = edit.const([0], edit.dtype(lengths))
    return edit.concat([zero, _cumsum(edit, lengths, exclusive=False)])


def row_numbers(edit: Edit, splits: Tensor, count: Tensor) -> Tensor:
    """For each of so many values, the row that it is in: as many rows as end at it or before."""
    dtype = edit.dtype(splits)
    ends, values = edit.part(splits, 1, None), edit.range_of(count)
    sorted_ends, wanted = edit.expand_dims(ends, 0), edit.expand_dims(values, 0)
    return edit.reshape(edit.add("UpperBound", (sorted_ends, wanted), T=dtype, out_type=dtype), (-1,))


def before(edit: Edit, lengths: Tensor) -> Tensor:
    """For each length, the sum of those before it."""
    return _cumsum(edit, lengths, exclusive=True)


def longest(edit: Edit, lengths: Tensor) -> Tensor:
    """The largest of some lengths, as a scalar; 0 if there are none."""
    return edit.binary("Maximum", edit.reduce("Max", lengths, (0,)), edit.const(0, edit.dtype(lengths)))


def segment_sum(edit: Edit, values: Tensor, segments: Tensor, count: Tensor) -> Tensor:
    """Of each segment the sum; values whose segment is negative are left out."""
    return edit.add(
        "UnsortedSegmentSum",
        (values, segments, count),
        T=edit.dtype(values),
        Tindices=edit.dtype(segments),
        Tnumsegments=edit.dtype(count),
    )


def place(edit: Edit, values: Tensor, places: Tensor, shape: Tensor, default: Tensor) -> Tensor:
    """A tensor with slices at places of its own, and a default slice everywhere else.

    Args:
        edit: The edit.
        values: The slices, one a row.
        places: Where each goes, counted through the leading axes; a negative one is left out. No two are the same.
        shape: The sizes of the leading axes, of the dtype of ``places``.
        default: The default slice, as a single row.
    """
    dtype = edit.dtype(places)
    one = edit.const(1, dtype)
    numbers = edit.binary("Add", edit.range_of(edit.size(places, dtype)), one)
    found = segment_sum(edit, numbers, places, edit.reduce("Prod", shape, (0,)))
    slices = edit.gather(edit.concat([default, values]), found)
    inner = edit.part(edit.shape_tensor(values, dtype), 1, None)
    return edit.reshape(slices, edit.concat([shape, inner]))


def sorting(edit: Edit, keys: Tensor) -> Tensor:
    """The order that sorts a vector of numbers, the first of equal ones first."""
    dtype = edit.dtype(keys)
    negative = edit.add("Neg", (keys,), T=dtype)
    # Of equal numbers TopK takes the first.
    return edit.add("TopKV2", (negative, edit.size(keys)), T=dtype, sorted=True).node.out(1)


def _cumsum(edit: Edit, values: Tensor, *, exclusive: bool) -> Tensor:
    dtype = edit.dtype(values)
    return edit.add("Cumsum", (values, edit.const(0)), T=dtype, exclusive=exclusive, reverse=False)
