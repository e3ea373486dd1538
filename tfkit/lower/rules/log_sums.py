"""Sums of numbers that are given by their logarithms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_RIGHT_FROM = (2, 3)  # 1.15 has the operation, but calls the sum of nothing -3.4e38, not minus infinity


def _is_old(edit: Edit) -> bool:
    return edit.target.version < _RIGHT_FROM


@rule("CumulativeLogsumexp", makes="a loop that doubles the distance it sums over", wanted=_is_old)
def running_log_sum(edit: Edit) -> None:
    """Adds the sum so far to each number: that over 2 numbers, over 4, over 8, ...

    As many turns as the length has binary digits. Sums are rounded in another order. As TensorFlow has it, two
    infinities are no number; a NaN makes all later sums NaN, where TensorFlow counts the sum before it twice.
    """
    numbers, axis = edit.node.inputs
    dtype = edit.dtype(numbers)
    rank = edit.rank(numbers, "the numbers")
    at = int(edit.constant(axis, "the axis").reshape(-1)[0]) % rank
    order = [at, *(each for each in range(rank) if each != at)]
    wide = DType.FLOAT if dtype in (DType.HALF, DType.BFLOAT16) else dtype
    values = edit.cast(edit.transpose(numbers, order), wide)
    is_reverse = edit.node.bool_attr("reverse")
    if is_reverse:
        values = _turned(edit, values)
    if edit.node.bool_attr("exclusive"):
        values = _moved(edit, values, edit.const([1]), rank)
    length = edit.part(edit.shape_tensor(values), 0, 1)
    sums = edit.loop([edit.const([1]), values], [length], _goes_on, lambda inside, state: _turn(inside, state, rank))[1]
    if is_reverse:
        sums = _turned(edit, sums)
    edit.become_identity(edit.transpose(edit.cast(sums, dtype), [order.index(each) for each in range(rank)]))


def _goes_on(edit: Edit, state: Sequence[Tensor]) -> Sequence[Tensor]:
    distance, _, length = state
    return [edit.reshape(edit.binary("Less", distance, length), ())]


def _turn(edit: Edit, state: Sequence[Tensor], rank: int) -> Sequence[Tensor]:
    distance, values, _ = state
    earlier = _moved(edit, values, distance, rank)
    return [edit.binary("Add", distance, distance), _log_sum(edit, earlier, values)]


def _turned(edit: Edit, values: Tensor) -> Tensor:
    return edit.add("ReverseV2", (values, edit.const([0])), T=edit.dtype(values), Tidx=DType.INT32)


def _moved(edit: Edit, values: Tensor, distance: Tensor, rank: int) -> Tensor:
    """Values moved along the first axis by a distance no longer than it; what comes in stands for 0."""
    dtype = edit.dtype(values)
    sizes = edit.shape_tensor(values)
    distance = edit.binary("Minimum", distance, edit.part(sizes, 0, 1))
    paddings = edit.pack([edit.concat([distance, edit.const([0] * (rank - 1))]), edit.const([0] * rank)], axis=1)
    nothing = edit.const(-math.inf, dtype)
    longer = edit.add("PadV2", (values, paddings, nothing), T=dtype, Tpaddings=DType.INT32)
    return edit.add("Slice", (longer, edit.const([0] * rank), sizes), T=dtype, Index=DType.INT32)


def _log_sum(edit: Edit, one: Tensor, other: Tensor) -> Tensor:
    """The logarithm of the sum of two numbers, from theirs: that of the larger, and what the smaller adds."""
    dtype = edit.dtype(one)
    maths = Formulas(edit, dtype)
    less, more = maths.do("Minimum", one, other), maths.do("Maximum", one, other)
    added = maths.do("Log1p", maths.do("Exp", maths.do("Sub", less, more)))
    is_nothing = maths.do("Equal", less, -math.inf)
    total = edit.add("Select", (is_nothing, more, maths.do("Add", more, added)), T=dtype)
    # Whether a minimum is NaN if one of the two is, is not the same everywhere.
    either = maths.do("Add", one, other)
    is_nan = edit.add("LogicalOr", (maths.do("IsNan", one), maths.do("IsNan", other)))
    return edit.add("Select", (is_nan, either, total), T=dtype)
