"""A read-only view of a SavedModel's graph: nodes by name, functions, who consumes what.

The file stays where it is, mapped into memory: of a node only its name, op and inputs are held, attributes are read
when they are asked for, and a large constant is never touched unless its values are.

Field numbers are those of TensorFlow's ``graph.proto``, ``node_def.proto``, ``function.proto``, ``attr_value.proto``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tfkit.errors import ModelError
from tfkit.proto import wire
from tfkit.savedmodel.files import find_model_file, open_message
from tfkit.savedmodel.lazy import Message
from tfkit.savedmodel.reader import find_metagraph, read_metagraphs
from tfkit.savedmodel.signatures import parse_shape
from tfkit.tensors import SERVE_TAG, Shape

ANY_OUTPUT = -1

# SavedModel, MetaGraphDef, GraphDef, FunctionDefLibrary
_META_GRAPHS, _GRAPH_DEF, _NODE, _LIBRARY, _FUNCTION = 2, 2, 1, 2, 1
# NodeDef
_NAME, _OP, _INPUT, _ATTR = 1, 2, 3, 5
# FunctionDef and its signature, an OpDef
_SIGNATURE, _NODE_DEF, _RET, _INPUT_ARG, _OUTPUT_ARG = 1, 3, 4, 2, 3
# AttrValue and its ListValue
_LIST, _BYTES, _INTEGER, _TYPE, _SHAPE, _TENSOR, _FUNC = 1, 2, 3, 6, 7, 8, 10
_LIST_BYTES, _LIST_TYPE, _LIST_SHAPE, _LIST_FUNC = 2, 6, 7, 9


@dataclass(frozen=True, slots=True)
class Tensor:
    """One output of a node, as inputs refer to it.

    Attributes:
        node: The node's name, or the name of a function's argument.
        output: In a function the name of the op's output; empty in the main graph and for arguments.
        index: Which of the outputs (of that name); ``ANY_OUTPUT`` stands for all of the node's.
    """

    node: str
    output: str = ""
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> Tensor:
        """Reads ``node``, ``node:1`` (main graph), ``argument`` or ``node:output:0`` (function)."""
        node, _, rest = text.partition(":")
        output, _, index = rest.rpartition(":")
        return cls(node, output, int(index) if index.isdecimal() else 0)

    def covers(self, other: Tensor) -> bool:
        """Whether ``other`` is this tensor, or one of those that it stands for."""
        return self.node == other.node and (self.index == ANY_OUTPUT or self == other)


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph or of a function; control inputs are left out."""

    name: str
    op: str
    inputs: tuple[Tensor, ...]
    message: Message = field(repr=False)

    def attr(self, name: str) -> Message | None:
        """The ``AttrValue`` of that name."""
        return next((value for key, value in self.message.entries(_ATTR) if key == name), None)

    def integer(self, name: str, default: int = 0) -> int:
        """An int attribute."""
        value = self.attr(name)
        return default if value is None else value.integer(_INTEGER)

    def dtype(self, name: str) -> int | None:
        """The number of the dtype in an attribute; ``None`` where it is absent."""
        value = self.attr(name)
        return None if value is None else value.integer(_TYPE)

    def dtypes(self, name: str) -> tuple[int, ...]:
        """The numbers of the dtypes in a list attribute; none if it is absent."""
        value = self.attr(name)
        return () if value is None else tuple(value.child(_LIST).integers(_LIST_TYPE))

    def texts(self, name: str) -> tuple[str, ...]:
        """The strings in a list attribute; none if it is absent."""
        value = self.attr(name)
        return () if value is None else value.child(_LIST).texts(_LIST_BYTES)

    def shapes(self, name: str) -> tuple[Shape | None, ...]:
        """The shapes in a list attribute; none if it is absent."""
        value = self.attr(name)
        return () if value is None else tuple(map(parse_shape, value.child(_LIST).children(_LIST_SHAPE)))

    def text(self, name: str) -> str:
        """A string attribute; empty if it is absent."""
        value = self.attr(name)
        return "" if value is None else value.raw(_BYTES).decode(errors="replace")

    def shape(self, name: str = "shape") -> Shape | None:
        """A shape attribute; ``None`` where it is absent or of unknown rank."""
        value = self.attr(name)
        return None if value is None or not value.has(_SHAPE) else parse_shape(value.child(_SHAPE))

    def output_shape(self, index: int) -> Shape | None:
        """The shape that TensorFlow noted for an output in ``_output_shapes``, if it did."""
        shapes = self.shapes("_output_shapes")
        return shapes[index] if 0 <= index < len(shapes) else None

    def tensor(self) -> Message | None:
        """The ``TensorProto`` of a constant."""
        value = self.attr("value")
        return None if value is None or not value.has(_TENSOR) else value.child(_TENSOR)

    def function(self, name: str) -> str:
        """The name of the function in an attribute; empty if it is absent."""
        value = self.attr(name)
        return "" if value is None else value.child(_FUNC).text(1)

    def functions(self, name: str) -> tuple[str, ...]:
        """The names of the functions in a list attribute."""
        value = self.attr(name)
        return () if value is None else tuple(each.text(1) for each in value.child(_LIST).children(_LIST_FUNC))


