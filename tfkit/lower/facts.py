"""What is known of a graph's tensors without running it: dtypes, shapes, the values of constants."""

from __future__ import annotations

from tfkit.arrays import Array
from tfkit.graph.nodes import Attributes, Graph, Node, Tensor
from tfkit.graph.tensor_proto import tensor_array
from tfkit.lower.flat import dtypes_of
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.ops import Op
from tfkit.processors.tables import op_table
from tfkit.tensors import Shape

_REF = 100
SHAPES = "_output_shapes"  # TensorFlow notes it on every node of a SavedModel
_HAND_ON = frozenset(
    ("Identity", "StopGradient", "PreventGradient", "Enter", "Exit", "NextIteration", "LoopCond", "Switch", "Snapshot")
)
_SAME_SHAPE = _HAND_ON | {"Cast", "ZerosLike", "OnesLike", "Neg", "Relu", "Sigmoid", "Tanh", "Softmax"}
_FRAMES = frozenset(("Switch", "RefSwitch", "Enter", "RefEnter"))
_MAX_STEPS = 1000


class Facts:
    """Answers about the tensors of a graph, and of nodes added to it.

    Attributes:
        has_frames: Whether the graph had branches or loops of TensorFlow 1 before anything was inlined.
    """

    def __init__(self, graph: Graph) -> None:
        self._table = op_table(INSTALLED)
        self.has_frames = any(
            node.op in _FRAMES and node.origin is None and node.pivot is None for node in graph.nodes.values()
        )

    def dtype(self, tensor: Tensor) -> int:
        """The number of a tensor's dtype, that of the value where it is a reference; 0 if that is not known."""
        op = self._table.op(tensor.node.op)
        if op is None:
            return 0
        at = 0
        for argument in op.outputs:
            dtypes = dtypes_of(argument, _with_default(tensor.node.attrs, op, argument.type_attr))
            if tensor.output < at + len(dtypes):
                return dtypes[tensor.output - at] % _REF
            at += len(dtypes)
        return 0

    def shape(self, tensor: Tensor) -> Shape | None:
        """What is known of a tensor's shape; ``None`` if not even its rank is."""
        for _ in range(_MAX_STEPS):
            node = tensor.node
            if (noted := _noted_shape(node, tensor.output)) is not None:
                return noted
            if node.op == "ReadVariableOp":
                return self._variable_shape(node.inputs[0])
            if node.op not in _SAME_SHAPE or not node.inputs:
                return None
            tensor = node.inputs[0]
        return None

    def _variable_shape(self, handle: Tensor) -> Shape | None:
        """What the handle of a variable says of the variable's shape."""
        for _ in range(_MAX_STEPS):
            node = handle.node
            if node.op == "VarHandleOp":
                return _as_shape(node.attrs["shape"].shape)
            if node.op not in _HAND_ON or not node.inputs:
                return None
            handle = node.inputs[0]
        return None

    def value(self, tensor: Tensor) -> Array | None:
        """The values of a constant, also where it was handed on; ``None`` for anything else."""
        for _ in range(_MAX_STEPS):
            node = tensor.node
            if node.op == "Const":
                return tensor_array(node.attrs["value"].tensor)
            if node.op not in _HAND_ON or not node.inputs:
                return None
            tensor = node.inputs[0]
        return None


def _with_default(attrs: Attributes, op: Op, name: str) -> Attributes:
    """A node's attributes, and one that it may have left out."""
    if not name or name in attrs or op.attributes[name].default is None:
        return attrs
    return {**attrs, name: op.attributes[name].default}


def _noted_shape(node: Node, output: int) -> Shape | None:
    noted = node.attrs.get(SHAPES)
    if noted is not None and output < len(noted.list.shape):
        return _as_shape(noted.list.shape[output])
    if node.op == "Const":
        return _as_shape(node.attrs["value"].tensor.tensor_shape)
    if node.op == "Placeholder" and "shape" in node.attrs:
        return _as_shape(node.attrs["shape"].shape)
    return None


def _as_shape(message: object) -> Shape | None:
    shape: object = message
    if shape.unknown_rank:  # type: ignore[attr-defined]
        return None
    return tuple(None if dim.size < 0 else int(dim.size) for dim in shape.dim)  # type: ignore[attr-defined]
