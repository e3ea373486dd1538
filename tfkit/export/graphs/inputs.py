"""Where a graph takes its values from: placeholders fixed to a value, tensors that become inputs, inputs found.

Any tensor can be an input: a placeholder takes its place, and what it was made of, an input pipeline say, is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array, string_array
from tfkit.errors import SignatureError, nearest
from tfkit.export.graphs.facts import PLACEHOLDERS, declared_shape
from tfkit.export.graphs.outputs import is_pipeline_end
from tfkit.graph.attributes import shape_value, type_value
from tfkit.graph.closure import consumers, needed_by, reached_from
from tfkit.graph.fold import make_constant
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.lower.facts import Facts
from tfkit.savedmodel.signatures import parse_dtype
from tfkit.tensors import DType, TensorSpec

_OPTIONAL = "PlaceholderWithDefault"
# Up to this version an empty shape of a Placeholder meant an unknown one (TensorFlow's array_ops.cc).
_LAST_WITH_EMPTY_FOR_UNKNOWN = 21
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.\-/]")
_RATE_NAME = re.compile(r".*(keep|drop).*", re.IGNORECASE)
_HAND_ON = frozenset(("Identity", "LogicalNot", "LogicalAnd", "LogicalOr", "Cast", "Reshape", "Squeeze"))
_CHOOSES = {"Switch": 1, "RefSwitch": 1, "Select": 0}


def open_empty_shapes(graph: Graph) -> None:
    """Says of placeholders in very old graphs that their rank is unknown, as was meant by an empty shape there."""
    if graph.producer > _LAST_WITH_EMPTY_FOR_UNKNOWN:
        return
    for node in graph.nodes.values():
        if node.op == "Placeholder" and "shape" in node.attrs and not node.attrs["shape"].shape.dim:
            node.attrs = {**node.attrs, "shape": shape_value(None)}


# --- values that are fixed


def fix_values(graph: Graph, values: Mapping[str, Any]) -> None:
    """Makes constants of placeholders.

    Args:
        graph: The graph; it is changed.
        values: Values by the placeholders' names; the last part of a name is enough where only one ends so.

    Raises:
        SignatureError: There is no such placeholder, or a value does not fit it.
    """
    placeholders = {node.name: node for node in graph.nodes.values() if node.op in PLACEHOLDERS}
    for name, value in values.items():
        node = _placeholder(graph, placeholders, name)
        dtype = parse_dtype(node.type_attr("dtype"))
        array = _as_array(name, value, dtype)
        shape = declared_shape(node)
        spec = TensorSpec(name, dtype, shape)
        if not spec.accepts_shape(array.shape):
            raise SignatureError(f"placeholder {node.name!r} is {spec}: it cannot be set to {value!r}")
        make_constant(node, array, dtype)


def _placeholder(graph: Graph, placeholders: Mapping[str, Node], text: str) -> Node:
    name = text.removesuffix(":0")
    if name in placeholders:
        return placeholders[name]
    ending = [node for each, node in placeholders.items() if each.endswith(f"/{name}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise SignatureError(
            f"several placeholders are called {name!r}", hint=nearest(name, [node.name for node in ending])
        )
    if name in graph.nodes:
        raise SignatureError(
            f"{text!r} is no placeholder but computed ({graph.nodes[name].op}): it cannot be set",
            hint=nearest(name, placeholders),
        )
    raise SignatureError(f"the graph has no placeholder {text!r} to set", hint=nearest(name, placeholders))


def _as_array(name: str, value: Any, dtype: DType) -> Array:
    try:
        if dtype is DType.STRING:
            return string_array(np.asarray(value, dtype=object))
        array = np.asarray(value)
        is_right = array.dtype.kind == "b" if dtype is DType.BOOL else array.dtype.kind in "iuf"
        if is_right and dtype in NUMPY_DTYPES:
            cast = array.astype(NUMPY_DTYPES[dtype])
            if array.dtype.kind == "f" or cast.dtype.kind == "f" or bool(np.all(cast == array)):
                return cast
    except (ValueError, TypeError, OverflowError):
        pass
    raise SignatureError(f"placeholder {name!r} takes {dtype.short_name}: {value!r} is none")


# --- tensors that become inputs


def cut(graph: Graph, tensor: Tensor, name: str, facts: Facts) -> Tensor:
    """Makes a tensor an input; returns the placeholder that stands for it.

    A placeholder stays what it is, also one with a default, unless that is computed.
    """
    node = tensor.node
    if node.op in PLACEHOLDERS:
        if node.op == _OPTIONAL and not _is_constant(node.inputs[0]):
            _require(node)
        node.controls = []
        return tensor
    attrs = {"dtype": type_value(facts.dtype(tensor)), "shape": shape_value(facts.shape(tensor))}
    made = graph.add(Node(_NOT_IN_NAMES.sub("_", name), "Placeholder", (), attrs)).out()
    for user in graph.nodes.values():
        if tensor in user.inputs:
            user.inputs = [made if each == tensor else each for each in user.inputs]
        if node in user.controls:
            user.controls = [each for each in user.controls if each is not node]
    return made


def settle_defaults(graph: Graph, inputs: Iterable[Tensor], facts: Facts) -> dict[Tensor, set[Node]]:
    """Lets placeholders with a default that are no inputs have it, and demands those whose default is input data.

    One whose default is to train stays as it is.

    Returns:
        Those that have their default, and what hangs on each.
    """
    kept = {tensor.node for tensor in inputs}
    settled = {}
    taken_by = consumers(graph)
    for node in graph.nodes.values():
        if node.op != _OPTIONAL or node in kept:
            continue
        if any(is_pipeline_end(each) for each in needed_by([node.inputs[0].node])):
            _require(node)
        elif not _trains(graph, node, facts):
            settled[node.out()] = reached_from([node], taken_by)
            node.op, node.attrs = "Identity", {"T": node.attrs["dtype"]}
    return settled


def _trains(graph: Graph, node: Node, facts: Facts) -> bool:
    """Whether the default of a placeholder switches to what is done in training."""
    value = facts.value(node.inputs[0])
    return (
        value is not None and value.dtype == bool and bool(value.all()) and bool(switches(graph, [node.out()], facts))
    )


def _require(node: Node) -> None:
    node.op, node.inputs = "Placeholder", []


def _is_constant(tensor: Tensor) -> bool:
    return all(node.op in ("Const", "Identity") for node in needed_by([tensor.node]))


# --- inputs that are found


@dataclass(frozen=True, slots=True)
class Loose:
    """What the outputs need and no input gives: placeholders, and what comes out of an input pipeline."""

    placeholders: tuple[Tensor, ...]
    pipeline: tuple[Tensor, ...]


def find_loose(graph: Graph, outputs: Iterable[Tensor], inputs: Iterable[Tensor]) -> Loose:
    """What has to be fed for some outputs, apart from some inputs."""
    given = {tensor.node for tensor in inputs}
    needed = needed_by((tensor.node for tensor in outputs), stops=is_pipeline_end)
    placeholders = [node.out() for node in graph.nodes.values() if node in needed - given and node.op in PLACEHOLDERS]
    ends = {node for node in needed if is_pipeline_end(node)}
    used = {tensor for node in needed for tensor in node.inputs if tensor.node in ends and node not in ends}
    return Loose(tuple(placeholders), tuple(sorted(used, key=str)))


def switches(graph: Graph, placeholders: Iterable[Tensor], facts: Facts) -> list[Tensor]:
    """Those of some placeholders that choose between training and serving: a switch, or the rate of a dropout."""
    taken_by = consumers(graph)
    found = []
    for tensor in placeholders:
        if facts.shape(tensor) not in ((), None):
            continue
        if facts.dtype(tensor) == DType.BOOL:
            reached = reached_from([tensor.node], taken_by, stops=lambda node: node.op not in _HAND_ON | PLACEHOLDERS)
            if any(_chooses_by(node, reached) for node in reached):
                found.append(tensor)
        elif _RATE_NAME.fullmatch(tensor.node.name) is not None:
            found.append(tensor)
    return found


def _chooses_by(node: Node, conditions: set[Node]) -> bool:
    return node.op in _CHOOSES and node.inputs[_CHOOSES[node.op]].node in conditions
