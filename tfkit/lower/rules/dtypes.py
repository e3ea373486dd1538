"""Dtypes that an older TensorFlow has no kernel for: computed in a wider one, and cast back.

Right for what a wider dtype computes the same, but for more digits that casting back rounds away: arithmetic of small
integers wraps as it would have, floats are rounded once. Not for what looks at bits, and not for random numbers.
"""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.flat import each_argument
from tfkit.lower.rules import rule
from tfkit.processors.ops import Op, plain_value
from tfkit.tensors import DType

# What holds every value of a dtype, in the order of preference.
_WIDER = {
    DType.HALF: (DType.FLOAT,),
    DType.BFLOAT16: (DType.FLOAT,),
    DType.INT8: (DType.INT16, DType.INT32, DType.INT64),
    DType.UINT8: (DType.INT16, DType.INT32, DType.INT64),
    DType.INT16: (DType.INT32, DType.INT64),
    DType.UINT16: (DType.INT32, DType.INT64),
    DType.UINT32: (DType.INT64,),
}
# Where casting there and back keeps the bits: enough for what makes the last bits of the last bits.
_MODULAR = {**_WIDER, DType.UINT64: (DType.INT64,)}

NUMBER_BY_NUMBER = (
    "Abs", "Acos", "Acosh", "Add", "AddN", "AddV2", "ApproximateEqual", "Asin", "Asinh", "Atan", "Atan2", "Atanh",
    "BesselI0e", "BesselI1e", "BiasAdd", "Ceil", "ClipByValue", "Cos", "Cosh", "Digamma", "Div", "DivNoNan", "Elu",
    "Equal", "Erf", "Erfc", "Exp", "Expm1", "Floor", "FloorDiv", "FloorMod", "Greater", "GreaterEqual", "Inv",
    "IsFinite", "IsInf", "IsNan", "LeakyRelu", "Less", "LessEqual", "Lgamma", "Log", "Log1p", "Maximum", "Minimum",
    "Mod", "Mul", "MulNoNan", "Neg", "NotEqual", "Pow", "RealDiv", "Reciprocal", "Relu", "Relu6", "Rint", "Round",
    "Rsqrt", "Select", "SelectV2", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Square",
    "SquaredDifference", "Sub", "Tan", "Tanh", "TruncateDiv", "TruncateMod", "Xdivy", "Xlogy",
)  # fmt: skip
SUMS_AND_PRODUCTS = (
    "AvgPool", "AvgPool3D", "BatchMatMul", "BatchMatMulV2", "Conv2D", "Conv2DBackpropInput", "Conv3D",
    "Conv3DBackpropInputV2", "Cross", "Cumprod", "Cumsum", "DepthwiseConv2dNative", "Dilation2D", "Einsum",
    "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "L2Loss", "LRN", "LogSoftmax", "MatMul", "Mean", "Prod",
    "SegmentMean", "SegmentProd", "SegmentSum", "Softmax", "SparseTensorDenseMatMul", "Sum", "UnsortedSegmentProd",
    "UnsortedSegmentSum",
)  # fmt: skip
CHOICES = (
    "ArgMax", "ArgMin", "BatchToSpaceND", "BroadcastTo", "Bucketize", "ConcatV2", "DepthToSpace", "Diag", "DiagPart",
    "DynamicPartition", "DynamicStitch", "ExpandDims", "Fill", "GatherNd", "GatherV2", "InTopKV2", "LinSpace",
    "MatrixBandPart", "MatrixDiag", "MatrixDiagPart", "MatrixSetDiag", "Max", "MaxPool", "MaxPool3D", "Min",
    "MirrorPad", "NthElement", "OneHot", "OnesLike", "Pack", "Pad", "PadV2", "Range", "ReverseSequence", "ReverseV2",
    "Roll", "ScatterNd", "SegmentMax", "SegmentMin", "Slice", "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV",
    "StridedSlice", "Tile", "TopKV2", "Transpose", "UnsortedSegmentMax", "UnsortedSegmentMin", "Unpack", "Where",
    "ZerosLike",
)  # fmt: skip
IMAGES = (
    "AdjustContrastv2", "AdjustHue", "AdjustSaturation", "CropAndResize", "HSVToRGB", "NonMaxSuppressionV3",
    "RGBToHSV", "ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor",
)  # fmt: skip


_OLD_SUMS = (2, 8)  # up to 2.7 CPUs add up float16 as float16, and lose digits with each term
_SUMMED_IN_FLOAT = ("BatchMatMul", "BatchMatMulV2", "MatMul")


def _loses_digits(edit: Edit) -> bool:
    is_old_cpu = edit.target.version < _OLD_SUMS and not edit.target.gpu
    return is_old_cpu and edit.dtype(edit.input(0)) is DType.HALF and edit.target.has(edit.node.op)


@rule(*_SUMMED_IN_FLOAT, makes="itself in float32, cast back", wanted=_loses_digits)
def sum_in_float(edit: Edit) -> None:
    """Adds up products of float16 as the newest TensorFlow does."""
    op = edit.target.op(edit.node.op)
    if op is not None:
        _compute(edit, op, "T", DType.HALF, DType.FLOAT)


