"""Loops as tf2onnx wants them: the first thing that goes round counts the turns, the second is their largest number.

``tf.while_loop`` writes them so; others get both.
"""

from __future__ import annotations

import numpy as np

from tfkit.export.onnx.program import Body, Program, is_loop, move_inputs
from tfkit.graph.attributes import shapes_value, tensor_value, type_value, types_value
from tfkit.graph.nodes import Node, Tensor
from tfkit.lower.facts import SHAPES, Facts
from tfkit.lower.flat import FlatModel
from tfkit.tensors import DType

_INT32 = int(DType.INT32)
_COUNTERS = 2


def count_turns(program: Program) -> None:
    """Gives a counter and a limit to each loop that has none."""
    for model in program.models():
        facts = Facts(model.graph)
        for call, bodies in program.calls(model):
            if is_loop(call) and not _is_counted(model, call, bodies[-1], facts):
                _add_counters(model, call, bodies)


def _is_counted(model: FlatModel, call: Node, body: Body, facts: Facts) -> bool:
    """Whether a loop begins with a counter from 0 and a limit, and nobody asks for either afterwards."""
    if call.types_attr("T")[:_COUNTERS] != [_INT32] * _COUNTERS:
        return False
    start = facts.value(call.inputs[0])
    if start is None or start.shape != () or start != 0:
        return False
    if any(
        tensor.node is call and tensor.output < _COUNTERS
        for node in model.graph.nodes.values()
        for tensor in node.inputs
    ):
        return False
    return _behind(body.results[1]) == body.arguments[1].out() and _counts(body)


def _counts(body: Body) -> bool:
    """Whether the first result is the first argument and one."""
    added = _behind(body.results[0]).node
    if added.op not in ("Add", "AddV2"):
        return False
    one = Facts(body.model.graph).value(added.inputs[1])
    return _behind(added.inputs[0]) == body.arguments[0].out() and one is not None and bool(np.all(one == 1))


def _behind(tensor: Tensor) -> Tensor:
    while tensor.node.op == "Identity":
        tensor = tensor.node.inputs[0]
    return tensor


def _add_counters(model: FlatModel, call: Node, bodies: list[Body]) -> None:
    condition, body = bodies
    zero, no_limit = (_constant(model, f"{call.name}/{name}", value) for name, value in (("turn", 0), ("limit", -1)))
    for each in bodies:
        counters = [
            each.model.graph.add(
                Node(name, "Placeholder", attrs={"dtype": type_value(_INT32), SHAPES: shapes_value(((),))})
            )
            for name in ("turn", "limit")
        ]
        each.arguments[:0] = counters
    one = _constant(body.model, "one", 1)
    turn, limit = (argument.out() for argument in body.arguments[:_COUNTERS])
    attrs = {"T": type_value(_INT32)}
    following = body.model.graph.add(Node("turn/next", "AddV2", (turn, one), attrs))
    ends = [("turn/result", following.out()), ("limit/result", limit)]
    body.results[:0] = [body.model.graph.add(Node(name, "Identity", (end,), attrs)).out() for name, end in ends]
    call.inputs[:0] = [zero, no_limit]
    changed = {**call.attrs, "T": types_value([_INT32, _INT32, *call.types_attr("T")])}
    for name in ("output_shapes", SHAPES):
        if name in changed and changed[name].list.shape:
            value = type(changed[name])()
            value.CopyFrom(shapes_value(((), ())))
            value.list.shape.extend(changed[name].list.shape)
            changed[name] = value
    call.attrs = changed
    _shift(model, call)
    condition.keep_ends()
    body.keep_ends()


def _constant(model: FlatModel, name: str, value: int) -> Tensor:
    content = np.int32(value).tobytes()
    attrs = {"dtype": type_value(_INT32), "value": tensor_value(_INT32, (), content)}
    return model.graph.add(Node(name, "Const", attrs=attrs)).out()


def _shift(model: FlatModel, call: Node) -> None:
    """Lets what takes a loop's outputs take them behind the two new ones."""

    def moved(tensor: Tensor) -> Tensor:
        return Tensor(call, tensor.output + _COUNTERS) if tensor.node is call else tensor

    move_inputs(model, moved)
