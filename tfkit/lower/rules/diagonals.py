"""Matrices' diagonals, of which old TensorFlows know the main one alone."""

from __future__ import annotations

from dataclasses import dataclass

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_ALIGN = {"V2": "LEFT_LEFT", "V3": "RIGHT_LEFT"}  # V2 knows no other


@dataclass(frozen=True, slots=True)
class _Band:
    """Diagonals beside each other: 0 is the main one, 1 the one above it.

    Attributes:
        low: The lowest.
        high: The highest.
        align: Where shorter ones stand among longer: that of those above the main one, of those below.
        flat: Whether they are one, given without an axis that counts them.
    """

    low: int
    high: int
    align: str
    flat: bool

    @property
    def count(self) -> int:
        """How many they are."""
        return self.high - self.low + 1

    @property
    def is_main(self) -> bool:
        """Whether it is the main one alone, as old TensorFlows have it."""
        return self.low == self.high == 0 and self.flat


def _band(edit: Edit, diagonals: Tensor) -> _Band:
    numbers = edit.constant(diagonals, "which diagonals it is about").reshape(-1)
    low, high = int(numbers[0]), int(numbers[-1])
    align = edit.node.text_attr("align", _ALIGN[edit.node.op[-2:]])
    return _Band(low, high, align, flat=low == high)


@rule("MatrixDiagPartV2", "MatrixDiagPartV3", makes="MatrixDiagPart, or GatherV2 where it is not the main diagonal")
def diagonal_part(edit: Edit) -> None:
    """Reads the elements of each diagonal by their numbers."""
    matrix, diagonals, padding = edit.node.inputs
    band, dtype = _band(edit, diagonals), edit.dtype(matrix)
    if band.is_main:
        edit.become("MatrixDiagPart", (matrix,), T=dtype)
        return
    height, width = _size(edit, matrix, -2), _size(edit, matrix, -1)
    longest = _longest(edit, band, height, width)
    number = edit.expand_dims(edit.add("Range", _numbers(edit, band.high, band.low - 1, -1), Tidx=DType.INT32), 1)
    lengths = _length(edit, number, height, width)
    at = edit.binary("Sub", edit.expand_dims(edit.range_of(longest), 0), _offset(edit, band, number, lengths, longest))
    row = edit.binary("Sub", at, _below(edit, number))
    column = edit.binary("Add", at, _above(edit, number))
    inside = edit.add("LogicalAnd", (_not_negative(edit, at), edit.binary("Less", at, lengths)))
    place = edit.binary("Add", edit.binary("Mul", row, width), column)
    place = edit.binary("Mul", place, edit.cast(inside, DType.INT32))
    found = edit.gather(_flattened(edit, matrix, 2), place, axis=edit.rank(matrix, "the matrix") - 2)
    result = edit.select(inside, found, padding)
    if band.flat:
        edit.become("Squeeze", (result,), T=dtype, squeeze_dims=[-2])
    else:
        edit.become_identity(result)


@rule("MatrixDiagV2", "MatrixDiagV3", makes="MatrixDiag, or GatherV2 where it is not the main diagonal alone")
def matrix_of_diagonal(edit: Edit) -> None:
    """Reads, for each element of the matrix, the diagonal that it is on."""
    diagonal, diagonals, rows, columns, padding = edit.node.inputs
    band = _band(edit, diagonals)
    values = [edit.value(each) for each in (rows, columns, padding)]
    if band.is_main and all(value is not None for value in values):
        row_count, column_count, pad = (value.reshape(-1)[0] for value in values if value is not None)
        if row_count == column_count == -1 and not pad:
            edit.become("MatrixDiag", (diagonal,), T=edit.dtype(diagonal))
            return
    least_rows = edit.binary("Sub", _size(edit, diagonal, -1), edit.const(min(band.high, 0)))
    least_columns = edit.binary("Add", _size(edit, diagonal, -1), edit.const(max(band.low, 0)))
    rows, columns = edit.reshape(rows, ()), edit.reshape(columns, ())
    neither = edit.add("LogicalAnd", (_is_open(edit, rows), _is_open(edit, columns)))
    square = edit.binary("Maximum", least_rows, least_columns)
    height = edit.select(_is_open(edit, rows), edit.select(neither, square, least_rows), rows)
    width = edit.select(_is_open(edit, columns), edit.select(neither, square, least_columns), columns)
    leading = edit.rank(diagonal, "the diagonal") - (1 if band.flat else 2)
    inside, found = _spread(edit, band, diagonal, leading, height, width)
    edit.become_identity(edit.select(inside, found, padding))


