"""Crossed features."""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_SEPARATOR = b"_X_"


@rule("SparseCrossV2", makes="SparseCross of texts")
def cross(edit: Edit) -> None:
    """The older op has a separator of its own, and on 1.12 breaks on numbers."""
    node = edit.node
    *inputs, separator = node.inputs
    if edit.constant(separator, "the separator").reshape(-1)[0] != _SEPARATOR:
        edit.refuse(f"its separator is not {_SEPARATOR.decode()}")
    count, dense = node.int_attr("N"), node.types_attr("dense_types")
    indices, values, shapes = (inputs[at * count : (at + 1) * count] for at in range(3))
    edit.become(
        "SparseCross",
        [*indices, *_texts(edit, values), *shapes, *_texts(edit, inputs[3 * count :])],
        N=count,
        sparse_types=[DType.STRING] * count,
        dense_types=[DType.STRING] * len(dense),
        hashed_output=False,
        num_buckets=0,
        hash_key=0,
        out_type=DType.STRING,
        internal_type=DType.STRING,
    )


def _texts(edit: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same with numbers written out."""
    dtypes = [edit.dtype(tensor) for tensor in tensors]
    return [
        tensor if dtype is DType.STRING else edit.add("AsString", (tensor,), T=dtype)
        for tensor, dtype in zip(tensors, dtypes, strict=True)
    ]
