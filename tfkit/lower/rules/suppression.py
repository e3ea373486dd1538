"""Boxes that overlap better ones left out, along with the scores of those that stay."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("NonMaxSuppressionV5", makes="NonMaxSuppressionV4, GatherV2", misfit="op")
def suppress_with_scores(edit: Edit) -> None:
    """Gathers the scores of the boxes that were chosen, which are what they were where none is lowered."""
    boxes, scores, most, overlap, least, sigma = edit.node.inputs
    if edit.constant(sigma, "how far scores are lowered").any():
        edit.refuse("it lowers the scores of boxes that overlap")
    is_padded = edit.node.bool_attr("pad_to_max_output_size")
    dtype = edit.dtype(scores)
    limits = [edit.cast(each, DType.FLOAT) for each in (overlap, least)]
    found = edit.add(
        "NonMaxSuppressionV4",
        (boxes, scores, most, *limits),
        T=dtype,
        T_threshold=DType.FLOAT,
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
