"""Shapes that the user gives for inputs which the model itself leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tfkit.errors import UsageError
from tfkit.tensors import Shape

# The name of a shape that is given without one: that of the only input.
ONLY_INPUT = ""
_OPEN = "?"
_FORM = "expected the sizes of one item, as in 224,224,3 or images=?,?,3"


def parse_input_shapes(options: Iterable[str]) -> dict[str, Shape]:
    """Reads ``--input-shape`` options: sizes without the batch, ``?`` where one stays open.

    Raises:
        UsageError: An option has another form, or one input is given twice.

    >>> parse_input_shapes(["224,224,3"])
    {'': (224, 224, 3)}
    >>> parse_input_shapes(["image=?,?,3", "facts=5"])
    {'image': (None, None, 3), 'facts': (5,)}
    """
    shapes: dict[str, Shape] = {}
    for option in options:
        name, equals, sizes = option.rpartition("=")
        if (equals and not name) or not sizes:
            raise UsageError(f"--input-shape {option!r}: {_FORM}")
        if name in shapes:
            raise UsageError(f"--input-shape gives {f'input {name!r}' if name else 'the input'} two shapes")
        shapes[name] = tuple(_size(option, each.strip()) for each in sizes.split(","))
    return shapes


def check_input_shapes(given: Mapping[str, Sequence[int | None]]) -> dict[str, Shape]:
    """Shapes by input name, as Python callers give them.

    Raises:
        UsageError: A size is none.
    """
    for shape in given.values():
        for size in shape:
            if size is not None and (not isinstance(size, int) or size < 1):
                raise UsageError(
                    f"input_shape {tuple(shape)}: {size!r} is no size: expected numbers from 1 on, or None"
                )
    return {name: tuple(shape) for name, shape in given.items()}


def _size(option: str, text: str) -> int | None:
    if text == _OPEN:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--input-shape {option!r}: {text!r} is no size: {_FORM}")
    return int(text)
