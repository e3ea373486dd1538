"""The largest numbers, with indices and counts of dtypes that older TensorFlows do not choose."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("TopKV2", makes="TopKV2 with an int32 count, its indices cast", misfit="attribute")
def count_in_int32(edit: Edit) -> None:
    """As many numbers as int32 cannot count have no place in memory."""
    values, count = edit.node.inputs
    dtype = edit.dtype(values)
    index_type = DType(edit.node.type_attr("index_type") or DType.INT32)
    is_sorted = edit.node.bool_attr("sorted", True)
    found = edit.add("TopKV2", (values, edit.cast(count, DType.INT32)), T=dtype, sorted=is_sorted).node
    edit.become_each([found.out(0), edit.cast(found.out(1), index_type)])


@rule("ApproxTopK", makes="TopKV2", misfit="op")
def exact_top_k(edit: Edit) -> None:
    """On a CPU TensorFlow finds the exact ones, too, the first of equal ones first."""
    (values,) = edit.node.inputs
    rank = edit.rank(values, "the numbers")
    if edit.node.int_attr("reduction_dimension", -1) not in (-1, rank - 1):
        edit.refuse("it is not along the last axis")
    if not edit.node.bool_attr("is_max_k", True):
        edit.refuse("it is for the smallest, which TensorFlow itself has no kernel for")
    if not edit.node.bool_attr("aggregate_to_topk", True):
        edit.refuse("more than the largest are asked for")
    edit.become("TopKV2", (values, edit.const(edit.node.int_attr("k"))), T=edit.dtype(values), sorted=True)
