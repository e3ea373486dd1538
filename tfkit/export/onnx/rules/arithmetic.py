"""Plain arithmetic: rests, signs, products of vectors, numbers in a line."""

from __future__ import annotations

import numpy as np

from tfkit.export.onnx.rules.registry import formulas, onnx_rule
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.tensors import DType

_SIGNED = (DType.HALF, DType.FLOAT, DType.DOUBLE)


@onnx_rule("TruncateMod", makes="TruncateDiv, Mul, Sub")
def truncate_mod(edit: Edit) -> None:
    """What is left of a division that rounds towards zero."""
    x, y = edit.node.inputs
    edit.become("Sub", (x, edit.binary("Mul", edit.binary("TruncateDiv", x, y), y)), T=edit.dtype(x))


@onnx_rule("Inv", makes="Reciprocal")
def inv(edit: Edit) -> None:
    """Another name."""
    edit.become("Reciprocal", edit.node.inputs, T=edit.dtype(edit.input(0)))


@onnx_rule("L2Loss", makes="Square, Sum, Mul")
def l2_loss(edit: Edit) -> None:
    """Half of the sum of the squares."""
    x, dtype = edit.input(0), edit.dtype(edit.input(0))
    flat = edit.reshape(edit.add("Square", (x,), T=dtype), [-1])
    edit.become("Mul", (edit.reduce("Sum", flat, [0]), edit.const(0.5, dtype)), T=dtype)


@onnx_rule("ApproximateEqual", makes="Sub, Abs, Less")
def approximate_equal(edit: Edit) -> None:
    """Whether two numbers are nearer to each other than the tolerance."""
    maths, (x, y) = formulas(edit), edit.node.inputs
    distance = maths.do("Abs", maths.do("Sub", x, y))
    tolerance = edit.node.float_attr("tolerance", float(np.float32(1e-5)))
    edit.become("Less", (distance, maths.of(tolerance)), T=edit.dtype(x))


@onnx_rule("Cross", makes="GatherV2, Mul, Sub")
def cross(edit: Edit) -> None:
    """Of vectors of three numbers, the last axis."""
    x, y = edit.node.inputs
    last = edit.rank(x, "the vectors") - 1

    def turned(tensor: Tensor, order: list[int]) -> Tensor:
        return edit.gather(tensor, order, last)

    first = edit.binary("Mul", turned(x, [1, 2, 0]), turned(y, [2, 0, 1]))
    second = edit.binary("Mul", turned(x, [2, 0, 1]), turned(y, [1, 2, 0]))
    edit.become("Sub", (first, second), T=edit.dtype(x))


@onnx_rule("LinSpace", makes="Range, Mul, Add")
def lin_space(edit: Edit) -> None:
    """The last number is the end itself, without rounding."""
    start, stop, count = edit.node.inputs
    dtype = edit.dtype(start)
    maths = Formulas(edit, dtype)
    steps = edit.cast(edit.binary("Maximum", edit.binary("Sub", count, edit.const(1, edit.dtype(count))),
                                  edit.const(1, edit.dtype(count))), dtype)  # fmt: skip
    step = maths.do("RealDiv", maths.do("Sub", stop, start), steps)
    places = edit.cast(edit.range_of(edit.cast(count, DType.INT32)), dtype)
    numbers = maths.do("Add", start, maths.do("Mul", places, step))
    is_last = edit.binary("Less", steps, maths.do("Add", places, 0.5))
    edit.become_identity(maths.choose(is_last, stop, numbers))


@onnx_rule("BroadcastArgs", makes="Pad, Maximum")
def broadcast_args(edit: Edit) -> None:
    """Of two shapes each size that is not 1; a size of 0 is no reason to look at the other."""
    x, y = edit.node.inputs
    dtype = edit.dtype(x)
    rank = edit.binary("Maximum", edit.size(x), edit.size(y))

    def padded(shape: Tensor) -> Tensor:
        more = edit.reshape(edit.binary("Sub", rank, edit.size(shape)), [1])
        ones = edit.add("Fill", (more, edit.const(1, dtype)), T=dtype, index_type=DType.INT32)
        return edit.concat([ones, shape])

    x, y = padded(x), padded(y)
    edit.become_identity(edit.select(edit.binary("Equal", x, edit.const(1, dtype)), y, x))


