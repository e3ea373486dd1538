"""What is known of a training graph's tensors; frozen graphs carry no notes of their shapes, so some are worked out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tfkit.arrays import Array
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.lower.facts import Facts
from tfkit.tensors import Shape

PLACEHOLDERS = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"))
_SAME = frozenset((
    "BiasAdd", "BiasAddV1", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "LogSoftmax", "Relu6", "Elu",
    "Selu", "LeakyRelu", "Softplus", "Softsign", "Exp", "Log", "Sqrt", "Rsqrt", "Square", "Abs", "Erf", "Floor",
    "LogicalNot", "LRN", "Identity", "Reciprocal", "Tanh", "Sigmoid", "Softmax", "Relu", "Neg",
))  # fmt: skip
_ELEMENTWISE = frozenset((
    "Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "Maximum", "Minimum", "Pow", "SquaredDifference", "Greater",
    "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "LogicalAnd", "LogicalOr",
))  # fmt: skip
_CONVOLUTIONS = {"Conv2D": 4, "Conv3D": 5}
_DEEPEST = 200
_MOST_VALUES = 1_000_000


class GraphFacts(Facts):
    """Answers about tensors, as far as it goes without running anything."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self._worked_out: dict[Tensor, Shape | None] = {}

    def shape(self, tensor: Tensor) -> Shape | None:
        """What is known of a tensor's shape; ``None`` if not even its rank is."""
        return self._shape(tensor, 0)

    def value(self, tensor: Tensor) -> Array | None:
        """The values of a constant; ``None`` for anything else, and for one that a few bytes claim to be huge."""
        if tensor.node.op == "Const":
            sizes = [dim.size for dim in tensor.node.attrs["value"].tensor.tensor_shape.dim]
            if any(size < 0 for size in sizes) or math.prod(sizes) > _MOST_VALUES:
                return None
        return super().value(tensor)

    def _shape(self, tensor: Tensor, depth: int) -> Shape | None:
        known = super().shape(tensor)
        if known is not None or depth > _DEEPEST:
            return known
        if tensor not in self._worked_out:
            self._worked_out[tensor] = None  # a loop knows no more than this
            self._worked_out[tensor] = self._work_out(tensor, depth)
        return self._worked_out[tensor]

    def _work_out(self, tensor: Tensor, depth: int) -> Shape | None:
        node = tensor.node
        if node.op in PLACEHOLDERS:
            return declared_shape(node)
        if "output_shapes" in node.attrs:  # what comes out of a data set's iterator
            shapes = node.attrs["output_shapes"].list.shape
            return as_shape(shapes[tensor.output]) if tensor.output < len(shapes) else None
        rule = self._rule(node) if not tensor.output else None
        return rule(node, depth + 1) if rule is not None else None

    def _rule(self, node: Node) -> Callable[[Node, int], Shape | None] | None:
        if node.op in _SAME:
            return lambda node, depth: self._shape(node.inputs[0], depth)
        if node.op in _ELEMENTWISE:
            return self._broadcast
        if node.op in _CONVOLUTIONS:
            return self._convolution
        return {"MatMul": self._product, "Reshape": self._reshaped, "ArgMax": self._without_axis}.get(node.op)

    def _broadcast(self, node: Node, depth: int) -> Shape | None:
        a, b = (self._shape(tensor, depth) for tensor in node.inputs)
        if a is None or b is None:
            return None
        short, long = sorted((a, b), key=len)
        padded = (1,) * (len(long) - len(short)) + short
        return tuple(x if y == 1 else y if x in (1, y) else x if y is None else y if x is None else None
                     for x, y in zip(padded, long, strict=True))  # fmt: skip

    def _product(self, node: Node, depth: int) -> Shape | None:
        a, b = (self._shape(tensor, depth) for tensor in node.inputs)
        rows = None if a is None or len(a) != 2 else a[1 if node.bool_attr("transpose_a") else 0]
        columns = None if b is None or len(b) != 2 else b[0 if node.bool_attr("transpose_b") else 1]
        return rows, columns

    def _convolution(self, node: Node, depth: int) -> Shape | None:
        images, kernel = (self._shape(tensor, depth) for tensor in node.inputs)
        rank = _CONVOLUTIONS[node.op]
        batch = images[0] if images is not None and len(images) == rank else None
        filters = kernel[-1] if kernel is not None and len(kernel) == rank else None
        if node.text_attr("data_format", "N").startswith("NC"):
            return (batch, filters, *[None] * (rank - 2))
        return (batch, *[None] * (rank - 2), filters)

    def _reshaped(self, node: Node, depth: int) -> Shape | None:
        del depth
        sizes = self.value(node.inputs[1])
        return None if sizes is None else tuple(None if size < 0 else int(size) for size in sizes.reshape(-1))

    def _without_axis(self, node: Node, depth: int) -> Shape | None:
        shape, axis = self._shape(node.inputs[0], depth), self.value(node.inputs[1])
        if shape is None or axis is None or axis.ndim or not -len(shape) <= int(axis) < len(shape):
            return None
        at = int(axis) % len(shape)
        return shape[:at] + shape[at + 1 :]


def declared_shape(node: Node) -> Shape | None:
    """The shape that a placeholder or a variable says it has."""
    return as_shape(node.attrs["shape"].shape) if "shape" in node.attrs else None


def as_shape(message: Any) -> Shape | None:
    """The shape in a ``TensorShapeProto``."""
    if message.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else int(dim.size) for dim in message.dim)
