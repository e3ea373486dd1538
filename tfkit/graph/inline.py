"""Puts the bodies of functions in the place of what calls them, until nothing in the graph calls a function.

As TensorFlow does before it runs a graph (``inline_function_utils.cc``), branches and loops included.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from tfkit.errors import ModelError
from tfkit.graph.attributes import tensor_value, type_value
from tfkit.graph.control_flow import Body, Builder, Ran, choose, hang_on_pivots, loop
from tfkit.graph.functions import CALLS, CASES, IFS, WHILES, Function, Functions, Reference
from tfkit.graph.nodes import Graph, Node, Origin, Tensor, follow
from tfkit.tensors import DType

_MAX_DEPTH = 100
_PARALLEL_ITERATIONS = 10
_INT32, _BOOL = int(DType.INT32), int(DType.BOOL)
_HANDS_ON = "Identity"

IsStateful = Callable[[str], bool]


class Inliner:
    """Inlines everything that a graph calls.

    Args:
        graph: The graph; it is changed.
        functions: Its library.
        is_stateful: Whether an op does more than compute: the order of such nodes is kept.
        keep: Ops that are left as they are, with the functions that they call: branches and loops, say.
    """

    def __init__(
        self, graph: Graph, functions: Functions, is_stateful: IsStateful, *, keep: Collection[str] = ()
    ) -> None:
        self._graph = graph
        self._functions = functions
        self._is_stateful = is_stateful
        self._keep = frozenset(keep)
        self._replaced: dict[Node, Sequence[Tensor]] = {}
        self._waiting: list[Node] = []

    def run(self) -> None:
        """Inlines all calls of the graph, and all that these bring.

        Raises:
            ModelError: A function is missing, calls itself, or does not fit its call.
        """
        self._waiting = [node for node in self._graph.nodes.values() if self._calls(node.op)]
        while self._waiting:
            self._expand(self._waiting.pop())
        self._graph.forward(self._replaced)
        hang_on_pivots(self._graph)

    def now(self, tensor: Tensor) -> Tensor:
        """What a tensor of the graph as it was has become."""
        return follow(tensor, self._replaced)

    def _calls(self, op: str) -> bool:
        if op in self._keep:
            return False
        return op in CALLS or op in IFS or op in WHILES or op in CASES or op in self._functions

    def _expand(self, node: Node) -> None:
        if node.op in IFS:
            ran = self._if(node)
        elif node.op in CASES:
            ran = self._case(node)
        elif node.op in WHILES:
            ran = self._while(node)
        else:
            ran = self._call(node, node.function_attr("f") if node.op in CALLS else node.op)
        self._replaced[node] = ran.returns
        # What waited for the call waits for this.
        node.op, node.inputs, node.attrs = "NoOp", [], {}
        node.controls = list(dict.fromkeys((*ran.done, *node.controls)))
        node.require_pivot()

    def _call(self, node: Node, name: str) -> Ran:
        return self._copy(self._function(name, node), node, node.name, node.inputs, node.pivot, node.controls)

    def _function(self, name: str, call: Node) -> Function:
        """The function that a node calls; refuses one that is being called already."""
        around = list(call.origin.functions()) if call.origin is not None else []
        if name in around or len(around) > _MAX_DEPTH:
            raise ModelError(f"function {name!r} calls itself, by way of node {call.name!r}")
        return self._functions[name]

    def _copy(
        self,
        function: Function,
        call: Node,
        prefix: str,
        arguments: Sequence[Tensor],
        pivot: Node | None,
        controls: Sequence[Node],
    ) -> Ran:
        """Copies a body into the graph; what is stateful in it waits for ``controls``."""
        if len(arguments) != len(function.arguments):
            raise ModelError(
                f"node {call.name!r} calls {function.name!r} with {len(arguments)} arguments, not "
                f"{len(function.arguments)}"
            )
        copies = [
            Node(
                f"{prefix}/{body.name}",
                body.op,
                attrs=_bound(body.attrs, call) if function.parametric else body.attrs,
                origin=Origin(function.name, body.name, call.origin),
                pivot=pivot,
            )
            for body in function.nodes
        ]

        def resolve(reference: Reference) -> Tensor:
            if reference.node < 0:
                return arguments[reference.index]
            return Tensor(copies[reference.node], reference.index)

        for node, body in zip(copies, function.nodes, strict=True):
            node.inputs = [resolve(reference) for reference in body.inputs]
            node.controls = [copies[place] for place in body.controls]
            calls = self._calls(node.op)
            if calls:
                self._waiting.append(node)
            if controls and (calls or self._is_stateful(node.op)):
                node.controls.extend(controls)
            node.require_pivot()
            self._graph.add(node)
        return Ran([resolve(each) for each in function.returns], [copies[at] for at in function.control_returns])

    def _body(self, function: Function, call: Node, part: str, controls: Sequence[Node]) -> Body:
        return lambda arguments, pivot: self._copy(function, call, f"{call.name}/{part}", arguments, pivot, controls)

    def _if(self, node: Node) -> Ran:
        builder = Builder(self._graph, node, node.name, node.pivot)
        then, otherwise = (self._function(node.function_attr(name), node) for name in ("then_branch", "else_branch"))
        return choose(
            builder,
            _as_bool(builder, node),
            node.inputs[1:],
            node.types_attr("Tin"),
            node.types_attr("Tout"),
            self._body(then, node, "then", node.controls),
            self._body(otherwise, node, "else", node.controls),
        )

    def _case(self, node: Node) -> Ran:
        """A question for each branch but the last, which is taken where no answer was yes."""
        functions = [self._function(name, node) for name in node.functions_attr("branches")]
        if len(functions) == 1:
            return self._copy(functions[0], node, node.name, node.inputs[1:], node.pivot, node.controls)
        top = Builder(self._graph, node, node.name, node.pivot)
        answers = [_equals(top, node.inputs[0], number) for number in range(len(functions) - 1)]
        values, types, results = node.inputs[1:], node.types_attr("Tin"), node.types_attr("Tout")

        def branch(number: int) -> Body:
            return self._body(functions[number], node, f"branch{number}", node.controls)

        def ask(number: int, given: Sequence[Tensor], pivot: Node | None) -> Ran:
            """Chooses between a branch and those after it; ``given`` are the values and the answers from it on."""
            builder = Builder(self._graph, node, f"{node.name}/{number}", pivot)
            last = number == len(functions) - 2

            def then(arguments: Sequence[Tensor], inside: Node) -> Ran:
                return branch(number)(arguments[: len(values)], inside)

            def otherwise(arguments: Sequence[Tensor], inside: Node) -> Ran:
                if not last:
                    return ask(number + 1, arguments, inside)
                return branch(number + 1)(arguments, inside)

            taken, rest = given[len(values)], [*given[: len(values)], *given[len(values) + 1 :]]
            rest_types = [*types, *[_BOOL] * (len(rest) - len(values))]
            return choose(builder, taken, rest, rest_types, results, then, otherwise)

        return ask(0, [*values, *answers], node.pivot)

    def _while(self, node: Node) -> Ran:
        condition = self._function(node.function_attr("cond"), node)
        body = self._function(node.function_attr("body"), node)
        invariant = [_returns_argument(body, at) for at in range(len(node.inputs))]
        if all(invariant):  # a loop that never ends, or never begins: something has to go round
            invariant[0] = False
        return loop(
            Builder(self._graph, node, node.name, node.pivot),
            node.inputs,
            node.types_attr("T"),
            invariant,
            # Nothing inside may wait for what is outside but by way of what enters.
            self._body(condition, node, "cond", ()),
            self._body(body, node, "body", ()),
            controls=node.controls,
            parallel_iterations=node.int_attr("parallel_iterations", _PARALLEL_ITERATIONS),
        )


def _bound(attrs: Mapping[str, Any], call: Node) -> Mapping[str, Any]:
    """A body's attributes, where they name those of the call with the call's values."""
    return {
        name: call.attrs.get(value.placeholder, value) if value.WhichOneof("value") == "placeholder" else value
        for name, value in attrs.items()
    }


def _returns_argument(body: Function, at: int) -> bool:
    """Whether a body returns an argument, at the argument's own place, as it was given."""
    reference = body.returns[at]
    while reference.node >= 0:
        node = body.nodes[reference.node]
        if node.op != _HANDS_ON or node.controls:
            return False
        reference = node.inputs[0]
    return reference.index == at


def _as_bool(builder: Builder, node: Node) -> Tensor:
    """The condition of an ``If`` as a bool: a number is true unless it is 0, a string unless it is empty."""
    condition, dtype = node.inputs[0], node.type_attr("Tcond")
    if dtype == _BOOL:
        return condition
    zero = builder.add("zero", "ZerosLike", (condition,), T=type_value(dtype))
    return builder.add("is_true", "NotEqual", (condition, zero.out()), T=type_value(dtype)).out()


def _equals(builder: Builder, index: Tensor, number: int) -> Tensor:
    is_int = type_value(_INT32)
    content = tensor_value(_INT32, (), number.to_bytes(4, "little"))
    constant = builder.add(f"number{number}", "Const", (), dtype=is_int, value=content)
    return builder.add(f"is{number}", "Equal", (index, constant.out()), T=is_int).out()


def chosen_functions(node: Node) -> Iterable[str]:
    """The functions that a node names in its attributes, whatever it does with them."""
    for value in node.attrs.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            yield value.func.name
        elif kind == "list":
            yield from (each.name for each in value.list.func)