@onnx_rule("InTopKV2", makes="Greater, Sum, Less")
def in_top_k(edit: Edit) -> None:
    """Whether fewer than ``k`` scores exceed that of the target."""
    scores, targets, count = edit.node.inputs
    dtype, index = edit.dtype(scores), edit.dtype(targets)
    classes = edit.part(edit.shape_tensor(scores, index), 1, 2)
    inside = edit.add("LogicalAnd", (edit.binary("GreaterEqual", targets, edit.const(0, index)),
                                     edit.binary("Less", targets, classes)))  # fmt: skip
    safe = edit.select(inside, targets, edit.add("ZerosLike", (targets,), T=index))
    own = edit.add("GatherV2", (scores, edit.expand_dims(safe, 1), edit.const(1)), Tparams=dtype, Tindices=index,
                   Taxis=DType.INT32, batch_dims=1)  # fmt: skip
    larger = edit.reduce("Sum", edit.cast(edit.binary("Greater", scores, own), index), [1])
    finite = edit.reduce("All", edit.add("IsFinite", (scores,), T=dtype), [1])
    fits = edit.add("LogicalAnd", (inside, finite))
    edit.become("LogicalAnd", (fits, edit.binary("Less", larger, edit.cast(count, index))))


def _signed(edit: Edit) -> Tensor | None:
    """The float whose highest bit is asked for, where a float's bits are taken for a whole number to see its sign."""
    node, zero = edit.input(0).node, edit.value(edit.input(1))
    if zero is None or zero.any():
        return None
    if node.op == "BitwiseAnd":
        mask = edit.value(node.inputs[1])
        if mask is None or not (mask < 0).all():
            return None
        node = node.inputs[0].node
    floats = node.op == "Bitcast" and edit.dtype(node.inputs[0]) in _SIGNED
    return node.inputs[0] if floats else None


@onnx_rule("Less", makes="Less and, of zeros, what 1 divided by them is", wanted=lambda edit: _signed(edit) is not None)
def sign(edit: Edit) -> None:
    """Whether a number is below 0, or is -0: ONNX has no bits of floats."""
    x = _signed(edit)
    if x is None:
        raise AssertionError("it was wanted")
    maths = Formulas(edit, edit.dtype(x))
    of_zero = maths.do("Less", maths.do("RealDiv", 1.0, x), 0.0)
    below = maths.do("Less", x, 0.0)
    edit.become("LogicalOr", (below, maths.both(maths.do("Equal", x, 0.0), of_zero)))


@onnx_rule("Diag", makes="Equal, Mul")
def diag(edit: Edit) -> None:
    """Of a vector; tensors of more axes are refused."""
    x = edit.input(0)
    if edit.rank(x, "the diagonal") != 1:
        edit.refuse("the diagonal is no vector")
    size = edit.reshape(edit.shape_tensor(x), [])
    square = edit.add("Equal", (edit.expand_dims(edit.range_of(size), 0), edit.expand_dims(edit.range_of(size), 1)),
                      T=DType.INT32)  # fmt: skip
    edit.become("Mul", (edit.cast(square, edit.dtype(x)), edit.expand_dims(x, 0)), T=edit.dtype(x))


@onnx_rule("DiagPart", makes="GatherNd")
def diag_part(edit: Edit) -> None:
    """Of a matrix; tensors of more axes are refused."""
    x = edit.input(0)
    if edit.rank(x, "the tensor") != 2:
        edit.refuse("the tensor is no matrix")
    numbers = edit.range_of(edit.reshape(edit.part(edit.shape_tensor(x), 0, 1), []))
    edit.become("GatherNd", (x, edit.pack([numbers, numbers], 1)), Tparams=edit.dtype(x), Tindices=DType.INT32)
