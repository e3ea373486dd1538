"""Images in another size, their pixels' centres where they are: TensorFlow 1.12 puts them at the corners.

Along each axis the new pixels are computed of some old ones; the kernels are those of TensorFlow's
``resize_bilinear_op.cc``, ``resize_nearest_neighbor_op.cc`` and ``resize_bicubic_op.cc``.
"""

from __future__ import annotations

import numpy as np

from tfkit.arrays import Array
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_HEIGHT, _WIDTH = 1, 2
_RANK = 4
_STEPS = 1024  # in which the kernel knows the weights of a cubic
_SHARPNESS = -0.5


@rule("ResizeBilinear", makes="gathers and a mean", misfit="attribute")
def bilinear(edit: Edit) -> None:
    """Between the pixels before and behind."""
    images = edit.cast(edit.input(0), DType.FLOAT)
    for axis in (_WIDTH, _HEIGHT):
        old, new = _sizes(edit, images, axis)
        place = edit.binary("Sub", _places(edit, old, new), edit.const(0.5, DType.FLOAT))
        floor = edit.add("Floor", (place,), T=DType.FLOAT)
        before = edit.binary("Maximum", edit.cast(floor, DType.INT32), edit.const(0))
        ceiling = edit.cast(edit.add("Ceil", (place,), T=DType.FLOAT), DType.INT32)
        behind = edit.binary("Minimum", ceiling, edit.binary("Sub", old, edit.const(1)))
        one, other = edit.gather(images, before, axis), edit.gather(images, behind, axis)
        part = edit.binary("Mul", edit.binary("Sub", other, one), _along(edit, edit.binary("Sub", place, floor), axis))
        images = edit.binary("Add", one, part)
    edit.become_identity(images)


@rule("ResizeNearestNeighbor", makes="gathers", misfit="attribute")
def nearest(edit: Edit) -> None:
    """The pixel that it lies in."""
    images = edit.input(0)
    for axis in (_HEIGHT, _WIDTH):
        old, new = _sizes(edit, images, axis)
        pixel = edit.cast(edit.add("Floor", (_places(edit, old, new),), T=DType.FLOAT), DType.INT32)
        images = edit.gather(images, edit.binary("Minimum", pixel, edit.binary("Sub", old, edit.const(1))), axis)
    edit.become_identity(images)


@rule("ResizeBicubic", makes="gathers and weighted means", misfit="attribute")
def bicubic(edit: Edit) -> None:
    """Of four pixels; where some lie outside the others weigh more."""
    images = edit.cast(edit.input(0), DType.FLOAT)
    near, far = (edit.const(weights, DType.FLOAT) for weights in _cubic())
    for axis in (_WIDTH, _HEIGHT):
        old, new = _sizes(edit, images, axis)
        place = edit.binary("Sub", _places(edit, old, new), edit.const(0.5, DType.FLOAT))
        floor = edit.add("Floor", (place,), T=DType.FLOAT)
        steps = edit.binary("Mul", edit.binary("Sub", place, floor), edit.const(_STEPS, DType.FLOAT))
        rounded = edit.add("Floor", (edit.binary("Add", steps, edit.const(0.5, DType.FLOAT)),), T=DType.FLOAT)
        step, first = edit.cast(rounded, DType.INT32), edit.cast(floor, DType.INT32)
        back, last = edit.binary("Sub", edit.const(_STEPS), step), edit.binary("Sub", old, edit.const(1))
        pixels, weights = [], []
        for offset, table, at in ((-1, far, step), (0, near, step), (1, near, back), (2, far, back)):
            wanted = edit.binary("Add", first, edit.const(offset))
            pixel = edit.binary("Minimum", edit.binary("Maximum", wanted, edit.const(0)), last)
            inside = edit.cast(edit.binary("Equal", wanted, pixel), DType.FLOAT)
            weights.append(_along(edit, edit.binary("Mul", edit.gather(table, at), inside), axis))
            pixels.append(edit.binary("Mul", edit.gather(images, pixel, axis), weights[-1]))
        count = len(pixels)
        total, weight = (edit.add("AddN", each, N=count, T=DType.FLOAT) for each in (pixels, weights))
        images = edit.binary("RealDiv", total, weight)
    edit.become_identity(images)


def _sizes(edit: Edit, images: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """An axis' old size and its new one."""
    if edit.node.bool_attr("align_corners"):
        edit.refuse("pixels' centres and corners at once")
    return edit.gather(edit.shape_tensor(images), axis), edit.gather(edit.input(1), axis - 1)


def _places(edit: Edit, old: Tensor, new: Tensor) -> Tensor:
    """Where the centres of the new pixels lie among the old ones, the first of which begins at 0."""
    scale = edit.binary("RealDiv", edit.cast(old, DType.FLOAT), edit.cast(new, DType.FLOAT))
    centres = edit.binary("Add", edit.cast(edit.range_of(new), DType.FLOAT), edit.const(0.5, DType.FLOAT))
    return edit.binary("Mul", centres, scale)


def _along(edit: Edit, vector: Tensor, axis: int) -> Tensor:
    """A vector that lies along an axis of images."""
    return edit.reshape(vector, [-1 if each == axis else 1 for each in range(_RANK)])


def _cubic() -> tuple[Array, Array]:
    """The weights of pixels by their distance, in steps: up to 1, and from 1 to 2."""
    a = _SHARPNESS
    near = np.arange(_STEPS + 1, dtype=np.float64) / _STEPS
    far = near + 1
    return ((a + 2) * near - (a + 3)) * near * near + 1, ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
