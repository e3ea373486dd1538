"""Checks that a graph's nodes are what their operations demand, so that what reads them need not ask."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tfkit.errors import ModelError
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.lower.flat import count_of
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.ops import Op
from tfkit.processors.tables import op_table
from tfkit.savedmodel.files import DAMAGED_HINT
from tfkit.savedmodel.signatures import parse_dtype
from tfkit.tensors import DType

# Which field of an AttrValue holds an attribute, by its type in the op's definition; the others are lists.
_KINDS = {
    "tensor": "tensor", "type": "type", "shape": "shape", "int": "i", "float": "f", "bool": "b", "string": "s",
    "func": "func",
}  # fmt: skip


def check_nodes(graph: Graph, graph_def: Any) -> None:
    """Checks each node against the definition of its operation; operations that nobody knows are passed over.

    Args:
        graph: The graph.
        graph_def: The ``GraphDef`` that it was read from.

    Raises:
        ModelError: A name is empty or used twice, or a node has not the inputs and attributes that it needs.
    """
    if len(graph.nodes) != len(graph_def.node):
        name, count = Counter(node.name for node in graph_def.node).most_common(1)[0]
        raise ModelError(f"{count} nodes of the graph are called {name!r}: expected one", hint=DAMAGED_HINT)
    table = op_table(INSTALLED)
    for node in graph.nodes.values():
        op = table.op(node.op)
        if not node.name:
            raise ModelError(f"a node ({node.op}) of the graph has no name", hint=DAMAGED_HINT)
        if op is not None:
            _check(node, op)
        for tensor in node.inputs:
            _check_output(node, tensor, table.op(tensor.node.op))


def _check_output(node: Node, tensor: Tensor, op: Op | None) -> None:
    if op is None or not tensor.output:  # the first, which almost every operation has
        return
    attrs = tensor.node.attrs
    if all(name in attrs for argument in op.outputs if (name := argument.number_attr or argument.type_list_attr)):
        count = sum(count_of(argument, attrs) for argument in op.outputs)
        if tensor.output >= count:
            raise ModelError(
                f"node {node.name!r} takes output {tensor.output} of {tensor.node.name!r} ({tensor.node.op}), "
                f"which has {count}",
                hint=DAMAGED_HINT,
            )


def _check_dtype(node: Node, name: str, number: int) -> None:
    """Checks the dtype that an attribute holds, 0 if it holds none."""
    if number and parse_dtype(number) is DType.INVALID:
        raise ModelError(
            f"attribute {name} of node {node.name!r} ({node.op}) holds dtype {number}, which no TensorFlow of EAS has",
            hint=DAMAGED_HINT,
        )


def _check(node: Node, op: Op) -> None:
    for name, attribute in op.attributes.items():
        if name in node.attrs:
            kind = node.attrs[name].WhichOneof("value")
            if kind != _KINDS.get(attribute.type, "list"):
                raise ModelError(
                    f"attribute {name} of node {node.name!r} ({node.op}) holds {kind or 'nothing'}: expected "
                    f"{attribute.type}",
                    hint=DAMAGED_HINT,
                )
            _check_dtype(node, name, node.attrs[name].type)
        elif attribute.default is None:
            raise ModelError(f"node {node.name!r} ({node.op}) has no attribute {name}", hint=DAMAGED_HINT)
    wanted = sum(count_of(argument, node.attrs) for argument in op.inputs)
    if wanted != len(node.inputs):
        raise ModelError(
            f"node {node.name!r} ({node.op}) has {len(node.inputs)} inputs: expected {wanted}", hint=DAMAGED_HINT
        )
