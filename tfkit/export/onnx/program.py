"""A model whose branches and loops still are functions, as ONNX has them, and each function a graph of its own.

The functions are read into graphs by themselves, one for each call, so that a rewrite may change them as it changes the
main graph, and so that what one call knows of its arguments does not have to hold for another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.graph.attributes import shapes_value, type_value, types_value
from tfkit.graph.functions import CASES, IFS, WHILES, Functions
from tfkit.graph.inline import Inliner
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.lower.facts import SHAPES, Facts
from tfkit.lower.flat import FlatModel, FlatSignature
from tfkit.lower.signatures import ChosenSignature, read_chosen
from tfkit.tensors import DType

KEPT = IFS | WHILES | CASES
# The attributes of calls that name functions, and the one that holds the dtypes of what these take.
_BODIES = {"If": ("then_branch", "else_branch"), "While": ("cond", "body")}
_BODY = "body"
_SHAPES = "output_shapes"
_MOST_DEPTH = 20
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


@dataclass(slots=True)
class Body:
    """A function: a part of a model that takes tensors and gives tensors.

    Attributes:
        name: Its name.
        model: The part.
        arguments: Its placeholders.
        results: What it gives.
    """

    name: str
    model: FlatModel
    arguments: list[Node]
    results: list[Tensor]

    def keep_ends(self) -> None:
        """Tells the part what of it is needed: after its arguments or results have changed."""
        ends = self.model.signatures[_BODY]
        ends.inputs = {str(index): node.out() for index, node in enumerate(self.arguments)}
        ends.outputs = {str(index): tensor for index, tensor in enumerate(self.results)}


@dataclass(slots=True)
class Program:
    """A signature of a model, and the functions that its branches and loops call.

    Attributes:
        main: The main graph; it has one signature.
        bodies: The functions by name; one comes after the one that calls it.
    """

    main: FlatModel
    bodies: dict[str, Body] = field(default_factory=dict)

    def models(self) -> Iterator[FlatModel]:
        """All graphs, the main one first."""
        yield self.main
        yield from (body.model for body in self.bodies.values())

    def calls(self, model: FlatModel) -> list[tuple[Node, list[Body]]]:
        """The branches and loops of a graph, each with its functions."""
        return [
            (node, [self.bodies[node.function_attr(name)] for name in _BODIES[_kind(node)]])
            for node in model.graph.nodes.values()
            if node.op in KEPT
        ]

    def prune(self) -> None:
        """Drops what no result needs."""
        for model in self.models():
            model.prune()


def read_program(path: Path, tags: Sequence[str], signature: str | ChosenSignature) -> Program:
    """Reads one signature of a SavedModel.

    Raises:
        ModelError: There is no SavedModel, or a damaged one.
        SignatureError: It has no such signature or tag set.
    """
    main = read_chosen(path, tags, [signature], keep=KEPT)
    if main.functions is None:
        raise AssertionError("functions were kept")
    main.graph.keep(main.roots(), pivots=False)
    _give_each_output_a_node(main)
    reader = _Reader(Program(main), main.functions)
    reader.read(main, depth=0)
    return reader.program


def is_loop(call: Node) -> bool:
    """Whether a call is a loop, not a branch."""
    return call.op in WHILES


def first_argument(call: Node) -> int:
    """The place of the first input that goes to the functions: a branch's first input chooses."""
    return 0 if is_loop(call) else 1


def types_name(call: Node) -> str:
    """The attribute that holds the dtypes of what goes to the functions."""
    return "T" if is_loop(call) else "Tin"


def move_inputs(model: FlatModel, moved: Callable[[Tensor], Tensor]) -> None:
    """Lets all nodes of a graph take other tensors; what it gives is never taken from a call directly."""
    for node in model.graph.nodes.values():
        node.inputs = [moved(tensor) for tensor in node.inputs]


def function_value(name: str) -> Any:
    """An attribute that names a function."""
    value = proto.message("tensorflow.AttrValue")()
    value.func.name = name
    return value


def _kind(node: Node) -> str:
    return "While" if node.op in WHILES else "If"


def _give_each_output_a_node(main: FlatModel) -> None:
    """So that no two outputs are one tensor, and none is an input: each gets a name of its own."""
    for signature in main.signatures.values():
        for name, tensor in signature.outputs.items():
            attrs = {"T": type_value(signature.message.outputs[name].dtype)}
            place = f"output/{_NOT_IN_NAMES.sub('_', name)}"
            signature.outputs[name] = main.graph.add(Node(place, "Identity", (tensor,), attrs)).out()


