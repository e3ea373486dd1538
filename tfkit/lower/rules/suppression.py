"""Boxes that overlap better ones left out, along with the scores of those that stay."""

from __future__ import annotations

import numpy as np

from tfkit.arrays import NUMPY_DTYPES
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_TAKES_FIRST = (2, 3)  # which of equally good boxes TensorFlow 1 takes follows no rule; newer ones take the first
_RANKED = "_ranked"  # a note: no two scores of the node are equal
# The bits of the largest number of each dtype that there is a kernel for, and the integers of as many bits.
_LARGEST = {DType.HALF: (0x7BFF, DType.INT16), DType.FLOAT: (0x7F7F_FFFF, DType.INT32)}


def _is_without_order(edit: Edit) -> bool:
    is_old = edit.target.version < _TAKES_FIRST and _RANKED not in edit.node.attrs
    return is_old and edit.dtype(edit.input(1)) in _LARGEST


@rule(
    "NonMaxSuppressionV2",
    "NonMaxSuppressionV3",
    "NonMaxSuppressionV4",
    makes="NonMaxSuppressionV2 of boxes that TopKV2 has put in order",
    wanted=_is_without_order,
)
def suppress_in_order(edit: Edit) -> None:
    """Hands on the boxes that are good enough, the best first, each with a score that no other has.

    V3 and V4 of TensorFlow 1.12 must not run at all: their kernels keep a run's tensors in themselves, so that two runs
    at a time, or two turns of a loop, free them twice and end the process
    (https://github.com/tensorflow/tensorflow/issues/22750).

    There are 31,743 different scores of float16: which of still more boxes are better is not known any more.
    """
    boxes, scores, most, overlap, *least = edit.node.inputs
    dtype = edit.dtype(scores)
    # Put beside each other, for it is an error if there are not as many scores as boxes.
    rows = edit.concat([boxes, edit.expand_dims(scores, 1)], axis=1)
    lowest = float(np.finfo(NUMPY_DTYPES[dtype]).min)
    limit = edit.cast(least[0], dtype) if least else edit.const(lowest, dtype)
    is_good = edit.binary("Greater", scores, limit)
    good = edit.reshape(edit.add("Where", (is_good,), T=DType.BOOL), [-1])
    count = edit.size(good)
    # Of equal ones it puts the first in front.
    order = edit.add("TopKV2", (edit.gather(scores, good), count), T=dtype, sorted=True).node.out(1)
    ordered = edit.gather(good, order)
    # Limits are rounded to the boxes' dtype, whatever dtype they are given in.
    limit_type = dtype if edit.target.has("NonMaxSuppressionV2", "T_threshold") else DType.FLOAT
    overlap = edit.cast(edit.cast(overlap, dtype), limit_type)
    chosen = edit.add(
        "NonMaxSuppressionV2",
        (_all_but_last(edit, edit.gather(rows, ordered)), _falling(edit, count, dtype), most, overlap),
        T=dtype,
        T_threshold=limit_type,
        **{_RANKED: True},
    )
    found = edit.cast(edit.gather(ordered, chosen), DType.INT32)
    if edit.node.op != "NonMaxSuppressionV4":
        edit.become_identity(found)
        return
    found_count = edit.size(found)
    if edit.node.bool_attr("pad_to_max_output_size"):
        rest = edit.reshape(edit.binary("Sub", most, found_count), [1])
        nothing = edit.add("Fill", (rest, edit.const(0)), T=DType.INT32, index_type=DType.INT32)
        found = edit.concat([found, nothing])
    edit.become_each([found, found_count])


def _all_but_last(edit: Edit, rows: Tensor) -> Tensor:
    """``rows[:, :-1]``."""
    return edit.add(
        "StridedSlice",
        (rows, edit.const([0, 0]), edit.const([0, -1]), edit.const([1, 1])),
        T=edit.dtype(rows),
        Index=DType.INT32,
        begin_mask=3,
        end_mask=1,
        ellipsis_mask=0,
        new_axis_mask=0,
        shrink_axis_mask=0,
    )


def _falling(edit: Edit, count: Tensor, dtype: DType) -> Tensor:
    """As many different numbers, the largest first: the bits of positive floats have the order of integers."""
    largest, whole = _LARGEST[dtype]
    numbers = Formulas(edit, DType.INT32)
    bits = numbers.do("Maximum", numbers.do("Sub", largest, edit.range_of(count)), 0)
    return edit.add("Bitcast", (edit.cast(bits, whole),), T=whole, type=dtype)


def _lowers_nothing(edit: Edit) -> bool:
    sigma = edit.value(edit.input(5))
    return sigma is not None and not sigma.any()


def _needs_other_op(edit: Edit) -> bool:
    has_op = edit.target.has(edit.node.op)
    return not has_op or (edit.target.version < _TAKES_FIRST and _lowers_nothing(edit))


@rule("NonMaxSuppressionV5", makes="NonMaxSuppressionV4, GatherV2", wanted=_needs_other_op)
def suppress_with_scores(edit: Edit) -> None:
    """Gathers the scores of the boxes that were chosen, which are what they were where none is lowered."""
    boxes, scores, most, overlap, least, sigma = edit.node.inputs
    if edit.constant(sigma, "how far scores are lowered").any():
        edit.refuse("it lowers the scores of boxes that overlap")
    is_padded = edit.node.bool_attr("pad_to_max_output_size")
    dtype = edit.dtype(scores)
    found = edit.add(
        "NonMaxSuppressionV4",
        (boxes, scores, most, overlap, least),
        T=dtype,
        T_threshold=dtype,
        pad_to_max_output_size=is_padded,
    ).node
    chosen, count = found.out(0), found.out(1)
    if not is_padded:
        edit.become_each([chosen, edit.gather(scores, chosen), count])
        return
    # What is padded has box 0 and score 0; there may be no box at all.
    none = edit.add("Fill", (edit.const([1]), edit.const(0, dtype)), T=dtype, index_type=DType.INT32)
    is_real = edit.binary("Less", edit.range_of(edit.size(chosen)), count)
    nowhere = edit.add("ZerosLike", (chosen,), T=DType.INT32)
    place = edit.add("Select", (is_real, edit.binary("Add", chosen, edit.const(1)), nowhere), T=DType.INT32)
    edit.become_each([chosen, edit.gather(edit.concat([none, scores]), place), count])
