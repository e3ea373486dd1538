"""Products of matrices of int64, which TensorFlow 1.12 has none of."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_BITS = 64
# How many bits of a number each digit has, and the longest sum of products of them that is exact in doubles.
_SHORT, _LONG = (16, 2**19), (11, 2**28)
_TURNED = {
    "MatMul": ("transpose_a", "transpose_b"),
    "BatchMatMul": ("adj_x", "adj_y"),
    "BatchMatMulV2": ("adj_x", "adj_y"),
}


def _has_no_kernel(edit: Edit) -> bool:
    op = edit.node.op
    is_whole = edit.dtype(edit.input(0)) is DType.INT64
    return is_whole and edit.target.has(op) and not edit.target.has_kernel(op, {"T": DType.INT64})


@rule(*_TURNED, makes="products of digits in doubles, which are exact", wanted=_has_no_kernel)
def product(edit: Edit) -> None:
    """Multiplies digit by digit, as on paper; what lies beyond 64 bits is lost, as it is in int64.

    Sums are exact for rows of up to 2^28 numbers. Costs ten products of doubles, or 21 where rows may be long.
    """
    x, y = edit.node.inputs
    is_turned = [edit.node.bool_attr(name) for name in _TURNED[edit.node.op]]
    x_axis, y_axis = -2 if is_turned[0] else -1, -1 if is_turned[1] else -2
    bits = _digit_bits(edit, ((x, x_axis), (y, y_axis)))
    of_x, of_y = _digits(edit, x, bits), _digits(edit, y, bits)
    total: Tensor | None = None
    for place in range(len(of_x)):
        # All pairs of digits that count alike, summed in one product.
        left = edit.concat(of_x[: place + 1], axis=x_axis)
        right = edit.concat(of_y[place::-1], axis=y_axis)
        attrs = dict(zip(_TURNED[edit.node.op], is_turned, strict=True))
        summed = edit.add(edit.node.op, (left, right), T=DType.DOUBLE, **attrs)
        worth = edit.const(2 ** (bits * place), DType.INT64)
        part = edit.binary("Mul", edit.cast(summed, DType.INT64), worth)
        total = part if total is None else edit.binary("Add", total, part)
    if total is not None:
        edit.become_identity(total)


def _digit_bits(edit: Edit, operands: tuple[tuple[Tensor, int], ...]) -> int:
    """How many bits digits can have: few if rows are long, or nobody knows how long."""
    sizes = [shape[axis] for tensor, axis in operands if (shape := edit.shape(tensor))]
    length = next((size for size in sizes if size is not None), None)
    for bits, longest in (_SHORT, _LONG):
        if length is not None and length <= longest:
            return bits
    if length is not None:
        edit.refuse(f"its rows are of {length} numbers, whose products cannot be summed exactly in doubles")
    return _LONG[0]


def _digits(edit: Edit, numbers: Tensor, bits: int) -> list[Tensor]:
    """The digits of numbers in two's complement, the least first, as doubles."""
    mask = edit.const(2**bits - 1, DType.INT64)
    digits = []
    for shift in range(0, _BITS, bits):
        moved = edit.binary("RightShift", numbers, edit.const(shift, DType.INT64)) if shift else numbers
        digits.append(edit.cast(edit.binary("BitwiseAnd", moved, mask), DType.DOUBLE))
    return digits
