"""Frozen graphs: a GraphDef alone, its variables turned to constants. It has no signature; this reads what it has.

Field numbers are those of TensorFlow's ``graph.proto``, ``node_def.proto`` and ``attr_value.proto``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfkit.errors import ModelError, SignatureError, nearest
from tfkit.proto import wire
from tfkit.savedmodel.files import find_model_file, open_message
from tfkit.savedmodel.kinds import is_node
from tfkit.savedmodel.lazy import ContentError, Message
from tfkit.savedmodel.signatures import parse_dtype, parse_shape
from tfkit.tensors import DType, Signature, TensorSpec

# GraphDef
_NODE, _VERSIONS = 1, 4
# VersionDef
_PRODUCER = 1
# NodeDef
_NAME, _OP, _INPUT, _ATTR = 1, 2, 3, 5
# AttrValue
_TYPE, _SHAPE = 6, 7

_OPTIONAL = "PlaceholderWithDefault"
_PLACEHOLDER_OPS = {"Placeholder", "PlaceholderV2", _OPTIONAL}
_VARIABLE_OPS = {"Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable"}
# Nodes that nothing uses, and that are no results all the same.
NEVER_OUTPUTS = {
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
# Up to this version (versions.producer) an empty shape of a Placeholder meant an unknown one (array_ops.cc).
_LAST_WITH_EMPTY_FOR_UNKNOWN = 21
# NODE or NODE:INDEX; not ^NODE, a control dependency. What UTF-8 cannot hold names nothing.
_TENSOR = re.compile(r"([^^:\0\ud800-\udfff][^:\0\ud800-\udfff]*)(?::(0|[1-9][0-9]{0,8}))?")
_SHOWN_NODES = 20
_SHOWN_RESULTS = 10
_SHOWN_NAME = 100

VARIABLES_HINT = "Save the graph with its checkpoint's values as a SavedModel, or freeze it: variables to constants."


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


def parse_tensor_name(name: str) -> tuple[str, int]:
    """The node and the index of a tensor's name: ``node`` or ``node:index``.

    Raises:
        SignatureError: It is no such name.

    >>> parse_tensor_name("scores"), parse_tensor_name("split:1")
    (('scores', 0), ('split', 1))
    """
    found = _TENSOR.fullmatch(name)
    if found is None:
        shown = name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}..."
        raise SignatureError(f"{shown!r} is no tensor's name: expected NODE or NODE:INDEX")
    return found[1], int(found[2] or 0)


def outputs_not_named(name: str, likely: Sequence[str]) -> SignatureError:
    """The error for a request that does not say what a frozen graph is to compute.

    Args:
        name: The graph, for people.
        likely: The tensors that it may be, the likeliest first.
    """
    return SignatureError(
        f"{name} is a frozen graph, which has no outputs of its own: name those you want in output_filter",
        hint=f"It may be one of: {', '.join(likely[:_SHOWN_RESULTS])}." if likely else "",
    )


def is_frozen_graph(file: Path) -> bool:
    """Whether a file holds a GraphDef, and not a SavedModel; damaged files are neither.

    Raises:
        ModelError: The file is not there or empty.
        MissingError: The file may not be read.
    """
    with open_message(file) as message:
        return is_graph(message)


def is_graph(message: Message) -> bool:
    """Whether a message is a GraphDef: its first field is a node."""
    try:
        first = next(message.fields(), None)
    except wire.WireError:
        return False
    return first is not None and (first.number, first.kind) == (_NODE, wire.LENGTH) and is_node(message.at(first))


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
    nodes = _read_nodes(graph)
    return FrozenGraph(
        placeholders=tuple(sorted(nodes.placeholders.values(), key=lambda spec: spec.name)),
        outputs=tuple((f"{name}:0", nodes.ops[name]) for name in _likely_outputs(nodes.ops, nodes.inputs)),
        nodes=len(nodes.ops),
        variables=sum(op in _VARIABLE_OPS for op in nodes.ops.values()),
    )


def frozen_signature(path: str | Path, outputs: Sequence[str], given: Collection[str] = ()) -> Signature:
    """What has to be fed to a frozen graph for some of its tensors, as a signature without a name.

    Args:
        path: The file.
        outputs: The tensors: ``node`` or ``node:0``. Their dtypes and shapes are not told.
        given: Names of what is fed anyway: it is called as it is there, and has not to be left out.

    Raises:
        ModelError: The file holds no GraphDef, or a damaged one.
        SignatureError: The graph has no such node, or no output is named.
    """
    file = find_model_file(path)
    with open_message(file) as message:
        nodes = _read_nodes(message)
    likely = [f"{name}:0" for name in _likely_outputs(nodes.ops, nodes.inputs)]
    if not outputs:
        raise outputs_not_named(str(file), likely)
    fetched = tuple(_fetched(file, name, nodes, likely) for name in outputs)
    needed = _needed({_node_of(spec.tensor) for spec in fetched}, nodes.inputs)
    fed = (
        replace(spec, name=spec.tensor) if spec.tensor in given else spec
        for name, spec in sorted(nodes.placeholders.items())
        if spec.tensor in given or name in given or (name in needed and nodes.ops[name] != _OPTIONAL)
    )
    return Signature("", tuple(fed), fetched)


def _fetched(file: Path, name: str, nodes: _Nodes, likely: list[str]) -> TensorSpec:
    node, index = parse_tensor_name(name)
    if node not in nodes.ops or (index and node in nodes.placeholders):
        raise SignatureError(f"{file}: the graph has no tensor {name!r}", hint=nearest(name, likely))
    return TensorSpec(name, DType.INVALID, None, f"{node}:{index}")


@dataclass(frozen=True, slots=True)
class _Nodes:
    """A graph's nodes by name: their operations, what they are fed with, and the placeholders among them."""

    ops: dict[str, str]
    inputs: dict[str, tuple[str, ...]]
    placeholders: dict[str, TensorSpec]