@rule("MatrixSetDiagV2", "MatrixSetDiagV3", makes="MatrixSetDiag, or GatherV2 where it is not the main diagonal")
def set_diagonal(edit: Edit) -> None:
    """Takes what is on the diagonals from these, everything else from the matrix."""
    matrix, diagonal, diagonals = edit.node.inputs
    band = _band(edit, diagonals)
    leading = edit.rank(matrix, "the matrix") - 2
    known = edit.shape(diagonal)
    if band.flat and (known is None or len(known) != leading + 1):  # one, perhaps with an axis that counts it
        outer = edit.part(edit.shape_tensor(matrix), None, -2)
        length = edit.part(edit.shape_tensor(diagonal), -1, None)
        diagonal = edit.reshape(diagonal, edit.concat([outer, length]))
    if band.is_main:
        edit.become("MatrixSetDiag", (matrix, diagonal), T=edit.dtype(matrix))
        return
    inside, found = _spread(edit, band, diagonal, leading, _size(edit, matrix, -2), _size(edit, matrix, -1))
    edit.become_identity(edit.select(inside, found, matrix))


def _spread(
    edit: Edit, band: _Band, diagonal: Tensor, leading: int, height: Tensor, width: Tensor
) -> tuple[Tensor, Tensor]:
    """Which elements of a matrix are on the diagonals, and matrices with the diagonals' elements there."""
    row, column = edit.expand_dims(edit.range_of(height), 1), edit.expand_dims(edit.range_of(width), 0)
    number = edit.binary("Sub", column, row)
    high, low = edit.const(band.high), edit.const(band.low)
    inside = edit.add("LogicalAnd", (edit.binary("LessEqual", number, high), edit.binary("GreaterEqual", number, low)))
    longest = _longest(edit, band, height, width)
    offset = _offset(edit, band, number, _length(edit, number, height, width), longest)
    at = edit.binary("Add", edit.binary("Minimum", row, column), offset)
    place = edit.binary("Add", edit.binary("Mul", edit.binary("Sub", high, number), longest), at)
    place = edit.binary("Mul", place, edit.cast(inside, DType.INT32))
    found = edit.gather(_flattened(edit, diagonal, 1 if band.flat else 2), place, axis=leading)
    return inside, found


def _numbers(edit: Edit, *numbers: int) -> list[Tensor]:
    return [edit.const(number) for number in numbers]


def _size(edit: Edit, tensor: Tensor, axis: int) -> Tensor:
    """One of a tensor's last sizes."""
    return edit.reshape(edit.part(edit.shape_tensor(tensor), axis, axis + 1 or None), ())


def _above(edit: Edit, number: Tensor) -> Tensor:
    """How many columns a diagonal begins to the right of the main one."""
    return edit.binary("Maximum", number, edit.const(0))


def _below(edit: Edit, number: Tensor) -> Tensor:
    """How many rows it begins below the main one, negative."""
    return edit.binary("Minimum", number, edit.const(0))


def _length(edit: Edit, number: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """How many elements a diagonal of a matrix has."""
    down = edit.binary("Add", height, _below(edit, number))
    across = edit.binary("Sub", width, _above(edit, number))
    return edit.binary("Minimum", down, across)


def _longest(edit: Edit, band: _Band, height: Tensor, width: Tensor) -> Tensor:
    """How many elements the longest of the diagonals has."""
    return _length(edit, edit.const(min(max(band.low, 0), band.high)), height, width)


def _offset(edit: Edit, band: _Band, number: Tensor, lengths: Tensor, longest: Tensor) -> Tensor:
    """How far to the right a diagonal stands among the longest."""
    above, below = band.align.split("_")
    free = edit.binary("Sub", longest, lengths)
    if above == below:
        return free if above == "RIGHT" else edit.add("ZerosLike", (free,), T=DType.INT32)
    # The main one, the longest there may be, counts as above.
    moved = edit.binary("GreaterEqual" if above == "RIGHT" else "Less", number, edit.const(0))
    return edit.binary("Mul", free, edit.cast(moved, DType.INT32))


def _flattened(edit: Edit, tensor: Tensor, count: int) -> Tensor:
    """A tensor with its last axes made one."""
    shape = edit.shape_tensor(tensor)
    last = edit.reduce("Prod", edit.part(shape, -count, None), (0,), keep_dims=True)
    return edit.reshape(tensor, edit.concat([edit.part(shape, None, -count), last]))


def _is_open(edit: Edit, size: Tensor) -> Tensor:
    """Whether a size is left to be found out."""
    return edit.binary("Less", size, edit.const(0))


def _not_negative(edit: Edit, number: Tensor) -> Tensor:
    return edit.binary("GreaterEqual", number, edit.const(0))
