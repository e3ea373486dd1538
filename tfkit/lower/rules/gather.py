"""Gathering within batches, which TensorFlow 1.12 does not know."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("GatherV2", makes="GatherNd", misfit="attribute")
def gather_in_batches(edit: Edit) -> None:
    """Numbers the batches, and takes the slices by the number of the batch and the index in it."""
    params, indices, axis = edit.node.inputs
    rank, index_rank = edit.rank(params, "the tensor"), edit.rank(indices, "the indices")
    batch = edit.node.int_attr("batch_dims")
    batch += index_rank if batch < 0 else 0
    at = int(edit.constant(axis, "the axis").reshape(-1)[0]) % rank
    # The axis goes before those that stand between it and the batches.
    moved = edit.transpose(params, [*range(batch), at, *range(batch, at), *range(at + 1, rank)])
    dtype, sizes = edit.dtype(indices), edit.shape_tensor(indices)
    numbers = [_numbers(edit, sizes, each, index_rank, dtype) for each in range(batch)]
    places = edit.pack([*numbers, indices], axis=index_rank)
    found = edit.add("GatherNd", (moved, places), Tparams=edit.dtype(params), Tindices=dtype)
    behind = index_rank + at - batch
    order = [
        *range(batch),
        *range(index_rank, behind),
        *range(batch, index_rank),
        *range(behind, behind + rank - at - 1),
    ]
    edit.become_identity(edit.transpose(found, order))


def _numbers(edit: Edit, sizes: Tensor, axis: int, rank: int, dtype: DType) -> Tensor:
    """A tensor of these sizes that counts along one axis."""
    numbers = edit.range_of(edit.reshape(edit.gather(sizes, [axis]), ()))
    column = edit.reshape(numbers, [-1 if each == axis else 1 for each in range(rank)])
    return edit.broadcast_to(edit.cast(column, dtype), sizes)


@rule("ResourceGather", "ResourceGatherNd", makes="ReadVariableOp, and GatherV2 or GatherNd")
def read_and_gather(edit: Edit) -> None:
    """Reads the variable first."""
    variable, indices = edit.node.inputs
    dtype, index_dtype = DType(edit.node.type_attr("dtype")), edit.dtype(indices)
    value = edit.add("ReadVariableOp", (variable,), dtype=dtype)
    value.node.controls = list(edit.node.controls)
    if edit.node.op == "ResourceGatherNd":
        edit.become("GatherNd", (value, indices), Tparams=dtype, Tindices=index_dtype)
        return
    batch = edit.node.int_attr("batch_dims")
    types = {"Tparams": dtype, "Tindices": index_dtype, "Taxis": DType.INT32}
    edit.become("GatherV2", (value, indices, edit.const(batch)), **types, batch_dims=batch)
