"""Texts read off class by class, whose blank is the last class on older TensorFlows, and whose numbers are float32."""

from __future__ import annotations

import math
from typing import Any

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rows import longest, rows_of_numbers
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_LAST = -1


@rule("CTCGreedyDecoder", makes="CTCGreedyDecoder with a blank of its own", misfit="attribute")
def decode(edit: Edit) -> None:
    """Adds a class that is never chosen, as the last one; then takes the real blanks out of what was read."""
    scores, lengths = edit.node.inputs
    dtype = edit.dtype(scores)
    blank = edit.node.int_attr("blank_index", _LAST)
    is_double = dtype is DType.DOUBLE and not edit.target.has("CTCGreedyDecoder", "T")
    given = _choices(edit, scores) if is_double else scores
    if blank != _LAST:
        given = _with_class(edit, given)
    attrs: dict[str, Any] = {"merge_repeated": edit.node.bool_attr("merge_repeated")}
    if dtype is DType.DOUBLE and not is_double:
        attrs["T"] = dtype
    read = edit.add("CTCGreedyDecoder", (given, lengths), **attrs).node
    results = [read.out(at) for at in range(4)]
    if blank != _LAST:
        results[:3] = _without(edit, results[:3], _number(edit, scores, blank))
    if is_double:
        results[3] = _likelihood(edit, scores, lengths)
    edit.become_each(results)


def _with_class(edit: Edit, scores: Tensor) -> Tensor:
    """Scores with a last class that is less likely than any, or as likely, but later."""
    dtype = edit.dtype(scores)
    paddings = edit.const([[0, 0], [0, 0], [0, 1]])
    never = edit.const(-math.inf, dtype)
    return edit.add("PadV2", (scores, paddings, never), T=dtype, Tpaddings=DType.INT32)


def _number(edit: Edit, scores: Tensor, blank: int) -> Tensor:
    """The number of the blank among the classes; a negative one counts from the end."""
    number = edit.const(blank, DType.INT64)
    if blank >= 0:
        return number
    return edit.binary("Add", number, edit.reshape(edit.gather(edit.shape_tensor(scores, DType.INT64), [2]), ()))


def _without(edit: Edit, read: list[Tensor], blank: Tensor) -> list[Tensor]:
    """Rows of classes without one of them; what follows it in its row moves up."""
    places, classes, sizes = read
    kept = edit.add("Where", (edit.binary("NotEqual", classes, blank),), T=DType.BOOL)
    kept = edit.reshape(kept, (-1,))
    numbers = edit.gather(edit.gather(places, 0, axis=1), kept)
    batch = edit.reshape(edit.part(sizes, 0, 1), ())
    rows = rows_of_numbers(edit, numbers, batch)
    places = edit.pack([numbers, rows.within(edit)], axis=1)
    return [places, edit.gather(classes, kept), edit.pack([batch, longest(edit, rows.lengths)])]


def _choices(edit: Edit, scores: Tensor) -> Tensor:
    """For doubles, floats of which the same is the largest."""
    chosen = edit.add("ArgMax", (scores, edit.const(2)), T=DType.DOUBLE, Tidx=DType.INT32, output_type=DType.INT64)
    classes = edit.reshape(edit.gather(edit.shape_tensor(scores), [2]), ())
    one, zero = edit.const(1.0, DType.FLOAT), edit.const(0.0, DType.FLOAT)
    return edit.add("OneHot", (chosen, classes, one, zero), T=DType.FLOAT, TI=DType.INT64, axis=-1)


def _likelihood(edit: Edit, scores: Tensor, lengths: Tensor) -> Tensor:
    """For each row the sum of the chosen scores within its length, negated."""
    best = edit.reduce("Max", scores, (2,))
    steps = edit.range_of(edit.reshape(edit.gather(edit.shape_tensor(scores), [0]), ()))
    within = edit.binary("Less", edit.expand_dims(steps, 1), edit.expand_dims(lengths, 0))
    none = edit.add("ZerosLike", (best,), T=DType.DOUBLE)
    counted = edit.add("Select", (within, best, none), T=DType.DOUBLE)
    total = edit.reduce("Sum", counted, (0,))
    return edit.expand_dims(edit.add("Neg", (total,), T=DType.DOUBLE), 1)
