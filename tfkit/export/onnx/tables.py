"""Lookup tables: their contents are read once, and become what ONNX looks up in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfkit.arrays import Array
from tfkit.errors import LoweringError
from tfkit.export.freezing import tensor_values
from tfkit.export.onnx.handles import Handles
from tfkit.export.onnx.program import Program
from tfkit.graph.attributes import text_value
from tfkit.graph.closure import needed_by
from tfkit.graph.nodes import Node, Tensor
from tfkit.lower.signatures import ChosenSignature, read_chosen

_TABLES = frozenset(
    ("HashTableV2", "AnonymousHashTable", "MutableHashTableV2", "AnonymousMutableHashTable")
)  # fmt: skip
# Their contents are told with all that is free in them, or are no single values.
_OTHERS = frozenset(
    f"{anonymous}{kind}{version}"
    for kind in ("MutableHashTableOfTensors", "MutableDenseHashTable")
    for anonymous, version in (("", "V2"), ("Anonymous", ""))
)
_EXPORT = "LookupTableExportV2"
_CHANGES = frozenset(("LookupTableInsertV2", "LookupTableRemoveV2", "LookupTableImportV2"))


@dataclass(frozen=True, slots=True)
class Table:
    """What is in a table.

    Attributes:
        keys: A vector.
        values: As many values.
    """

    keys: Array
    values: Array


def read_tables(path: Path, tags: Sequence[str], signature: str | ChosenSignature) -> dict[str, Table]:
    """The contents of the tables that a signature of a SavedModel needs, by the names of their nodes."""
    model = read_chosen(path, tags, [signature])
    needed = needed_by(tensor.node for each in model.signatures.values() for tensor in each.outputs.values())
    tables = {node.name: node for node in model.graph.nodes.values() if node in needed and node.op in _TABLES}
    exports: dict[str, Tensor] = {}
    for name, node in tables.items():
        attrs = {"Tkeys": node.attrs["key_dtype"], "Tvalues": node.attrs["value_dtype"]}
        export = model.graph.add(Node(f"{name}/contents", _EXPORT, [node.out()], attrs))
        exports[f"{name}:keys"], exports[f"{name}:values"] = export.outs(2)
    if not exports:
        return {}
    found = tensor_values(model, exports)
    return {name: Table(found[f"{name}:keys"], found[f"{name}:values"]) for name in tables}


def name_tables(program: Program, handles: Handles, tables: Mapping[str, Table]) -> None:
    """Gives each table its node's name, by which its contents are found where it is asked.

    Raises:
        LoweringError: The model changes a table when it runs, or has one whose contents cannot become constants.
    """
    for model in program.models():
        needed = needed_by(tensor.node for each in model.signatures.values() for tensor in each.outputs.values())
        for node in needed:
            if node.op in _OTHERS:
                raise _refused(f"table {node.name!r} ({node.op}) can be changed while the model runs")
            if node.op in _CHANGES:
                raise _refused(f"node {node.name!r} ({node.op}) changes a table while the model runs")
            name = handles.name(node)
            if node.op in _TABLES and name in tables:
                kept = {key: node.attrs[key] for key in ("key_dtype", "value_dtype")}
                node.op, node.attrs = "HashTableV2", {**kept, "shared_name": text_value(name)}


def _refused(why: str) -> LoweringError:
    return LoweringError(
        f"the model cannot be made an ONNX model: {why}",
        hint="Make it a tf.lookup.StaticHashTable, or export a signature that only looks up in a MutableHashTable: "
        "what is in such tables becomes constants.",
    )
