"""Sequences turned round, each up to its own length, where there is no kernel: of texts."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


def _is_of_texts(edit: Edit) -> bool:
    dtype = edit.dtype(edit.input(0))
    return dtype is DType.STRING and not edit.target.has_kernel("ReverseSequence", {"T": dtype})


@rule("ReverseSequence", makes="GatherNd", wanted=_is_of_texts)
def turn_round(edit: Edit) -> None:
    """Takes each element by its place; within a sequence's length the places count down."""
    tensor, lengths = edit.node.inputs
    rank = edit.rank(tensor, "the sequences")
    batch, along = edit.node.int_attr("batch_dim") % rank, edit.node.int_attr("seq_dim") % rank
    order = [batch, along, *(axis for axis in range(rank) if axis not in (batch, along))]
    moved = edit.transpose(tensor, order)
    sequence, place = _places(edit, moved, edit.cast(lengths, DType.INT32))
    taken = edit.add(
        "GatherNd",
        (moved, edit.pack([sequence, place], axis=2)),
        Tparams=edit.dtype(tensor),
        Tindices=DType.INT32,
    )
    edit.become_identity(edit.transpose(taken, [order.index(axis) for axis in range(rank)]))


def _places(edit: Edit, sequences: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """For each element the number of its sequence, and the place in it of the one that comes there."""
    sizes = edit.part(edit.shape_tensor(sequences), 0, 2)
    count, longest = (edit.reshape(edit.gather(sizes, [at]), ()) for at in range(2))
    sequence = edit.broadcast_to(edit.expand_dims(edit.range_of(count), 1), sizes)
    place = edit.broadcast_to(edit.expand_dims(edit.range_of(longest), 0), sizes)
    ends = edit.broadcast_to(edit.expand_dims(lengths, 1), sizes)
    last = edit.binary("Sub", ends, edit.const(1))
    is_within = edit.binary("Less", place, ends)
    return sequence, edit.add("Select", (is_within, edit.binary("Sub", last, place), place), T=DType.INT32)
