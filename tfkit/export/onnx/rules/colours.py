"""Colours of images."""

from __future__ import annotations

from tfkit.export.onnx.rules.registry import formulas, onnx_rule
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.tensors import DType


@onnx_rule("AdjustSaturation", makes="RGBToHSV, Mul, HSVToRGB")
def adjust_saturation(edit: Edit) -> None:
    """The saturation times the factor, within 0 and 1."""
    images, factor = edit.node.inputs
    dtype, last = edit.dtype(images), edit.rank(images, "the images") - 1
    single = Formulas(edit, DType.FLOAT)
    hsv = edit.add("RGBToHSV", (edit.cast(images, DType.FLOAT),), T=DType.FLOAT)
    hsv = edit.note(hsv, edit.shape(images))
    hue, saturation, value = (edit.gather(hsv, [at], last) for at in range(3))
    scaled = single.do("Minimum", single.do("Maximum", single.do("Mul", saturation, factor), 0.0), 1.0)
    changed = edit.note(edit.concat([hue, scaled, value], last), edit.shape(images))
    edit.become_identity(edit.cast(edit.add("HSVToRGB", (changed,), T=DType.FLOAT), dtype))


@onnx_rule("RGBToHSV", makes="Max, Min, RealDiv, SelectV2")
def rgb_to_hsv(edit: Edit) -> None:
    """As TensorFlow's kernel computes it (``colorspace_op.h``)."""
    maths, rgb = formulas(edit), edit.input(0)
    last = edit.rank(rgb, "the images") - 1
    red, green, blue = (edit.gather(rgb, [at], last) for at in range(3))
    value = edit.reduce("Max", rgb, [last], keep_dims=True)
    spread = maths.do("Sub", value, edit.reduce("Min", rgb, [last], keep_dims=True))
    grey = maths.do("Equal", spread, 0.0)
    saturation = maths.choose(
        maths.do("Greater", value, 0.0),
        maths.do("RealDiv", spread, maths.choose(maths.do("Greater", value, 0.0), value, 1.0)),
        0.0,
    )
    norm = maths.do("RealDiv", 1 / 6, maths.choose(grey, 1.0, spread))
    of_blue = maths.do("Add", maths.do("Mul", norm, maths.do("Sub", red, green)), 4 / 6)
    of_green = maths.do("Add", maths.do("Mul", norm, maths.do("Sub", blue, red)), 2 / 6)
    of_red = maths.do("Mul", norm, maths.do("Sub", green, blue))
    hue = maths.choose(
        maths.do("Equal", red, value), of_red, maths.choose(maths.do("Equal", green, value), of_green, of_blue)
    )
    hue = maths.choose(maths.do("Greater", spread, 0.0), hue, 0.0)
    hue = maths.choose(maths.do("Less", hue, 0.0), maths.do("Add", hue, 1.0), hue)
    edit.become_identity(edit.concat([hue, saturation, value], last))


@onnx_rule("HSVToRGB", makes="Abs, Minimum, Maximum, Mul")
def hsv_to_rgb(edit: Edit) -> None:
    """As TensorFlow's kernel computes it (``colorspace_op.h``)."""
    maths, hsv = formulas(edit), edit.input(0)
    last = edit.rank(hsv, "the images") - 1
    hue, saturation, value = (edit.gather(hsv, [at], last) for at in range(3))
    sixfold = maths.do("Mul", hue, 6.0)

    def clipped(number: Tensor) -> Tensor:
        return maths.do("Minimum", maths.do("Maximum", number, 0.0), 1.0)

    red = clipped(maths.do("Sub", maths.do("Abs", maths.do("Sub", sixfold, 3.0)), 1.0))
    green = clipped(maths.do("Sub", 2.0, maths.do("Abs", maths.do("Sub", sixfold, 2.0))))
    blue = clipped(maths.do("Sub", 2.0, maths.do("Abs", maths.do("Sub", sixfold, 4.0))))
    paleness = maths.do("Sub", 1.0, saturation)
    channels = [
        maths.do("Mul", maths.do("Add", paleness, maths.do("Mul", saturation, each)), value)
        for each in (red, green, blue)
    ]
    edit.become_identity(edit.concat(channels, last))
