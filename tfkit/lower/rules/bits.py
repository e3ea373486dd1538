"""Large unsigned integers, which older TensorFlows hardly compute with: as signed ones of the same bits.

Sums, differences and products have the same bits, and so has what is only moved. The order is the same once the highest
bit is turned over.
"""

from __future__ import annotations

from collections.abc import Callable

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.flat import each_argument
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule
from tfkit.processors.ops import Op
from tfkit.tensors import DType

_SIGNED = {DType.UINT32: DType.INT32, DType.UINT64: DType.INT64}
_HIGHEST_BIT = {DType.INT32: -(2**31), DType.INT64: -(2**63)}
_ALL_BUT_HIGHEST = 2**63 - 1

SAME_BITS = (
    "Add", "AddN", "AddV2", "BatchToSpaceND", "BiasAdd", "BroadcastTo", "ConcatV2",
    "Cumprod", "Cumsum", "DepthToSpace", "DynamicPartition", "DynamicStitch", "Equal", "ExpandDims", "Fill",
    "GatherNd", "GatherV2", "MatrixBandPart", "MatrixDiag", "MatrixDiagPart", "MatrixSetDiag", "MirrorPad",
    "Mul", "NotEqual", "OneHot", "OnesLike", "Pack", "Pad", "PadV2", "Prod", "ReverseSequence", "ReverseV2",
    "Roll", "ScatterNd", "Select", "SelectV2", "Slice", "SpaceToBatchND", "SpaceToDepth", "SparseToDense", "Split",
    "SplitV", "Square", "SquaredDifference", "Squeeze", "StridedSlice", "Sub", "Sum", "TensorScatterAdd",
    "TensorScatterSub", "TensorScatterUpdate", "Tile", "Transpose", "Unique", "UniqueV2", "UniqueWithCounts", "Unpack",
    "UnsortedSegmentProd", "UnsortedSegmentSum", "Where", "ZerosLike",
)  # fmt: skip
SAME_ORDER = (
    "ArgMax", "ArgMin", "ClipByValue", "Greater", "GreaterEqual", "Less", "LessEqual", "LowerBound", "Max", "Maximum",
    "Min", "Minimum", "TensorScatterMax", "TensorScatterMin", "TopKV2", "UnsortedSegmentMax", "UnsortedSegmentMin",
    "UpperBound",
)  # fmt: skip
QUOTIENTS = ("FloorDiv", "TruncateDiv")


def _has_no_kernel(edit: Edit) -> bool:
    op = edit.target.op(edit.node.op)
    if op is None or _attribute(edit, op) is None:
        return False
    return not edit.target.has_kernel(op.name, op.types_of(edit.node.attrs))


def _attribute(edit: Edit, op: Op) -> tuple[str, DType] | None:
    """The attribute that says that some of the node's tensors are of large unsigned integers, and of which."""
    for argument in (*op.inputs, *op.outputs):
        held = edit.node.type_attr(argument.type_attr) if argument.type_attr in edit.node.attrs else 0
        if held in (DType.UINT32, DType.UINT64):
            return argument.type_attr, DType(held)
    return None


@rule(*SAME_BITS, makes="itself for signed integers of the same bits", wanted=_has_no_kernel)
def same_bits(edit: Edit) -> None:
    """Takes the integers for signed ones."""
    _compute(edit, lambda _, tensor: tensor)


@rule(*SAME_ORDER, makes="itself for signed integers in the same order", wanted=_has_no_kernel)
def same_order(edit: Edit) -> None:
    """Takes the integers for signed ones, the highest bit turned over: 0 is the least then."""
    _compute(edit, _turn_over)


