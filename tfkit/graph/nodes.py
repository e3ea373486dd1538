"""A graph that can be rewritten: nodes that refer to each other, not to names.

Read from a ``GraphDef`` and written as one; in between a node's inputs are ``Tensor``s, its control inputs nodes, its
attributes ``AttrValue`` messages that nodes may share and that are therefore replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tfkit.errors import ModelError

Attributes = Mapping[str, Any]


class Tensor(NamedTuple):
    """One output of a node, counted over all of its outputs."""

    node: Node
    output: int = 0

    def __str__(self) -> str:
        return f"{self.node.name}:{self.output}" if self.output else self.node.name


@dataclass(frozen=True, slots=True)
class Origin:
    """The call that a node was inlined from.

    Attributes:
        function: The function.
        node: The name of its node that the node was made of.
        call: The call's own origin; ``None`` if the call stood in the main graph.
    """

    function: str
    node: str
    call: Origin | None

    def functions(self) -> Iterator[str]:
        """The functions around the node, the innermost first."""
        each: Origin | None = self
        while each is not None:
            yield each.function
            each = each.call


class Node:
    """One operation.

    Attributes:
        name: Its name, its own in the graph.
        op: What it does.
        inputs: What it is fed with.
        controls: What has to be done before.
        attrs: Its attributes, ``AttrValue`` messages by name.
        origin: The call that it was inlined from; ``None`` for a node of the main graph.
        pivot: In a branch or a loop, the node that runs when that branch or turn does: what has no inputs there has to
            hang on it. ``None`` outside.
    """

    __slots__ = ("attrs", "controls", "inputs", "name", "op", "origin", "pivot")

    def __init__(
        self,
        name: str,
        op: str,
        inputs: Iterable[Tensor] = (),
        attrs: Attributes | None = None,
        *,
        controls: Iterable[Node] = (),
        origin: Origin | None = None,
        pivot: Node | None = None,
    ) -> None:
        self.name = name
        self.op = op
        self.inputs = list(inputs)
        self.controls = list(controls)
        self.attrs = attrs if attrs is not None else {}
        self.origin = origin
        self.pivot = pivot

    def __repr__(self) -> str:
        return f"<{self.op} {self.name}>"

    def out(self, index: int = 0) -> Tensor:
        """One of its outputs."""
        return Tensor(self, index)

    def outs(self, count: int) -> list[Tensor]:
        """Its first outputs."""
        return [Tensor(self, index) for index in range(count)]

    def int_attr(self, name: str, default: int = 0) -> int:
        """An int attribute."""
        return int(self.attrs[name].i) if name in self.attrs else default

    def float_attr(self, name: str, default: float = 0.0) -> float:
        """A float attribute."""
        return float(self.attrs[name].f) if name in self.attrs else default

    def bool_attr(self, name: str, default: bool = False) -> bool:
        """A bool attribute."""
        return bool(self.attrs[name].b) if name in self.attrs else default

    def text_attr(self, name: str, default: str = "") -> str:
        """A string attribute."""
        return self.attrs[name].s.decode("utf-8", "surrogateescape") if name in self.attrs else default

    def type_attr(self, name: str) -> int:
        """The number of the dtype in an attribute; 0 if it is absent."""
        return int(self.attrs[name].type) if name in self.attrs else 0

    def types_attr(self, name: str) -> list[int]:
        """The numbers of the dtypes in a list attribute."""
        return list(self.attrs[name].list.type) if name in self.attrs else []

    def function_attr(self, name: str) -> str:
        """The name of the function in an attribute; empty if it is absent."""
        return str(self.attrs[name].func.name) if name in self.attrs else ""

    def functions_attr(self, name: str) -> list[str]:
        """The names of the functions in a list attribute."""
        return [each.name for each in self.attrs[name].list.func] if name in self.attrs else []

    def require_pivot(self) -> None:
        """Hangs a node that nothing makes run on its pivot."""
        if self.pivot is not None and not self.inputs and not self.controls:
            self.controls.append(self.pivot)


class Graph:
    """Nodes by name, in the order in which they were added.

    Attributes:
        nodes: The nodes.
        producer: The version of ``GraphDef`` that it was written for.
    """

    def __init__(self, producer: int = 0) -> None:
        self.nodes: dict[str, Node] = {}
        self.producer = producer

    def add(self, node: Node) -> Node:
        """Adds a node; one whose name is taken gets a new name."""
        if node.name in self.nodes:
            node.name = self.free_name(node.name)
        self.nodes[node.name] = node
        return node

    def free_name(self, name: str) -> str:
        """A name that no node has, made of a given one."""
        if name not in self.nodes:
            return name
        count = 1
        while f"{name}_{count}" in self.nodes:
            count += 1
        return f"{name}_{count}"

    def tensor(self, text: str) -> Tensor:
        """The tensor called ``node`` or ``node:1``.

        Raises:
            ModelError: There is no such node.
        """
        name, _, index = text.partition(":")
        node = self.nodes.get(name)
        if node is None:
            raise ModelError(f"the graph has no node {name!r}")
        return Tensor(node, int(index) if index.isdecimal() else 0)

    def forward(self, replaced: Mapping[Node, Sequence[Tensor]]) -> None:
        """Lets everything that takes an output of some nodes take another tensor.

        Args:
            replaced: For each such node, what stands for each of its outputs; these may be replaced in turn.
        """
        for node in self.nodes.values():
            inputs = node.inputs
            for position, tensor in enumerate(inputs):
                if tensor.node in replaced:
                    inputs[position] = follow(tensor, replaced)

    def copy(self) -> tuple[Graph, dict[Node, Node]]:
        """The same graph with nodes of its own, and these by those of this one; attributes are shared."""
        graph = Graph(self.producer)
        copies = {node: Node(node.name, node.op, attrs=node.attrs, origin=node.origin) for node in self.nodes.values()}
        for node, copy in copies.items():
            copy.inputs = [Tensor(copies[tensor.node], tensor.output) for tensor in node.inputs]
            copy.controls = [copies[control] for control in node.controls]
            copy.pivot = None if node.pivot is None else copies[node.pivot]
        graph.nodes = {copy.name: copy for copy in copies.values()}
        return graph, copies

    def keep(self, roots: Iterable[Node], *, pivots: bool = True) -> None:
        """Drops every node that none of some nodes needs.

        Args:
            roots: These nodes.
            pivots: Keep pivots as well, for what may be added yet.
        """
        needed: set[Node] = set()
        waiting = list(roots)
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting += [tensor.node for tensor in node.inputs]
                waiting += node.controls
                if pivots and node.pivot is not None:
                    waiting.append(node.pivot)
        self.nodes = {name: node for name, node in self.nodes.items() if node in needed}


def follow(tensor: Tensor, replaced: Mapping[Node, Sequence[Tensor]]) -> Tensor:
    """What stands for a tensor in the end; see ``Graph.forward``."""
    while tensor.node in replaced:
        tensor = replaced[tensor.node][tensor.output]
    return tensor
