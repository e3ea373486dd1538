"""Images in another size, whose numbers tf2onnx rounds, or weighs otherwise."""

from __future__ import annotations

import math

from tfkit.export.onnx.rules.registry import onnx_rule
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import resize
from tfkit.tensors import DType

# Of these ONNX Runtime resizes images.
_RESIZED = frozenset((DType.FLOAT, DType.HALF, DType.INT32, DType.INT8, DType.UINT8))


def _is_not_float(edit: Edit) -> bool:
    return edit.dtype(edit.input(0)) is not DType.FLOAT


def _is_not_resized(edit: Edit) -> bool:
    return edit.dtype(edit.input(0)) not in _RESIZED and edit.node.bool_attr("half_pixel_centers")


@onnx_rule("ResizeBilinear", makes="itself, of floats", wanted=_is_not_float)
def bilinear(edit: Edit) -> None:
    """What lies between pixels of whole numbers is none: TensorFlow gives floats, ONNX what it was given."""
    images, size = edit.node.inputs
    attrs = {name: edit.node.bool_attr(name) for name in ("align_corners", "half_pixel_centers")}
    edit.become("ResizeBilinear", (edit.cast(images, DType.FLOAT), size), T=DType.FLOAT, **attrs)


@onnx_rule("ResizeNearestNeighbor", makes="gathers", wanted=_is_not_resized)
def nearest(edit: Edit) -> None:
    """Of images that ONNX Runtime does not resize."""
    resize.nearest(edit)


@onnx_rule("ResizeArea", makes="products with matrices of weights")
def area(edit: Edit) -> None:
    """Each new pixel is the mean of what it covers of the old ones (``resize_area_op.cc``)."""
    images, size = edit.cast(edit.input(0), DType.FLOAT), edit.input(1)
    shape = edit.shape_tensor(images)
    for axis, equation in ((1, "no,bowc->bnwc"), (2, "no,bhoc->bhnc")):
        matrix = _covered(edit, edit.gather(shape, axis), edit.gather(size, axis - 1))
        images = edit.add("Einsum", (matrix, images), equation=equation, N=2, T=DType.FLOAT)
    edit.become_identity(images)


def _covered(edit: Edit, old: Tensor, new: Tensor) -> Tensor:
    """How much of each new pixel, a row each, is each old one; what lies behind the image is its last pixel."""
    maths = Formulas(edit)
    scale = maths.do("RealDiv", edit.cast(old, DType.FLOAT), edit.cast(new, DType.FLOAT))
    if edit.node.bool_attr("align_corners"):
        gaps = [edit.cast(edit.binary("Sub", size, edit.const(1)), DType.FLOAT) for size in (old, new)]
        between = maths.do("RealDiv", gaps[0], maths.do("Maximum", gaps[1], 1.0))
        scale = maths.choose(maths.do("Greater", gaps[1], 0.0), between, scale)
    rows = edit.expand_dims(edit.cast(edit.range_of(new), DType.FLOAT), 1)
    begin, end = maths.do("Mul", rows, scale), maths.do("Mul", maths.do("Add", rows, 1.0), scale)
    left = edit.cast(edit.range_of(old), DType.FLOAT)
    right = maths.do("Add", left, 1.0)
    is_last = maths.do("Equal", right, edit.cast(old, DType.FLOAT))
    right = maths.choose(is_last, math.inf, right)
    covered = maths.do("Sub", maths.do("Minimum", right, end), maths.do("Maximum", left, begin))
    return maths.do("RealDiv", maths.do("Maximum", covered, 0.0), scale)
