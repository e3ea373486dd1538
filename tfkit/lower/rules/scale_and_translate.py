"""Images in another size without aliasing, as ``tf.image.resize(antialias=True)`` makes them.

Each axis is multiplied with a matrix that holds, for each new pixel, the weights of the old ones; TensorFlow's own
kernel computes the same weights in spans (``scale_and_translate_op.cc``, ``sampling_kernels.h``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_LEAST_SUM = 1000 * 1.1754943508222875e-38  # 1000 times the least float that is normal
_NEARLY_ZERO = 1e-3
_GAUSSIAN_RADIUS, _GAUSSIAN_SIGMA = 1.5, 0.5

# Of distances, the weights; see the op's documentation for what each is.
_Kernel = Callable[[Formulas, Tensor], Tensor]


@rule("ScaleAndTranslate", makes="products with matrices of weights", misfit="op")
def scale_and_translate(edit: Edit) -> None:
    """Rows first, then columns."""
    images, size, scale, translation = edit.node.inputs
    kernel = edit.node.text_attr("kernel_type", "lanczos3")
    if kernel not in _KERNELS:
        edit.refuse(f"the kernel {kernel!r} is not known")
    images = edit.cast(images, DType.FLOAT)
    shape = edit.shape_tensor(images)
    for axis, equation in enumerate(("no,bowc->bnwc", "no,bhoc->bhnc")):
        matrix = _weights(
            edit,
            _KERNELS[kernel],
            edit.gather(shape, axis + 1),
            *(edit.gather(each, axis) for each in (size, scale, translation)),
        )
        images = edit.add("Einsum", (matrix, images), equation=equation, N=2, T=DType.FLOAT)
    edit.become_identity(images)


def _weights(edit: Edit, kernel: _Kernel, old: Tensor, new: Tensor, scale: Tensor, translation: Tensor) -> Tensor:
    """A matrix with a row for each new pixel and a column for each old one."""
    maths = Formulas(edit)
    step = maths.do("RealDiv", 1.0, scale)
    widened = maths.do("Maximum", step, 1.0) if edit.node.bool_attr("antialias", True) else maths.of(1.0)
    centres = [maths.do("Add", edit.cast(edit.range_of(size), DType.FLOAT), 0.5) for size in (new, old)]
    start = maths.do("Neg", maths.do("Mul", step, translation))
    samples = edit.expand_dims(maths.do("Add", maths.do("Mul", centres[0], step), start), 1)
    distances = maths.do("Abs", maths.do("Sub", centres[1], samples))
    weights = kernel(maths, maths.do("RealDiv", distances, widened))
    # What is sampled outside of the image has no weights.
    in_front = maths.do("GreaterEqual", samples, 0.0)
    inside = maths.both(in_front, maths.do("LessEqual", samples, edit.cast(old, DType.FLOAT)))
    total = edit.reduce("Sum", weights, [1], keep_dims=True)
    counts = maths.both(inside, maths.do("GreaterEqual", maths.do("Abs", total), _LEAST_SUM))
    return maths.do("Mul", weights, maths.choose(counts, maths.do("RealDiv", 1.0, total), 0.0))


def _lanczos(maths: Formulas, x: Tensor, *, radius: float) -> Tensor:
    angle = maths.do("Mul", x, math.pi)
    waves = maths.do("Mul", maths.do("Sin", angle), maths.do("Sin", maths.do("RealDiv", angle, radius)))
    near = maths.do("LessEqual", x, _NEARLY_ZERO)
    squared = maths.choose(near, 1.0, maths.do("Mul", angle, angle))
    weight = maths.choose(near, 1.0, maths.do("RealDiv", maths.do("Mul", waves, radius), squared))
    return maths.choose(maths.do("Greater", x, radius), 0.0, weight)


def _gaussian(maths: Formulas, x: Tensor) -> Tensor:
    power = maths.do("Mul", maths.do("Mul", x, x), -1 / (2 * _GAUSSIAN_SIGMA**2))
    return maths.choose(maths.do("GreaterEqual", x, _GAUSSIAN_RADIUS), 0.0, maths.do("Exp", power))


def _box(maths: Formulas, x: Tensor) -> Tensor:
    return maths.choose(maths.do("Less", x, 0.5), 1.0, maths.choose(maths.do("Equal", x, 0.5), 0.5, 0.0))


def _triangle(maths: Formulas, x: Tensor) -> Tensor:
    return maths.do("Maximum", maths.do("Sub", 1.0, x), 0.0)


def _cubic(maths: Formulas, x: Tensor, *, near: tuple[float, ...], far: tuple[float, ...]) -> Tensor:
    """Two polynomials: up to a distance of 1, and from there to 2."""
    outer = maths.choose(maths.do("Less", x, 2.0), maths.polynomial(x, far), 0.0)
    return maths.choose(maths.do("Less", x, 1.0), maths.polynomial(x, near), outer)


_KERNELS: dict[str, _Kernel] = {
    "lanczos1": partial(_lanczos, radius=1.0),
    "lanczos3": partial(_lanczos, radius=3.0),
    "lanczos5": partial(_lanczos, radius=5.0),
    "gaussian": _gaussian,
    "box": _box,
    "triangle": _triangle,
    "keyscubic": partial(_cubic, near=(1.5, -2.5, 0.0, 1.0), far=(-0.5, 2.5, -4.0, 2.0)),
    "mitchellcubic": partial(
        _cubic, near=(7 / 6, -2.0, 0.0, 8 / 9), far=(-7 / 18, 2.0, -10 / 3, 16 / 9)
    ),
}  # fmt: skip