@rule(*QUOTIENTS, "FloorMod", makes="itself for int64", wanted=_has_no_kernel)
def divide(edit: Edit) -> None:
    """Divides uint32 as int64; of uint64 the half, which int64 holds, and then what is left."""
    dtype = edit.dtype(edit.input(0))
    is_quotient = edit.node.op in QUOTIENTS
    if dtype is DType.UINT32:
        operands = [_as_int64(edit, tensor) for tensor in edit.node.inputs]
        result = edit.binary("Div" if is_quotient else "FloorMod", *operands)
        edit.become_identity(_bitcast(edit, edit.cast(result, DType.INT32), dtype))
        return
    quotient, remainder = _divide_in_halves(edit, *(_bitcast(edit, each, DType.INT64) for each in edit.node.inputs))
    edit.become_identity(_bitcast(edit, quotient if is_quotient else remainder, dtype))


@rule("Switch", makes="itself for signed integers of the same bits", wanted=_has_no_kernel)
def branch(edit: Edit) -> None:
    """Takes the integers for signed ones; each side is handed over by itself, for one of them is dead."""
    data, taken = edit.node.inputs
    dtype = edit.dtype(data)
    signed = _SIGNED[dtype]
    edit.become_identity(data)  # what waits for the node waits for no side
    switch = edit.add("Switch", (_bitcast(edit, edit.node.out(), signed), taken), T=signed).node
    edit.hand_over([_bitcast(edit, side, dtype) for side in switch.outs(2)])


def _compute(edit: Edit, convert: Callable[[Edit, Tensor], Tensor]) -> None:
    """Lets the node give what it gave, computed with signed integers that a conversion makes, and makes undone."""
    op = edit.target.op(edit.node.op)
    found = None if op is None else _attribute(edit, op)
    if op is None or found is None:
        edit.refuse("it is not of large unsigned integers")
    attribute, dtype = found
    signed = _SIGNED[dtype]
    inputs = [
        convert(edit, _bitcast(edit, tensor, signed)) if argument.type_attr == attribute else tensor
        for argument, tensor in zip(each_argument(op.inputs, edit.node.attrs), edit.node.inputs, strict=True)
    ]
    attrs = {name: value for name, value in edit.node.attrs.items() if name[0] != "_"}
    node = edit.add(op.name, inputs, **{**attrs, attribute: signed}).node
    results = [
        _bitcast(edit, convert(edit, node.out(at)), dtype) if argument.type_attr == attribute else node.out(at)
        for at, argument in enumerate(each_argument(op.outputs, edit.node.attrs))
    ]
    if len(results) == 1:
        edit.become_identity(results[0])
    else:
        edit.become_each(results)


def _bitcast(edit: Edit, tensor: Tensor, dtype: DType) -> Tensor:
    return edit.note(edit.add("Bitcast", (tensor,), T=edit.dtype(tensor), type=dtype), edit.shape(tensor))


def _turn_over(edit: Edit, tensor: Tensor) -> Tensor:
    highest = edit.const(_HIGHEST_BIT[edit.dtype(tensor)], edit.dtype(tensor))
    return edit.note(edit.binary("BitwiseXor", tensor, highest), edit.shape(tensor))


def _as_int64(edit: Edit, tensor: Tensor) -> Tensor:
    """The values of uint32 in int64."""
    wide = edit.cast(_bitcast(edit, tensor, DType.INT32), DType.INT64)
    return edit.binary("BitwiseAnd", wide, edit.const(2**32 - 1, DType.INT64))


def _divide_in_halves(edit: Edit, number: Tensor, divisor: Tensor) -> tuple[Tensor, Tensor]:
    """The quotient and the remainder of uint64, all by the bits of int64."""
    maths = Formulas(edit, DType.INT64)
    is_large = maths.do("Less", divisor, 0)  # then the quotient is 0 or 1
    small = maths.choose(is_large, 1, divisor)
    half = maths.do("BitwiseAnd", maths.do("RightShift", number, 1), _ALL_BUT_HIGHEST)
    twice = maths.do("Mul", maths.do("Div", half, small), 2)
    rough = maths.choose(is_large, 0, twice)
    left = maths.do("Sub", number, maths.do("Mul", rough, divisor))
    is_more = maths.do("GreaterEqual", _turn_over(edit, left), _turn_over(edit, divisor))
    more = edit.cast(is_more, DType.INT64)
    return maths.do("Add", rough, more), maths.do("Sub", left, maths.do("Mul", more, divisor))
