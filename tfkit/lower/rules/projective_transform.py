"""Images moved, turned, scaled, sheared: each new pixel is read where a projection puts it in the old image.

Written with gathers where ``ImageProjectiveTransformV2`` is not there or cannot fill what lies outside; the arithmetic
is that of TensorFlow's own kernel (``image_ops.h``).
"""

from __future__ import annotations

from collections.abc import Callable

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_PARAMETERS = 8


@rule("ImageProjectiveTransformV3", makes="ImageProjectiveTransformV2, or gathers", misfit="op")
def transform(edit: Edit) -> None:
    """What lies outside is filled with a number, or the image goes on there in one of three ways."""
    fill = edit.value(edit.input(3))
    mode = edit.node.text_attr("fill_mode", "CONSTANT")
    if edit.target.has("ImageProjectiveTransformV2") and mode == "CONSTANT" and fill is not None and fill == 0:
        interpolation = edit.node.text_attr("interpolation")
        edit.become(
            "ImageProjectiveTransformV2",
            edit.node.inputs[:3],
            dtype=edit.dtype(edit.input(0)),
            interpolation=interpolation,
        )
        return
    _read_pixels(edit, mode, edit.input(3))


@rule("ImageProjectiveTransformV2", makes="gathers", misfit="op")
def transform_filling_zeros(edit: Edit) -> None:
    """What lies outside is zero."""
    _read_pixels(edit, edit.node.text_attr("fill_mode", "CONSTANT"), edit.const(0, DType.FLOAT))


def _read_pixels(edit: Edit, mode: str, fill: Tensor) -> None:
    if mode not in _MODES:
        edit.refuse(f"the fill mode {mode!r} is not known")
    interpolation = edit.node.text_attr("interpolation")
    if interpolation not in _INTERPOLATIONS:
        edit.refuse(f"the interpolation {interpolation!r} is not known")
    images = _Images(edit, fill)
    maths = Formulas(edit)
    x, y, is_endless = _places(edit, maths)
    x, y = (_MODES[mode](maths, place, size) for place, size in ((x, images.width), (y, images.height)))
    pixels = _INTERPOLATIONS[interpolation](maths, images, x, y)
    filled = maths.choose(edit.expand_dims(is_endless, 3), fill, pixels)
    edit.become_identity(edit.cast(filled, edit.dtype(edit.input(0))))


def _places(edit: Edit, maths: Formulas) -> tuple[Tensor, Tensor, Tensor]:
    """Where each new pixel lies in its old image, and whether that is infinitely far away."""
    _, transforms, size = edit.node.inputs[:3]
    new_y, new_x = (edit.cast(edit.range_of(edit.gather(size, axis)), DType.FLOAT) for axis in (0, 1))
    new_y, new_x = edit.reshape(new_y, [1, -1, 1]), edit.reshape(new_x, [1, 1, -1])
    a = [edit.reshape(edit.gather(transforms, each, axis=1), [-1, 1, 1]) for each in range(_PARAMETERS)]

    def linear(of_x: Tensor, of_y: Tensor, more: Tensor | float) -> Tensor:
        return maths.do("Add", maths.do("Add", maths.do("Mul", of_x, new_x), maths.do("Mul", of_y, new_y)), more)

    projection = linear(a[6], a[7], 1.0)
    is_endless = maths.do("Equal", projection, 0.0)
    divisor = maths.choose(is_endless, 1.0, projection)
    return (
        maths.do("RealDiv", linear(a[0], a[1], a[2]), divisor),
        maths.do("RealDiv", linear(a[3], a[4], a[5]), divisor),
        is_endless,
    )


class _Images:
    """Images of which single pixels are read, as floats.

    Attributes:
        height: Their height, a float.
        width: Their width, a float.
    """

    def __init__(self, edit: Edit, fill: Tensor) -> None:
        self._edit = edit
        self._fill = fill
        images = edit.cast(edit.input(0), DType.FLOAT)
        shape = edit.shape_tensor(images)
        self._count, self._height, self._width, channels = (edit.gather(shape, axis) for axis in range(4))
        self.height, self.width = edit.cast(self._height, DType.FLOAT), edit.cast(self._width, DType.FLOAT)
        self._pixels = edit.reshape(images, edit.concat([edit.const([-1]), edit.reshape(channels, [1])]))

    def read(self, x: Tensor, y: Tensor) -> Tensor:
        """The pixels at whole places; outside of the images, what they are filled with."""
        edit, whole = self._edit, Formulas(self._edit, DType.INT32)
        column, row = edit.cast(x, DType.INT32), edit.cast(y, DType.INT32)
        inside_column, inside_row = self._clamped(whole, column, self._width), self._clamped(whole, row, self._height)
        number = edit.reshape(edit.range_of(self._count), [-1, 1, 1])
        line = whole.do("Add", whole.do("Mul", number, self._height), inside_row)
        pixels = edit.gather(self._pixels, whole.do("Add", whole.do("Mul", line, self._width), inside_column))
        is_inside = whole.both(whole.do("Equal", column, inside_column), whole.do("Equal", row, inside_row))
        return Formulas(edit).choose(edit.expand_dims(is_inside, 3), pixels, self._fill)

    def for_each_channel(self, of_pixels: Tensor) -> Tensor:
        """Numbers of pixels, to be multiplied with all channels of these."""
        return self._edit.expand_dims(of_pixels, 3)

    def _clamped(self, whole: Formulas, place: Tensor, size: Tensor) -> Tensor:
        return whole.do("Maximum", whole.do("Minimum", place, whole.do("Sub", size, 1)), 0)