@dataclass(frozen=True)
class Scope:
    """The main graph, or the body of a function.

    Attributes:
        name: The function's name; empty for the main graph.
        nodes: By name.
        arguments: Names of a function's arguments.
        returns: What a function returns, by the names of its outputs.
    """

    name: str
    nodes: Mapping[str, Node]
    arguments: tuple[str, ...] = ()
    returns: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def consumers(self) -> dict[str, list[tuple[Node, int]]]:
        """For every node or argument, the nodes that take an output of it, and at which of their inputs."""
        consumers: dict[str, list[tuple[Node, int]]] = {}
        for node in self.nodes.values():
            for position, source in enumerate(node.inputs):
                consumers.setdefault(source.node, []).append((node, position))
        return consumers


class GraphView:
    """A SavedModel's graph; valid while its file is open."""

    def __init__(self, graph_def: Message, *, assets: Mapping[str, Path] | None = None) -> None:
        """Reads the nodes of the main graph, and where each function is.

        Args:
            graph_def: A ``GraphDef``.
            assets: The files that the graph reads when it is loaded, by the node that is fed with the path.
        """
        self.assets = dict(assets or {})
        nodes: list[Message] = []
        self._functions: dict[str, Message] = {}
        for each in graph_def.fields():
            if each.kind != wire.LENGTH:
                continue
            if each.number == _NODE:
                nodes.append(graph_def.at(each))
            elif each.number == _LIBRARY:
                for function in graph_def.at(each).children(_FUNCTION):
                    self._functions[function.child(_SIGNATURE).text(_NAME)] = function
        self.main = Scope("", _read_nodes(nodes))
        self._scopes: dict[str, Scope] = {}

    def function(self, name: str) -> Scope | None:
        """The body of a function; ``None`` if the library has none of that name."""
        if name not in self._scopes and name in self._functions:
            self._scopes[name] = _read_function(name, self._functions[name])
        return self._scopes.get(name)


@contextmanager
def open_graph(path: str | Path, tags: Collection[str] | None = (SERVE_TAG,)) -> Iterator[GraphView]:
    """The graph of a SavedModel's metagraph with these tags.

    Raises:
        ModelError: There is no SavedModel at ``path``, or a damaged one, or none with these tags.
        MissingError: The file may not be read.
    """
    metagraphs = read_metagraphs(path)
    wanted = find_metagraph(metagraphs, tags, path)
    position = next(at for at, each in enumerate(metagraphs) if each is wanted)
    file = find_model_file(path)
    assets = {Tensor.parse(asset.tensor).node: file.parent / "assets" / asset.filename for asset in wanted.assets}
    with open_message(file) as message:
        graph_def = list(message.children(_META_GRAPHS))[position].child(_GRAPH_DEF)
        try:
            yield GraphView(graph_def, assets=assets)
        except ValueError as error:  # an impossible shape; damage of the bytes is told apart by open_message
            if isinstance(error, wire.WireError | UnicodeDecodeError):
                raise
            raise ModelError(f"the graph in {file} has {error}") from None


def _read_nodes(messages: Collection[Message]) -> dict[str, Node]:
    nodes = {}
    for message in messages:
        node = _read_node(message)
        nodes[node.name] = node
    return nodes


def _read_node(message: Message) -> Node:
    name = op = ""
    inputs = []
    for each in message.fields():
        if each.kind != wire.LENGTH or each.number > _INPUT:
            continue
        text = message.data[each.start : each.end].decode()
        if each.number == _NAME:
            name = text
        elif each.number == _OP:
            op = text
        elif not text.startswith("^"):
            inputs.append(Tensor.parse(text))
    return Node(name, op, tuple(inputs), message)


def _read_function(name: str, message: Message) -> Scope:
    signature = message.child(_SIGNATURE)
    returned = {}
    for entry in message.children(_RET):
        returned[entry.text(1)] = Tensor.parse(entry.text(2))
    outputs = [argument.text(_NAME) for argument in signature.children(_OUTPUT_ARG)]
    return Scope(
        name,
        _read_nodes(list(message.children(_NODE_DEF))),
        tuple(argument.text(_NAME) for argument in signature.children(_INPUT_ARG)),
        {output: returned[output] for output in outputs if output in returned},
    )
