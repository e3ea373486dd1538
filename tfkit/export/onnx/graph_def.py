"""Writes a program as a ``GraphDef`` with a library of functions."""

from __future__ import annotations

from typing import Any

from tfkit import proto
from tfkit.export.onnx.program import KEPT, Body, Program
from tfkit.graph.graph_def import serialize_nodes
from tfkit.graph.nodes import Node, Tensor
from tfkit.lower.facts import SHAPES
from tfkit.lower.flat import count_of
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.tables import op_table

_ONE_LIST = "output"  # the only output of what calls functions


def serialize(program: Program, graph_version: int) -> bytes:
    """A program as a serialized ``GraphDef``.

    Args:
        program: The program.
        graph_version: The version that it is written for.
    """
    rest = proto.message("tensorflow.GraphDef")()
    rest.versions.producer = graph_version
    for number, body in enumerate(program.bodies.values()):
        _write_function(rest.library.function.add(), body, number)
    return b"".join((*serialize_nodes(program.main.graph), rest.SerializeToString(deterministic=True)))


def _write_function(message: Any, body: Body, number: int) -> None:
    """Writes a function; no other has nodes or arguments of the same names, as tf2onnx puts one into the other."""
    message.signature.name = body.name
    names = {argument: f"argument{index}_of_{number}" for index, argument in enumerate(body.arguments)}
    for index, (argument, name) in enumerate(names.items()):
        message.signature.input_arg.add(name=name, type=argument.type_attr("dtype"))
        if SHAPES in argument.attrs:
            message.arg_attr[index].attr[SHAPES].CopyFrom(argument.attrs[SHAPES])
    taken = set(names.values())
    for node in body.model.graph.nodes.values():
        if node not in names:
            names[node] = _free_name(f"{body.name}/{node.name}", taken)
    for node in body.model.graph.nodes.values():
        if node not in body.arguments:
            _write_node(message.node_def.add(), node, names, set(body.arguments))
    for index, tensor in enumerate(body.results):
        name = f"result{index}"
        message.signature.output_arg.add(name=name, type=tensor.node.type_attr("T"))
        message.ret[name] = _reference(tensor, names, set(body.arguments))


def _write_node(message: Any, node: Node, names: dict[Node, str], arguments: set[Node]) -> None:
    message.name, message.op = names[node], node.op
    message.input.extend(_reference(tensor, names, arguments) for tensor in node.inputs)
    controls = dict.fromkeys(names[control] for control in node.controls if control not in arguments)
    message.input.extend(f"^{name}" for name in controls)
    for name, value in node.attrs.items():
        if name[0] != "_":
            message.attr[name].CopyFrom(value)


def _reference(tensor: Tensor, names: dict[Node, str], arguments: set[Node]) -> str:
    """A tensor as functions call it: ``argument``, or ``node:output:index``."""
    node, at = tensor
    if node in arguments:
        return names[node]
    if node.op in KEPT:
        return f"{names[node]}:{_ONE_LIST}:{at}"
    op = op_table(INSTALLED).op(node.op)
    for argument in op.outputs if op is not None else ():
        count = count_of(argument, node.attrs)
        if at < count:
            return f"{names[node]}:{argument.name}:{at}"
        at -= count
    raise AssertionError(f"{node.op} has no output {tensor.output}")


def _free_name(name: str, taken: set[str]) -> str:
    free, count = name, 0
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free
