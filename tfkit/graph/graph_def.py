"""Between ``GraphDef`` messages and graphs that can be rewritten."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.proto.wire import write_varint

_NODE_TAG, _ATTR_TAG = b"\x0a", b"\x2a"  # GraphDef.node: field 1; NodeDef.attr: field 5, a map; both messages
_LARGE_BYTES = 1 << 16


def read_graph(message: Any) -> Graph:
    """The main graph of a ``GraphDef``; its functions are left where they are.

    Raises:
        ModelError: A node's input is not there.
    """
    graph = Graph(message.versions.producer)
    nodes = graph.nodes
    for each in message.node:
        nodes[each.name] = Node(each.name, each.op, attrs=dict(each.attr))
    for each in message.node:
        node = nodes[each.name]
        try:
            for text in each.input:
                if text[0] == "^":
                    node.controls.append(nodes[text[1:]])
                else:
                    name, _, output = text.partition(":")
                    node.inputs.append(Tensor(nodes[name], int(output) if output else 0))
        except (KeyError, ValueError, IndexError):
            raise ModelError(f"node {each.name!r} takes {text!r}, which the graph does not have") from None
    return graph


def serialize_nodes(graph: Graph, *, notes: Collection[str] = ()) -> Iterator[bytes]:
    """The nodes as the fields of a serialized ``GraphDef``, one at a time: a graph can be large.

    Attributes that begin with an underscore were notes of the TensorFlow that wrote them, and are left out, as devices
    are.

    Args:
        graph: The graph.
        notes: Those of these attributes that are kept.
    """
    node_def = proto.message("tensorflow.NodeDef")
    for node in graph.nodes.values():
        inputs = [str(tensor) for tensor in node.inputs]
        if node.controls:
            inputs.extend(f"^{name}" for name in dict.fromkeys(control.name for control in node.controls))
        message = node_def(name=node.name, op=node.op, input=inputs)
        attrs, large = message.attr, []
        for name, value in node.attrs.items():
            if value.WhichOneof("value") == "tensor":
                held = value.SerializeToString(deterministic=True)
                if len(held) > _LARGE_BYTES:
                    large += _attribute(name, held)
                    continue
            if name[0] != "_" or name in notes:
                attrs[name].CopyFrom(value)
        data = message.SerializeToString(deterministic=True)
        yield _NODE_TAG + write_varint(len(data) + sum(map(len, large))) + data
        yield from large


def _attribute(name: str, held: bytes) -> list[bytes]:
    """A serialized attribute as a field of a ``NodeDef``, in parts, so that a large one is copied but once."""
    key = name.encode()
    head = b"\x0a" + write_varint(len(key)) + key + b"\x12" + write_varint(len(held))
    return [_ATTR_TAG + write_varint(len(head) + len(held)) + head, held]
