"""Characters of texts, computed with numbers alone; for TensorFlow 1.12, which knows bytes only.

What is no UTF-8 is told apart as Unicode recommends it and ICU does it: every longest part that begins a character but
does not end it is one error (The Unicode Standard, "U+FFFD Substitution of Maximal Subparts").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rows import Rows, longest, place, rows_of_numbers
from tfkit.tensors import DType

_LONGEST = 4
_NONE = 256  # stands for no byte
_TRAIL = (0x80, 0xBF)
# What may follow some first bytes is less than that.
_SECOND = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
# Up to which code point a character takes so many bytes, and what its first byte begins with.
_LENGTHS = ((0x7F, 0x00), (0x7FF, 0xC0), (0xFFFF, 0xE0), (0x10FFFF, 0xF0))


@dataclass(frozen=True, slots=True)
class Bytes:
    """The bytes of some texts.

    Attributes:
        numbers: The bytes, int32.
        rows: The text that each is of; int64.
    """

    numbers: Tensor
    rows: Rows


@dataclass(frozen=True, slots=True)
class Characters:
    """The characters of some texts, and the errors between them.

    Attributes:
        points: Their code points; of errors something, int32.
        valid: Which are no errors.
        rows: The text of each; int64.
        starts: Where in its text each begins, in bytes; int64.
    """

    points: Tensor
    valid: Tensor
    rows: Rows
    starts: Tensor


def bytes_of(edit: Edit, texts: Tensor) -> Bytes:
    """The bytes of a vector of texts."""
    split = edit.add("StringSplit", (texts, edit.const("", DType.STRING)), skip_empty=False).node
    single = edit.add("DecodeRaw", (split.out(1),), out_type=DType.UINT8, little_endian=True)
    numbers = edit.cast(edit.reshape(single, (-1,)), DType.INT32)
    rows = rows_of_numbers(edit, edit.gather(split.out(0), 0, axis=1), edit.size(texts, DType.INT64))
    return Bytes(numbers, rows)


def characters_of(edit: Edit, texts: Tensor) -> Characters:
    """The characters of a vector of texts."""
    data = bytes_of(edit, texts)
    needed, lows, highs, points = (edit.gather(edit.const(table), data.numbers) for table in _tables())
    length = edit.add("OnesLike", (needed,), T=DType.INT32)
    going = edit.binary("Greater", needed, edit.const(1))
    for at in range(1, _LONGEST):
        byte = _next(edit, data, at)
        low, high = (lows, highs) if at == 1 else map(edit.const, _TRAIL)
        fits = edit.add("LogicalAnd", (edit.binary("GreaterEqual", byte, low), edit.binary("LessEqual", byte, high)))
        going = edit.add("LogicalAnd", (going, fits))
        added = edit.binary(
            "Add", edit.binary("Mul", points, edit.const(64)), edit.binary("Sub", byte, edit.const(128))
        )
        points = edit.add("Select", (going, added, points), T=DType.INT32)
        length = edit.binary("Add", length, edit.cast(going, DType.INT32))
        going = edit.add("LogicalAnd", (going, edit.binary("Greater", needed, edit.const(at + 1))))
    begins = edit.add("LogicalNot", (_inside(edit, length),))
    kept = edit.reshape(edit.add("Where", (begins,), T=DType.BOOL), (-1,))
    valid = edit.binary("Equal", length, needed)
    rows = rows_of_numbers(edit, edit.gather(data.rows.rows, kept), edit.size(texts, DType.INT64))
    starts = edit.gather(data.rows.within(edit), kept)
    return Characters(edit.gather(points, kept), edit.gather(valid, kept), rows, starts)


def texts_of(edit: Edit, points: Tensor, rows: Rows, encoding: str) -> Tensor:
    """The texts of rows of code points, in an encoding of ``ENCODINGS``."""
    numbers = ENCODINGS[encoding](edit, points)
    singles = edit.const([*(bytes([byte]) for byte in range(256)), b""], DType.STRING)
    parts = [edit.gather(singles, number) for number in numbers]
    return join_rows(edit, edit.add("StringJoin", parts, N=_LONGEST, separator=""), rows)


def _as_utf8(edit: Edit, points: Tensor) -> list[Tensor]:
    """The bytes of each character, ``_NONE`` for those that it does not have."""
    length = edit.const(0)
    for limit in (-1, *(limit for limit, _ in _LENGTHS[:-1])):
        more = edit.cast(edit.binary("Greater", points, edit.const(limit)), DType.INT32)
        length = edit.binary("Add", length, more)
    rest = points
    trailing: list[Tensor] = []
    for before in reversed(range(1, _LONGEST)):
        trail = edit.binary("Add", edit.binary("FloorMod", rest, edit.const(64)), edit.const(128))
        has = edit.binary("Greater", length, edit.const(before))
        trailing.insert(0, edit.select(has, trail, edit.const(_NONE)))
        rest = edit.select(has, edit.binary("FloorDiv", rest, edit.const(64)), rest)
    marks = edit.gather(edit.const([0, *(mark for _, mark in _LENGTHS)]), length)
    return [edit.binary("Add", rest, marks), *trailing]


def _as_utf16(edit: Edit, points: Tensor) -> list[Tensor]:
    """Two bytes, or twice two: of surrogates, which take ten bits each."""
    beyond = edit.binary("Sub", points, edit.const(0x10000))
    is_pair = edit.binary("GreaterEqual", beyond, edit.const(0))
    high = edit.binary("Add", edit.binary("FloorDiv", beyond, edit.const(0x400)), edit.const(0xD800))
    low = edit.binary("Add", edit.binary("FloorMod", beyond, edit.const(0x400)), edit.const(0xDC00))
    first, none = edit.select(is_pair, high, points), edit.const(_NONE)
    second = [edit.select(is_pair, each, none) for each in _two_bytes(edit, low)]
    return [*_two_bytes(edit, first), *second]


def _as_utf32(edit: Edit, points: Tensor) -> list[Tensor]:
    high, low = (edit.binary(op, points, edit.const(0x10000)) for op in ("FloorDiv", "FloorMod"))
    return [*_two_bytes(edit, high), *_two_bytes(edit, low)]


def _two_bytes(edit: Edit, numbers: Tensor) -> list[Tensor]:
    return [edit.binary(op, numbers, edit.const(0x100)) for op in ("FloorDiv", "FloorMod")]


ENCODINGS: dict[str, Callable[[Edit, Tensor], list[Tensor]]] = {
    "UTF-8": _as_utf8,
    "UTF-16-BE": _as_utf16,
    "UTF-32-BE": _as_utf32,
}


def prefixed(edit: Edit, texts: Tensor, which: Tensor, prefix: str) -> Tensor:
    """Texts, some of them with a prefix."""
    chosen = edit.gather(edit.const(["", prefix], DType.STRING), edit.cast(which, DType.INT32))
    return edit.add("StringJoin", (chosen, texts), N=2, separator="")


def join_rows(edit: Edit, texts: Tensor, rows: Rows) -> Tensor:
    """Joins the texts of each row."""
    dtype = edit.dtype(rows.rows)
    within = rows.within(edit)
    width = edit.binary("Maximum", longest(edit, rows.lengths), edit.const(1, dtype))
    at = edit.binary("Add", edit.binary("Mul", rows.rows, width), within)
    sizes = edit.pack([edit.size(rows.lengths, dtype), width])
    table = place(edit, texts, at, sizes, edit.const([""], DType.STRING))
    return edit.add("ReduceJoin", (table, edit.const([1])), keep_dims=False, separator="")


def _tables() -> list[np.ndarray]:
    """Of each byte as the first: how many a character has (0: none), what may follow, what it adds to the number."""
    byte = np.arange(256)
    needed = np.select([byte < 0x80, byte < 0xC2, byte < 0xE0, byte < 0xF0, byte < 0xF5], [1, 0, 2, 3, 4], 0)
    low, high = np.full(256, _TRAIL[0]), np.full(256, _TRAIL[1])
    for first, (least, most) in _SECOND.items():
        low[first], high[first] = least, most
    return [needed, low, high, byte & np.select([needed < 2, needed == 2, needed == 3], [0x7F, 0x1F, 0x0F], 0x07)]


def _next(edit: Edit, data: Bytes, steps: int) -> Tensor:
    """The byte so many steps on, 0 where the text ends before."""
    at = edit.binary("Add", edit.range_of(data.rows.count), edit.const(steps, DType.INT64))
    padded = edit.concat([data.numbers, edit.const([0] * steps)])
    rows = edit.concat([data.rows.rows, edit.const([-1] * steps, DType.INT64)])
    same = edit.binary("Equal", edit.gather(rows, at), data.rows.rows)
    return edit.binary("Mul", edit.gather(padded, at), edit.cast(same, DType.INT32))


def _inside(edit: Edit, lengths: Tensor) -> Tensor:
    """Which bytes belong to what began one, two or three before them."""
    padded = edit.concat([edit.const([0] * (_LONGEST - 1)), lengths])
    numbers = edit.range_of(edit.size(lengths))
    result = None
    for steps in range(1, _LONGEST):
        earlier = edit.gather(padded, edit.binary("Add", numbers, edit.const(_LONGEST - 1 - steps)))
        reaches = edit.binary("Greater", earlier, edit.const(steps))
        result = reaches if result is None else edit.add("LogicalOr", (result, reaches))
    assert result is not None  # noqa: S101
    return result