def _read_nodes(graph: Message) -> _Nodes:
    nodes = _Nodes({}, {}, {})
    producer = graph.child(_VERSIONS).integer(_PRODUCER)
    for field in graph.fields():
        if (field.number, field.kind) != (_NODE, wire.LENGTH):
            continue
        node = graph.at(field)
        name, op = node.text(_NAME), node.text(_OP)
        nodes.ops[name] = op
        nodes.inputs[name] = node.texts(_INPUT)
        if op in _PLACEHOLDER_OPS:
            spec = _parse_placeholder(name, node)
            unknown = op == "Placeholder" and spec.shape == () and producer <= _LAST_WITH_EMPTY_FOR_UNKNOWN
            nodes.placeholders[name] = replace(spec, shape=None) if unknown else spec
    return nodes


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
    candidates = [name for name, op in ops.items() if name not in used and op not in NEVER_OUTPUTS]
    return sorted(candidates, key=lambda name: (name not in fed, ops[name] not in _TYPICAL_OUTPUTS, -position[name]))


def _reachable(start: set[str], sources: dict[str, tuple[str, ...]]) -> set[str]:
    """The nodes that some feed, directly or not, and those themselves."""
    users: dict[str, list[str]] = {}
    for name, inputs in sources.items():
        for source in inputs:
            users.setdefault(_node_of(source), []).append(name)
    seen, waiting = set(start), list(start)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in seen:
                seen.add(user)
                waiting.append(user)
    return seen


def _needed(wanted: set[str], inputs: dict[str, tuple[str, ...]]) -> set[str]:
    """The nodes that feed some, directly or not, and those themselves."""
    seen, waiting = set(wanted), list(wanted)
    while waiting:
        for source in map(_node_of, inputs.get(waiting.pop(), ())):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
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
    hint = (
        "EAS serves it without a structure, if each request names its outputs. A SavedModel made of it has one: "
        f"tfkit export {file} --output FOLDER"
    )
    if graph.variables:
        hint = VARIABLES_HINT
    return ModelError("\n".join(lines), hint=hint)


def _listed(items: list[str]) -> list[str]:
    shown = [f"  {item}" for item in items[:_SHOWN_NODES]] or ["  (none)"]
    return [*shown, f"  and {len(items) - _SHOWN_NODES} more"] if len(items) > _SHOWN_NODES else shown
