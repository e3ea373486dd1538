"""Frozen graphs: a GraphDef alone, its variables turned to constants. It has no signature; this reads what it has.

Field numbers are those of TensorFlow's ``graph.proto``, ``node_def.proto`` and ``attr_value.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfkit.errors import ModelError
from tfkit.proto import wire
from tfkit.savedmodel.files import find_model_file, open_message
from tfkit.savedmodel.lazy import ContentError, Message
from tfkit.savedmodel.signatures import parse_dtype, parse_shape
from tfkit.tensors import DType, TensorSpec

# GraphDef
_NODE = 1
# NodeDef
_NAME, _OP, _INPUT, _ATTR = 1, 2, 3, 5
# AttrValue
_TYPE, _SHAPE = 6, 7

_PLACEHOLDER_OPS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
_VARIABLE_OPS = {"Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable"}
# Nodes that nothing uses, and that are no results all the same.
_NEVER_OUTPUTS = {
    "Abort", "Assert", "Assign", "AssignVariableOp", "CheckNumerics", "Const", "ControlTrigger", "HistogramSummary",
    "ImageSummary", "InitializeTable", "InitializeTableV2", "LookupTableImportV2", "MergeSummary", "MergeV2Checkpoints",
    "NoOp", "Print", "PrintV2", "RestoreV2", "SaveV2", "ScalarSummary", "VarIsInitializedOp",
} | _PLACEHOLDER_OPS | _VARIABLE_OPS  # fmt: skip
_TYPICAL_OUTPUTS = {
    "ArgMax",
    "BiasAdd",
    "Identity",
    "IdentityN",
    "LogSoftmax",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "TopKV2",
}
_SHOWN_NODES = 20


@dataclass(frozen=True, slots=True)
class FrozenGraph:
    """What can be said about a graph without a signature.

    Attributes:
        placeholders: What has to be fed.
        outputs: Tensors that look like results, the likeliest first, each with its operation.
        nodes: How many nodes there are.
        variables: How many variables it has: in a frozen graph, none.
    """

    placeholders: tuple[TensorSpec, ...]
    outputs: tuple[tuple[str, str], ...]
    nodes: int
    variables: int


def read_frozen_graph(path: str | Path) -> FrozenGraph:
    """Reads the placeholders and the likely outputs of a frozen graph (a GraphDef, ``.pb`` or ``.pbtxt``).

    Raises:
        ModelError: The file holds no GraphDef, or a damaged one.
        MissingError: The file may not be read.
    """
    with open_message(find_model_file(path)) as message:
        return parse_frozen_graph(message)


def parse_frozen_graph(graph: Message) -> FrozenGraph:
    """The same, from a GraphDef's message."""
    ops: dict[str, str] = {}
    inputs: dict[str, tuple[str, ...]] = {}
    placeholders = []
    for field in graph.fields():
        if (field.number, field.kind) != (_NODE, wire.LENGTH):
            continue
        node = graph.at(field)
        name, op = node.text(_NAME), node.text(_OP)
        ops[name] = op
        inputs[name] = node.texts(_INPUT)
        if op in _PLACEHOLDER_OPS:
            placeholders.append(_parse_placeholder(name, node))
    return FrozenGraph(
        placeholders=tuple(sorted(placeholders, key=lambda spec: spec.name)),
        outputs=tuple((f"{name}:0", ops[name]) for name in _likely_outputs(ops, inputs)),
        nodes=len(ops),
        variables=sum(op in _VARIABLE_OPS for op in ops.values()),
    )


def _parse_placeholder(name: str, node: Message) -> TensorSpec:
    attrs = dict(node.entries(_ATTR))
    dtype = parse_dtype(attrs["dtype"].integer(_TYPE)) if "dtype" in attrs else DType.INVALID
    try:
        # Without the attribute, the operation's default holds: an unknown rank.
        shape = parse_shape(attrs["shape"].child(_SHAPE)) if "shape" in attrs else None
    except ContentError as error:
        raise ContentError(f"placeholder {name!r} has {error}") from None
    return TensorSpec(name, dtype, shape, f"{name}:0")


def _likely_outputs(ops: dict[str, str], inputs: dict[str, tuple[str, ...]]) -> list[str]:
    """Names of the nodes that nothing uses: first those that depend on a placeholder, typical results, later nodes."""
    used = {_node_of(source) for sources in inputs.values() for source in sources if not source.startswith("^")}
    fed = _reachable({name for name, op in ops.items() if op in _PLACEHOLDER_OPS}, inputs)
    position = {name: index for index, name in enumerate(ops)}
    candidates = [name for name, op in ops.items() if name not in used and op not in _NEVER_OUTPUTS]
    return sorted(candidates, key=lambda name: (name not in fed, ops[name] not in _TYPICAL_OUTPUTS, -position[name]))


def _reachable(start: set[str], inputs: dict[str, tuple[str, ...]]) -> set[str]:
    users: dict[str, list[str]] = {}
    for name, sources in inputs.items():
        for source in sources:
            users.setdefault(_node_of(source), []).append(name)
    seen, waiting = set(start), list(start)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in seen:
                seen.add(user)
                waiting.append(user)
    return seen


def _node_of(source: str) -> str:
    """The node of an input as NodeDef writes it: ``node``, ``node:1``, or ``^node`` for a control dependency."""
    return source.removeprefix("^").partition(":")[0]


def describe_frozen_graph(file: Path, message: Message) -> ModelError:
    """The error for a frozen graph where a SavedModel is expected: it lists the placeholders and the likely outputs."""
    graph = parse_frozen_graph(message)
    what = f"a graph with {graph.variables} variables, without their values" if graph.variables else "a frozen graph"
    lines = [f"{file} is {what} ({graph.nodes} nodes): it has no signature, so there is no structure to show"]
    lines += ["placeholders:", *_listed([f"{spec.name}  {spec}" for spec in graph.placeholders])]
    lines += ["likely outputs (used by no other node):", *_listed([f"{name}  {op}" for name, op in graph.outputs])]
    hint = "EAS serves it without a structure, if each request names its outputs. A SavedModel made of it has one."
    return ModelError("\n".join(lines), hint=hint)


def _listed(items: list[str]) -> list[str]:
    shown = [f"  {item}" for item in items[:_SHOWN_NODES]] or ["  (none)"]
    return [*shown, f"  and {len(items) - _SHOWN_NODES} more"] if len(items) > _SHOWN_NODES else shown
