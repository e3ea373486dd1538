"""Variables and tables in the functions of branches and loops.

TensorFlow hands their handles in as arguments. A variable becomes a constant, which is an argument as well: functions
that tf2onnx knows as layers take their weights so. A table is made known where it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfkit.arrays import Array
from tfkit.errors import LoweringError, ModelError
from tfkit.export.onnx.program import Body, Program, first_argument, is_loop, move_inputs, types_name
from tfkit.graph.attributes import shapes_value, type_value, types_value
from tfkit.graph.nodes import Node, Tensor
from tfkit.lower.facts import SHAPES
from tfkit.lower.flat import FlatModel
from tfkit.lower.freeze import freeze
from tfkit.tensors import DType

_RESOURCE = int(DType.RESOURCE)
_NEXT = "ONNX has no variables: make what changes an input and an output of the model."


@dataclass(slots=True)
class Handles:
    """Where the main graph's handles are.

    Attributes:
        origins: The names of the main graph's nodes, by their copies in functions.
    """

    origins: dict[Node, str] = field(default_factory=dict)

    def name(self, node: Node) -> str:
        """The name of a handle's node in the main graph."""
        return self.origins.get(node, node.name)


def sink(program: Program) -> Handles:
    """Makes each handle where it is needed, so that no function takes one.

    Raises:
        LoweringError: A handle is made by a branch or a loop.
    """
    handles = Handles()
    for model in program.models():
        for call, bodies in program.calls(model):
            start = first_argument(call)
            for place in reversed(range(len(call.inputs) - start)):
                if call.types_attr(types_name(call))[place] != _RESOURCE:
                    continue
                maker = _maker(call, call.inputs[start + place])
                for body in bodies:
                    _make_inside(body, place, maker, handles)
                _drop_argument(model, call, bodies, place, maker.out())
    program.prune()
    return handles


def freeze_all(program: Program, handles: Handles, values: Mapping[str, Array]) -> None:
    """Makes constants of all variables, and arguments of those in functions.

    Args:
        program: The program, after ``sink``; it is changed.
        handles: What ``sink`` gave.
        values: The variables' values by the names of the main graph's nodes.

    Raises:
        LoweringError: The model changes a variable when it runs.
    """
    frozen: dict[Node, str] = {}
    for model in program.models():
        variables = {node.name: node for node in model.graph.nodes.values() if handles.name(node) in values}
        origins = {node: handles.name(node) for node in variables.values()}
        try:
            freeze(model, {name: values[origins[node]] for name, node in variables.items()}, variables)
        except ModelError as error:
            raise LoweringError(f"the model cannot be made an ONNX model: {error.message}", hint=_NEXT) from None
        frozen.update(origins)
    for model in reversed(list(program.models())):
        for call, bodies in program.calls(model):
            _lift(model, call, bodies, frozen)
    program.prune()


def _maker(call: Node, tensor: Tensor) -> Node:
    """The node that makes a handle."""
    node = tensor.node
    while node.op == "Identity":
        node = node.inputs[0].node
    if node.inputs or node.op == "Placeholder":
        raise LoweringError(
            f"node {call.name!r} ({call.op}) is handed a resource that {node.name!r} ({node.op}) makes: ONNX has only "
            "tensors",
            hint=_NEXT,
        )
    return node


def _make_inside(body: Body, place: int, maker: Node, handles: Handles) -> None:
    """Puts the maker of a handle in the place of an argument."""
    argument = body.arguments.pop(place)
    copy = body.model.graph.add(Node(maker.name, maker.op, attrs=maker.attrs, origin=maker.origin))
    handles.origins[copy] = handles.name(maker)
    body.model.graph.forward({argument: copy.outs(1)})
    body.keep_ends()


def _drop_argument(model: FlatModel, call: Node, bodies: list[Body], place: int, handle: Tensor) -> None:
    del call.inputs[first_argument(call) + place]
    attrs = dict(call.attrs)
    types = call.types_attr(types_name(call))
    attrs[types_name(call)] = types_value([*types[:place], *types[place + 1 :]])
    if is_loop(call):
        del bodies[-1].results[place]
        bodies[-1].keep_ends()
        _drop_shape(attrs, "output_shapes", place)
        _drop_shape(attrs, SHAPES, place)
        _shift_outputs(model, call, place, handle)
    call.attrs = attrs


def _drop_shape(attrs: dict[str, object], name: str, place: int) -> None:
    value = attrs.get(name)
    shapes = getattr(getattr(value, "list", None), "shape", ())
    if len(shapes) > place:
        copy = type(value)()
        copy.CopyFrom(value)  # type: ignore[attr-defined]
        del copy.list.shape[place]  # type: ignore[attr-defined]
        attrs[name] = copy


def _shift_outputs(model: FlatModel, call: Node, place: int, handle: Tensor) -> None:
    """Lets what takes a loop's outputs take them where they are without one of them."""

    def moved(tensor: Tensor) -> Tensor:
        if tensor.node is not call or tensor.output < place:
            return tensor
        return handle if tensor.output == place else Tensor(call, tensor.output - 1)

    move_inputs(model, moved)


def _lift(model: FlatModel, call: Node, bodies: list[Body], frozen: dict[Node, str]) -> None:
    """Makes arguments of the frozen variables in a call's functions."""
    found = {
        origin: node
        for body in bodies
        for node, origin in frozen.items()
        if body.model.graph.nodes.get(node.name) is node
    }
    own = {origin: node for node, origin in frozen.items() if model.graph.nodes.get(node.name) is node}
    for origin, node in sorted(found.items()):
        if origin not in own:
            own[origin] = model.graph.add(Node(node.name, node.op, attrs=node.attrs))
            frozen[own[origin]] = origin
        dtype, tensor = node.attrs["dtype"], node.attrs["value"].tensor
        shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
        for body in bodies:
            argument = Node(
                "argument_of_variable", "Placeholder", attrs={"dtype": dtype, SHAPES: shapes_value((shape,))}
            )
            body.model.graph.add(argument)
            body.arguments.append(argument)
            inside = [
                each
                for each, name in frozen.items()
                if name == origin and body.model.graph.nodes.get(each.name) is each
            ]
            body.model.graph.forward({each: argument.outs(1) for each in inside})
            for each in inside:
                del body.model.graph.nodes[each.name]
        call.inputs.append(own[origin].out())
        _add_argument(call, bodies, dtype.type, shape)


def _add_argument(call: Node, bodies: list[Body], dtype: int, shape: tuple[int, ...]) -> None:
    attrs = dict(call.attrs)
    attrs[types_name(call)] = types_value([*call.types_attr(types_name(call)), dtype])
    if is_loop(call):
        looped = bodies[-1]
        end = Node("result_of_variable", "Identity", (looped.arguments[-1].out(),), {"T": type_value(dtype)})
        looped.results.append(looped.model.graph.add(end).out())
        for name in ("output_shapes", SHAPES):
            if name in attrs and attrs[name].list.shape:
                copy = type(attrs[name])()
                copy.CopyFrom(attrs[name])
                copy.list.shape.add().CopyFrom(shapes_value((shape,)).list.shape[0])
                attrs[name] = copy
    call.attrs = attrs
    for body in bodies:
        body.keep_ends()