_WIDE_MEANS = (2, 3)  # up to 1.15 means of integers are sums in their own dtype, which wrap, by counts that do
_WRAPPING = (DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32)


def _wraps(edit: Edit) -> bool:
    return edit.target.version < _WIDE_MEANS and edit.dtype(edit.input(0)) in _WRAPPING


@rule("Mean", makes="itself in int64, cast back", wanted=_wraps)
def mean_of_integers(edit: Edit) -> None:
    """Rounds towards zero, as the newest TensorFlow does, which adds up in int64 as well."""
    op = edit.target.op(edit.node.op)
    if op is not None:
        _compute(edit, op, "T", edit.dtype(edit.input(0)), DType.INT64)


_EMPTY_KERNELS = (2, 8)  # up to 2.7 a CPU has some kernels for bfloat16 that give nothing: oneDNN's replace them
_EMPTY = ("AvgPool", "Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative", "FusedBatchNormV3")


def _gives_nothing(edit: Edit) -> bool:
    is_old = edit.target.version < _EMPTY_KERNELS and edit.target.has(edit.node.op)
    return is_old and edit.node.type_attr("T") == DType.BFLOAT16


@rule(*_EMPTY, makes="itself in float32, cast back", wanted=_gives_nothing)
def skip_empty_kernel(edit: Edit) -> None:
    """Computes bfloat16 in float32, which there are kernels for everywhere."""
    op = edit.target.op(edit.node.op)
    if op is not None:
        _compute(edit, op, "T", DType.BFLOAT16, DType.FLOAT)


_KNOWS_SQUARES = (2, 8)  # up to 2.7 TensorFlow makes Square of x * x, without asking whether it has a kernel for that


def _becomes_square(edit: Edit) -> bool:
    """Whether it may be found to multiply something with itself; of what is equal only the optimizer knows."""
    if edit.target.version >= _KNOWS_SQUARES or any(edit.value(tensor) is not None for tensor in edit.node.inputs):
        return False
    types = {"T": edit.dtype(edit.input(0))}
    return edit.target.has_kernel("Mul", types) and not edit.target.has_kernel("Square", types)


@rule("Mul", makes="itself in a wider dtype, cast back", wanted=_becomes_square)
def multiply_in_wider(edit: Edit) -> None:
    """The last bits of a product do not depend on those in front of them, nor on the sign."""
    dtype = edit.dtype(edit.input(0))
    wide = next((each for each in _MODULAR.get(dtype, ()) if edit.target.has_kernel("Square", {"T": each})), None)
    if wide is None:
        edit.refuse(f"TensorFlow {edit.target.minor} has no squares of {dtype.short_name}")
    operands = [edit.cast(tensor, wide) for tensor in edit.node.inputs]
    product = edit.add("Mul", operands, T=wide)
    edit.become("Cast", (product,), SrcT=wide, DstT=dtype)


@rule(
    *NUMBER_BY_NUMBER,
    *SUMS_AND_PRODUCTS,
    *CHOICES,
    *IMAGES,
    makes="itself in a wider dtype, cast back",
    misfit="kernel",
)
def widen(edit: Edit) -> None:
    """Takes the first wider dtype that there is a kernel for."""
    op = edit.target.op(edit.node.op)
    if op is None:  # then the misfit would be another
        edit.refuse("the operation itself is not there")
    _compute(edit, op, *_choose(edit, op))


def _compute(edit: Edit, op: Op, attribute: str, narrow: DType, wide: DType) -> None:
    """Lets the node give what it gave, computed with another dtype in an attribute."""
    inputs = [
        edit.cast(tensor, wide) if argument.type_attr == attribute else tensor
        for argument, tensor in zip(each_argument(op.inputs, edit.node.attrs), edit.node.inputs, strict=True)
    ]
    attrs = {name: value for name, value in edit.node.attrs.items() if name[0] != "_"}
    node = edit.add(op.name, inputs, **{**attrs, attribute: wide}).node
    results = [
        edit.cast(node.out(at), narrow) if argument.type_attr == attribute else node.out(at)
        for at, argument in enumerate(each_argument(op.outputs, edit.node.attrs))
    ]
    if len(results) == 1:
        edit.become_identity(results[0])
    else:
        edit.become_each(results)


def _choose(edit: Edit, op: Op) -> tuple[str, DType, DType]:
    """The attribute to change, the dtype that it says and the one that it is to say."""
    types = op.types_of(edit.node.attrs)
    for name, attribute in op.attributes.items():
        value = edit.node.attrs.get(name, attribute.default)
        if attribute.type != "type" or value is None:
            continue
        narrow = plain_value(value)
        for wide in next((each for dtype, each in _WIDER.items() if dtype == narrow), ()):
            if edit.target.has_kernel(op.name, {**types, name: wide}):
                return name, DType(int(value.type)), wide
    return edit.refuse("there is no kernel for a wider dtype either")
