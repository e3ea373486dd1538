"""The functions of a graph's library, read so that their bodies can be copied many times over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tfkit.errors import ModelError

# Gives the outputs of an op, as (name, how many tensors it stands for in a node with these attributes).
OutputsOf = Callable[[str, Mapping[str, Any]], Iterable[tuple[str, int]]]

CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
IFS = frozenset(("If", "StatelessIf"))
CASES = frozenset(("Case", "StatelessCase"))
WHILES = frozenset(("While", "StatelessWhile"))
# What calls functions has one list of outputs, as long as the function's.
_VARIADIC = CALLS | IFS | CASES | WHILES


@dataclass(frozen=True, slots=True)
class Reference:
    """What a node of a body is fed with: an argument of the function, or an output of one of its nodes.

    Attributes:
        node: The node's place in the body; -1 for an argument.
        index: Which output of the node, counted over all of them; or which argument.
    """

    node: int
    index: int


@dataclass(frozen=True, slots=True)
class BodyNode:
    """A node of a function's body."""

    name: str
    op: str
    attrs: Mapping[str, Any]
    inputs: tuple[Reference, ...]
    controls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function's body.

    Attributes:
        name: The function's name.
        arguments: The names of its arguments.
        nodes: Its nodes.
        returns: What it returns.
        control_returns: The places of the nodes that have run when it has returned.
        parametric: Whether its nodes' attributes hang on those of the call.
    """

    name: str
    arguments: tuple[str, ...]
    nodes: tuple[BodyNode, ...]
    returns: tuple[Reference, ...]
    control_returns: tuple[int, ...]
    parametric: bool


class Functions:
    """A library of functions; a body is read when it is first asked for.

    Args:
        library: A ``FunctionDefLibrary``.
        outputs_of: What is known of ops.
    """

    def __init__(self, library: Any, outputs_of: OutputsOf) -> None:
        self._messages = {function.signature.name: function for function in library.function}
        self._outputs_of = outputs_of
        self._read: dict[str, Function] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._messages

    def __getitem__(self, name: str) -> Function:
        """A function.

        Raises:
            ModelError: There is none of that name, or its body is damaged.
        """
        if name not in self._read:
            if name not in self._messages:
                raise ModelError(f"the graph calls a function {name!r} that it does not have")
            self._read[name] = _Reader(name, self._messages[name], self).read()
        return self._read[name]

    def returned(self, name: str) -> int:
        """How many tensors a function returns."""
        return len(self._messages[name].signature.output_arg)

    def outputs_of(self, op: str, attrs: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
        """The outputs of an op, or of a node that calls a function by its name."""
        if op in self._messages:
            return [(argument.name, 1) for argument in self._messages[op].signature.output_arg]
        return self._outputs_of(op, attrs)


class _Reader:
    """Reads one function."""

    def __init__(self, name: str, message: Any, functions: Functions) -> None:
        self._name = name
        self._message = message
        self._functions = functions
        self._arguments = {argument.name: index for index, argument in enumerate(message.signature.input_arg)}
        self._places = {node.name: place for place, node in enumerate(message.node_def)}
        self._attrs = [dict(node.attr) for node in message.node_def]
        self._offsets: dict[int, dict[str, int]] = {}

    def read(self) -> Function:
        message = self._message
        try:
            nodes = tuple(self._node(place, node) for place, node in enumerate(message.node_def))
            returns = tuple(self._reference(message.ret[argument.name]) for argument in message.signature.output_arg)
            control_returns = tuple(dict.fromkeys(self._places[name] for name in message.control_ret.values()))
        except KeyError as error:
            raise ModelError(f"function {self._name!r} refers to {error}, which it does not have") from None
        return Function(
            self._name, tuple(self._arguments), nodes, returns, control_returns, bool(message.signature.attr)
        )

    def _node(self, place: int, node: Any) -> BodyNode:
        inputs, controls = [], []
        for text in node.input:
            if text[0] == "^":
                # TensorFlow lets a control input name an argument, which has always been computed.
                if text[1:] not in self._arguments:
                    controls.append(self._places[text[1:]])
            else:
                inputs.append(self._reference(text))
        return BodyNode(node.name, node.op, self._attrs[place], tuple(inputs), tuple(controls))

    def _reference(self, text: str) -> Reference:
        """Reads ``argument``, ``node:output:index`` or ``node:output``."""
        name, _, rest = text.partition(":")
        if name in self._arguments:
            return Reference(-1, self._arguments[name])
        place = self._places[name]
        output, _, index = rest.partition(":")
        return Reference(place, self._offset(place, output) + (int(index) if index else 0))

    def _offset(self, place: int, output: str) -> int:
        """Where an output's tensors begin among all of a node's."""
        op = self._message.node_def[place].op
        if op in _VARIADIC:
            return 0
        if place not in self._offsets:
            offsets, at = {}, 0
            for name, count in self._functions.outputs_of(op, self._attrs[place]):
                offsets[name] = at
                at += count
            self._offsets[place] = offsets
        if output not in self._offsets[place]:
            raise ModelError(
                f"function {self._name!r} takes output {output!r} of {self._message.node_def[place].name!r}, but {op} "
                "has no such output"
            )
        return self._offsets[place][output]