class _Reader:
    def __init__(self, program: Program, functions: Functions) -> None:
        self.program = program
        self._functions = functions

    def read(self, model: FlatModel, depth: int) -> None:
        """Reads the functions that a graph calls, and those that these call."""
        if depth > _MOST_DEPTH:
            raise ModelError(f"{model.path}: branches and loops are nested more than {_MOST_DEPTH} deep")
        facts = Facts(model.graph)
        for node in list(model.graph.nodes.values()):
            if node.op in CASES:
                self._as_branches(node, model.graph)
        for node in [node for node in model.graph.nodes.values() if node.op in KEPT]:
            shapes = _argument_shapes(node, facts)
            for attribute in _BODIES[_kind(node)]:
                name = node.function_attr(attribute)
                if name in self.program.bodies:
                    body = self.program.bodies[name]  # one that was made here
                else:
                    body = self._body(name, node.types_attr(types_name(node)), shapes, model)
                node.attrs = {**node.attrs, attribute: function_value(body.name)}
                self.read(body.model, depth + 1)

    def _body(self, name: str, types: Sequence[int], shapes: Sequence[Any], model: FlatModel) -> Body:
        """A function's own copy of its body."""
        function = self._functions[name]
        graph = Graph(model.graph.producer)
        arguments = []
        for index, dtype in enumerate(types):
            attrs = {"dtype": type_value(dtype), SHAPES: shapes_value((shapes[index],))}
            arguments.append(graph.add(Node(f"argument{index}", "Placeholder", attrs=attrs)))
        # A choice among several passes on what only the last ones need.
        inputs = [node.out() for node in arguments[: len(function.arguments)]]
        call = graph.add(
            Node(f"in_{_NOT_IN_NAMES.sub('_', name)}", "PartitionedCall", inputs, {"f": function_value(name)})
        )
        inliner = Inliner(graph, self._functions, lambda _: False, keep=KEPT)
        inliner.run()
        results = [inliner.now(call.out(index)) for index in range(self._functions.returned(name))]
        return self._add(name, model, graph, arguments, results)

    def _add(self, name: str, model: FlatModel, graph: Graph, arguments: list[Node], results: Sequence[Tensor]) -> Body:
        facts = Facts(graph)
        ends = [
            graph.add(Node(f"result{index}", "Identity", (tensor,), {"T": type_value(facts.dtype(tensor))})).out()
            for index, tensor in enumerate(results)
        ]
        part = FlatModel(
            model.path, model.tags, model.tensorflow, graph, {_BODY: FlatSignature(None, {}, {})},
            functions=self._functions,
        )  # fmt: skip
        called = _NOT_IN_NAMES.sub("_", name).strip("_") or _BODY
        body = Body(f"{called}_{len(self.program.bodies)}", part, arguments, ends)
        body.keep_ends()
        graph.keep(part.roots(), pivots=False)
        self.program.bodies[body.name] = body
        return body

    def _as_branches(self, node: Node, graph: Graph) -> None:
        """Makes a ``Case`` an ``If``: the first branch, or in a function of its own the choice among the others."""
        names = node.functions_attr("branches")
        types, results = node.types_attr("Tin"), node.types_attr("Tout")
        index, values = node.inputs[0], node.inputs[1:]
        int32 = type_value(int(DType.INT32))
        otherwise = self._other_branches(node, names[1:], types, results).name if len(names) > 2 else names[-1]
        zero = graph.add(Node(f"{node.name}/zero", "Sub", (index, index), {"T": int32}))
        first = graph.add(Node(f"{node.name}/is_first", "Equal", (index, zero.out()), {"T": int32}))
        node.op = "StatelessIf" if node.op.startswith("Stateless") else "If"
        node.inputs = [first.out(), *values, index]
        node.attrs = {
            **{name: value for name, value in node.attrs.items() if name[0] == "_" or name == _SHAPES},
            "Tcond": type_value(int(DType.BOOL)),
            "Tin": types_value([*types, int(DType.INT32)]),
            "Tout": types_value(results),
            "then_branch": function_value(names[0]),
            "else_branch": function_value(otherwise),
        }
        if len(names) == 1:
            node.attrs = {**node.attrs, "else_branch": function_value(names[0])}

    def _other_branches(self, node: Node, names: Sequence[str], types: Sequence[int], results: Sequence[int]) -> Body:
        """A function that takes what the branches take and the index, and chooses from the second branch on."""
        graph = Graph()
        int32 = int(DType.INT32)
        arguments = [
            graph.add(Node(f"argument{at}", "Placeholder", attrs={"dtype": type_value(dtype)}))
            for at, dtype in enumerate((*types, int32))
        ]
        index = arguments[-1].out()
        one = graph.add(Node("one", "OnesLike", (index,), {"T": type_value(int32)}))
        less = graph.add(Node("index", "Sub", (index, one.out()), {"T": type_value(int32)}))
        branches = proto.message("tensorflow.AttrValue")()
        for name in names:
            branches.list.func.add(name=name)
        attrs = {"Tin": types_value(types), "Tout": types_value(results), "branches": branches}
        attrs |= {name: value for name, value in node.attrs.items() if name == _SHAPES}
        choice = graph.add(Node("choice", node.op, [less.out(), *(each.out() for each in arguments[:-1])], attrs))
        return self._add("branches", self.program.main, graph, arguments, choice.outs(len(results)))


def _argument_shapes(call: Node, facts: Facts) -> list[Any]:
    """What is known of the shapes of what goes to a call's functions: of a loop's, what holds for every turn."""
    given = [facts.shape(tensor) for tensor in call.inputs[first_argument(call) :]]
    if not is_loop(call):
        return given
    return [facts.shape(call.out(index)) for index in range(len(given))]
