"""Takes out the branches that never run, where what they hang on is a constant.

A branch of TensorFlow 1 lies between a ``Switch`` and a ``Merge``. Where the condition of the ``Switch`` is known, one
of its outputs is its input, the other is dead, and with it all that hangs on it; see ``control_flow``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.errors import ModelError
from tfkit.graph.attributes import int_value, strings_value, tensor_value, type_value
from tfkit.graph.nodes import Graph, Node, Tensor, follow
from tfkit.graph.tensor_proto import tensor_array
from tfkit.tensors import DType

_SWITCHES = frozenset(("Switch", "RefSwitch"))
_MERGES = frozenset(("Merge", "RefMerge"))
_HAND_ON = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot", "RefIdentity", *_SWITCHES))
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "Equal": operator.eq,
    "NotEqual": operator.ne,
    "Less": operator.lt,
    "LessEqual": operator.le,
    "Greater": operator.gt,
    "GreaterEqual": operator.ge,
}
# Conditions are small; what is larger is data.
_MOST_VALUES = 16
_DEEPEST = 100


def make_constant(node: Node, value: Array, dtype: DType) -> None:
    """Makes a node a constant of its own name."""
    if dtype is DType.STRING:
        tensor = strings_value(value.shape, value.reshape(-1).tolist())
    else:
        tensor = tensor_value(dtype, value.shape, np.ascontiguousarray(value, NUMPY_DTYPES[dtype]).tobytes())
    node.op, node.inputs = "Const", []
    node.attrs = {"dtype": type_value(dtype), "value": tensor}


def fold(graph: Graph) -> Mapping[Node, Sequence[Tensor]]:
    """Takes out of a graph what never runs, and the ``Switch``es and ``Merge``s around what always does.

    Args:
        graph: The graph; it is changed.

    Returns:
        What stands for the outputs of nodes that were taken out because what they choose is known; see ``follow``. A
        node that is neither there nor in this never ran.

    Raises:
        ModelError: A ``Merge`` of several branches, of which some never run, says which one ran.
    """
    folder = _Folder(graph)
    replaced: dict[Node, Sequence[Tensor]] = {}
    while found := folder.find():
        graph.forward(found)
        _forward_controls(graph, found)
        for node in found:
            del graph.nodes[node.name]
        replaced.update(found)
        folder = _Folder(graph)
    return replaced


def _forward_controls(graph: Graph, replaced: Mapping[Node, Sequence[Tensor]]) -> None:
    for node in graph.nodes.values():
        if any(control in replaced for control in node.controls):
            controls = (follow(control.out(), replaced).node if control in replaced else control
                        for control in node.controls)  # fmt: skip
            node.controls = list(dict.fromkeys(controls))


class _Folder:
    """One search for what can be taken out."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[Tensor, Array | None] = {}

    def find(self) -> dict[Node, Sequence[Tensor]]:
        """Nodes that choose what is known, and what they choose; what never runs is dropped from the graph."""
        taken = {
            node: bool(value)
            for node in self._graph.nodes.values()
            if node.op in _SWITCHES and (value := self._value(node.inputs[1])) is not None and value.ndim == 0
        }
        found: dict[Node, Sequence[Tensor]] = {node: (node.inputs[0], node.inputs[0]) for node in taken}
        if taken:
            alive = self._alive(taken)
            found = {node: tensors for node, tensors in found.items() if node in alive}
            found.update(self._decided_merges(taken, alive))
            self._graph.nodes = {name: node for name, node in self._graph.nodes.items() if node in alive}
        found.update(self._decided_selects())
        return found

    def _alive(self, taken: Mapping[Node, bool]) -> set[Node]:
        """The nodes that may run."""
        users: dict[Node, list[tuple[Node, int]]] = {}
        missing: dict[Node, int] = {}
        waiting = []
        for node in self._graph.nodes.values():
            for tensor in node.inputs:
                users.setdefault(tensor.node, []).append((node, tensor.output))
            for control in node.controls:
                users.setdefault(control, []).append((node, -1))
            # A merge runs when one of its inputs is there.
            missing[node] = min(len(node.inputs), 1) if node.op in _MERGES else len(node.inputs) + len(node.controls)
            if not missing[node]:
                waiting.append(node)
        alive: set[Node] = set()
        while waiting:
            node = waiting.pop()
            if node in alive:
                continue
            alive.add(node)
            for user, output in users.get(node, ()):
                if node in taken and output == int(not taken[node]):
                    continue
                if user.op in _MERGES and output < 0:
                    continue
                missing[user] -= 1
                if missing[user] <= 0:
                    waiting.append(user)
        return alive

    def _decided_merges(self, taken: Mapping[Node, bool], alive: set[Node]) -> Iterator[tuple[Node, Sequence[Tensor]]]:
        def arrives(tensor: Tensor) -> bool:
            dead = tensor.node in taken and tensor.output == int(not taken[tensor.node])
            return tensor.node in alive and not dead

        for node in [each for each in self._graph.nodes.values() if each.op in _MERGES and each in alive]:
            arriving = [at for at, tensor in enumerate(node.inputs) if arrives(tensor)]
            if len(arriving) == len(node.inputs):
                continue
            if len(arriving) == 1:
                yield node, (node.inputs[arriving[0]], self._index(node, arriving[0], alive))
                continue
            if any(Tensor(node, 1) in user.inputs for user in alive):
                raise ModelError(f"node {node.name!r} says which of several branches ran, of which some never run")
            node.inputs = [node.inputs[at] for at in arriving]
            node.attrs = {**node.attrs, "N": int_value(len(arriving))}

    def _index(self, node: Node, position: int, alive: set[Node]) -> Tensor:
        """What a merge says that it has taken, as a constant in the same loop."""
        index = Node(self._graph.free_name(f"{node.name}/taken"), "Const", controls=[node.inputs[position].node])
        constant = np.array(position, np.int32)
        index.attrs = {"dtype": type_value(DType.INT32), "value": tensor_value(DType.INT32, (), constant.tobytes())}
        if any(Tensor(node, 1) in user.inputs for user in alive):
            self._graph.add(index)
            alive.add(index)
        return index.out()

    def _decided_selects(self) -> dict[Node, Sequence[Tensor]]:
        found: dict[Node, Sequence[Tensor]] = {}
        for node in self._graph.nodes.values():
            if node.op == "Select":
                value = self._value(node.inputs[0])
                if value is not None and value.ndim == 0:
                    found[node] = (node.inputs[1 if value else 2],)
        return found

    def _value(self, tensor: Tensor, depth: int = 0) -> Array | None:
        """A small constant's value, and what follows from such constants; ``None`` where that is not known."""
        if tensor not in self._known:
            self._known[tensor] = None  # a loop knows no more than this
            if depth < _DEEPEST:
                self._known[tensor] = self._find_value(tensor.node, depth + 1)
        return self._known[tensor]

    def _find_value(self, node: Node, depth: int) -> Array | None:
        if node.op == "Const":
            return _small_constant(node)
        if node.op in _HAND_ON or (node.op == "Enter" and node.bool_attr("is_constant")):
            return self._value(node.inputs[0], depth)
        if node.op == "LogicalNot":
            value = self._value(node.inputs[0], depth)
            return None if value is None else np.logical_not(value)
        if node.op in ("LogicalAnd", "LogicalOr"):
            return self._logical(node, depth, decides=node.op == "LogicalOr")
        if node.op in _COMPARISONS:
            a, b = (self._value(tensor, depth) for tensor in node.inputs)
            return None if a is None or b is None else np.asarray(_COMPARISONS[node.op](a, b))
        if node.op == "Cast" and node.type_attr("DstT") == DType.BOOL:
            value = self._value(node.inputs[0], depth)
            return None if value is None else value.astype(bool)
        return None

    def _logical(self, node: Node, depth: int, *, decides: bool) -> Array | None:
        """``and``, ``or`` of scalars, where one of them may be enough to know."""
        values = [self._value(tensor, depth) for tensor in node.inputs]
        if any(value is not None and value.ndim == 0 and bool(value) == decides for value in values):
            return np.array(decides)
        if any(value is None for value in values):
            return None
        return np.array(not decides) if all(value is not None and value.ndim == 0 for value in values) else None


def _small_constant(node: Node) -> Array | None:
    tensor = node.attrs["value"].tensor if "value" in node.attrs else None
    if tensor is None or len(tensor.tensor_shape.dim) > 1 or any(
        dim.size > _MOST_VALUES for dim in tensor.tensor_shape.dim
    ):  # fmt: skip
        return None
    try:
        return tensor_array(tensor)
    except ModelError:
        return None  # resources and variants