# --- where a place outside of the image is taken to be


def _stay(maths: Formulas, place: Tensor, size: Tensor) -> Tensor:  # noqa: ARG001  # as the others
    return place


def _clamp(maths: Formulas, place: Tensor, size: Tensor) -> Tensor:
    return maths.do("Minimum", maths.do("Maximum", place, 0.0), maths.do("Sub", size, 1.0))


def _wrap(maths: Formulas, place: Tensor, size: Tensor) -> Tensor:
    last = maths.do("Sub", size, 1.0)
    period = maths.do("Maximum", last, 1.0)

    def periods(distance: Tensor) -> Tensor:
        return maths.do("Floor", maths.do("RealDiv", distance, period))

    before = maths.do("Add", place, maths.do("Mul", size, maths.do("Add", periods(maths.do("Neg", place)), 1.0)))
    behind = maths.do("Sub", place, maths.do("Mul", size, periods(place)))
    return _clamp(maths, _by_side(maths, place, last, before, behind), size)


def _reflect(maths: Formulas, place: Tensor, size: Tensor) -> Tensor:
    period = maths.do("Mul", size, 2.0)

    def whole_periods(distance: Tensor) -> Tensor:
        return maths.do("Mul", period, maths.do("Floor", maths.do("RealDiv", distance, period)))

    near = maths.do("Add", whole_periods(maths.do("Neg", place)), place)
    mirrored = maths.do("Sub", maths.do("Neg", near), 1.0)
    is_far = maths.do("Less", near, maths.do("Neg", size))
    before = maths.choose(is_far, maths.do("Add", near, period), mirrored)
    over = maths.do("Sub", place, whole_periods(place))
    returning = maths.do("Sub", maths.do("Sub", period, over), 1.0)
    behind = maths.choose(maths.do("GreaterEqual", over, size), returning, over)
    return _clamp(maths, _by_side(maths, place, maths.do("Sub", size, 1.0), before, behind), size)


def _by_side(maths: Formulas, place: Tensor, last: Tensor, before: Tensor, behind: Tensor) -> Tensor:
    after = maths.choose(maths.do("Greater", place, last), behind, place)
    return maths.choose(maths.do("Less", place, 0.0), before, after)


_MODES: dict[str, Callable[[Formulas, Tensor, Tensor], Tensor]] = {
    "CONSTANT": _stay,
    "NEAREST": _clamp,
    "WRAP": _wrap,
    "REFLECT": _reflect,
}


# --- what is read there


def _nearest(maths: Formulas, images: _Images, x: Tensor, y: Tensor) -> Tensor:
    """Halves are rounded away from zero."""

    def rounded(place: Tensor) -> Tensor:
        size = maths.do("Floor", maths.do("Add", maths.do("Abs", place), 0.5))
        return maths.do("Mul", maths.do("Sign", place), size)

    return images.read(rounded(x), rounded(y))


def _bilinear(maths: Formulas, images: _Images, x: Tensor, y: Tensor) -> Tensor:
    edges = [(floor, maths.do("Add", floor, 1.0)) for floor in (maths.do("Floor", place) for place in (x, y))]
    (left, right), (top, bottom) = edges

    def weighted(part: Tensor, first: Tensor, other: Tensor, second: Tensor) -> Tensor:
        return maths.do("Add", maths.do("Mul", part, first), maths.do("Mul", other, second))

    def distance(one: Tensor, other: Tensor) -> Tensor:
        return images.for_each_channel(maths.do("Sub", one, other))

    rows = [
        weighted(distance(right, x), images.read(left, row), distance(x, left), images.read(right, row))
        for row in (top, bottom)
    ]
    return weighted(distance(bottom, y), rows[0], distance(y, top), rows[1])


_INTERPOLATIONS: dict[str, Callable[[Formulas, _Images, Tensor, Tensor], Tensor]] = {
    "NEAREST": _nearest,
    "BILINEAR": _bilinear,
}
