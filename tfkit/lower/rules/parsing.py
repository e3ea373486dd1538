"""Parsing `tf.train.Example`s and `SequenceExample`s, by the older ops for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rows import segment_sum, splits_of
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("ParseExampleV2", makes="ParseExample or ParseSingleExample; ragged features are parsed as sparse ones")
def parse_example(edit: Edit) -> None:
    """Gives the name of each feature by itself."""
    node = edit.node
    serialized, names, *keys = node.inputs[:5]
    defaults = node.inputs[5:]
    sparse, dense, ragged = (_names(edit, each) for each in keys)
    count = len(sparse) + len(ragged)
    types = _types(edit, "sparse_types", "ragged_value_types")
    types |= {"Tdense": _dtypes(edit, "Tdense"), "dense_shapes": node.attrs["dense_shapes"]}
    if edit.rank(serialized, "what is parsed") == 0:
        if ragged:
            edit.refuse("it parses a ragged feature of a single example")
        lists = {"sparse_keys": sparse, "dense_keys": dense}
        edit.become("ParseSingleExample", (serialized, *defaults), num_sparse=count, **lists, **types)
        return
    features = [edit.const(name, DType.STRING) for name in (*sparse, *ragged, *dense)]
    parsed = edit.add(
        "ParseExample", (serialized, names, *features, *defaults), Nsparse=count, Ndense=len(dense), **types
    )
    results = parsed.node.outs(3 * count + len(dense))
    rows = edit.size(serialized, DType.INT64)
    edit.become_each(_with_ragged(edit, results, len(sparse), count, rows, _dtypes(edit, "ragged_split_types")))


@rule("ParseSequenceExampleV2", makes="ParseSequenceExample; ragged features of the context are parsed as sparse ones")
def parse_sequence_example(edit: Edit) -> None:
    """Gives the names of the features as attributes."""
    node = edit.node
    serialized, debug_names = node.inputs[:2]
    context_sparse, context_dense, context_ragged, list_sparse, list_dense, list_ragged = (
        _names(edit, each) for each in node.inputs[2:8]
    )
    if list_ragged:
        edit.refuse("it parses a feature list as ragged: of a sparse one, empty steps at the end cannot be told")
    if edit.rank(serialized, "what is parsed") != 1:
        edit.refuse("it parses a single example")
    may_miss = edit.constant(node.inputs[8], "which feature lists may be missing").reshape(-1)
    optional = [name for name, may in zip(list_dense, may_miss, strict=False) if may]
    count = len(context_sparse) + len(context_ragged)
    parsed = edit.add(
        "ParseSequenceExample",
        (serialized, debug_names, *node.inputs[9:]),
        feature_list_dense_missing_assumed_empty=optional,
        context_sparse_keys=[*context_sparse, *context_ragged],
        context_dense_keys=context_dense,
        feature_list_sparse_keys=list_sparse,
        feature_list_dense_keys=list_dense,
        Ncontext_sparse=count,
        Ncontext_dense=len(context_dense),
        Nfeature_list_sparse=len(list_sparse),
        Nfeature_list_dense=len(list_dense),
        **_types(edit, "context_sparse_types", "context_ragged_value_types"),
        Tcontext_dense=_dtypes(edit, "Tcontext_dense"),
        feature_list_dense_types=_dtypes(edit, "feature_list_dense_types"),
        feature_list_sparse_types=_dtypes(edit, "feature_list_sparse_types"),
        **{name: node.attrs[name] for name in ("context_dense_shapes", "feature_list_dense_shapes")},
    ).node
    of_context = 3 * count + len(context_dense)
    results = parsed.outs(of_context + 3 * len(list_sparse) + 2 * len(list_dense))
    rows = edit.size(serialized, DType.INT64)
    splits_types = _dtypes(edit, "context_ragged_split_types")
    context = _with_ragged(edit, results[:of_context], len(context_sparse), count, rows, splits_types)
    edit.become_each([*context, *results[of_context:]])


def _names(edit: Edit, keys: Tensor) -> list[bytes]:
    return list(edit.constant(keys, "the name of a feature").reshape(-1))


def _dtypes(edit: Edit, attribute: str) -> list[DType]:
    return [DType(each) for each in edit.node.types_attr(attribute)]


def _types(edit: Edit, sparse: str, ragged: str) -> dict[str, Any]:
    return {sparse: [*_dtypes(edit, sparse), *_dtypes(edit, ragged)]}


def _with_ragged(
    edit: Edit, results: Sequence[Tensor], sparse: int, count: int, rows: Tensor, splits_types: Sequence[DType]
) -> list[Tensor]:
    """What was parsed, the last of the sparse features made ragged.

    Args:
        edit: The edit.
        results: The sparse features' indices, values and shapes, then the dense ones.
        sparse: How many of the sparse ones stay sparse.
        count: How many there are.
        rows: How many examples there are.
        splits_types: The dtypes of the ragged ones' row splits.
    """
    indices, values, shapes = (results[at * count : (at + 1) * count] for at in range(3))
    splits = []
    for each, dtype in zip(indices[sparse:], splits_types, strict=True):
        of_values = edit.gather(each, 0, axis=1)
        ones = edit.add("OnesLike", (of_values,), T=DType.INT64)
        splits.append(edit.cast(splits_of(edit, segment_sum(edit, ones, of_values, rows)), dtype))
    return [
        *indices[:sparse], *values[:sparse], *shapes[:sparse], *results[3 * count :], *values[sparse:], *splits
    ]  # fmt: skip
