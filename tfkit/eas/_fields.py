"""The fields of an ``ArrayProto``, which of them holds the values of each dtype, and a quick way over fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfkit.proto import wire
from tfkit.tensors import DType

Data = bytes | memoryview

DTYPE, SHAPE = 1, 2
DIM = 1


@dataclass(frozen=True, slots=True)
class ValueField:
    """One of the fields that hold an array's values.

    Attributes:
        number: The field's number.
        name: Its name in the message definition.
        kind: The wire type of a single value.
        fixed: How numpy holds a value of fixed size; ``None`` for varints and strings.
    """

    number: int
    name: str
    kind: int
    fixed: np.dtype[Any] | None = None

    @property
    def tag(self) -> int:
        """The tag of packed values, or of a string; always one byte."""
        return self.number << 3 | wire.LENGTH


FLOAT_VAL = ValueField(3, "float_val", wire.FIXED32, np.dtype("<f4"))
DOUBLE_VAL = ValueField(4, "double_val", wire.FIXED64, np.dtype("<f8"))
INT_VAL = ValueField(5, "int_val", wire.VARINT)
STRING_VAL = ValueField(6, "string_val", wire.LENGTH)
INT64_VAL = ValueField(7, "int64_val", wire.VARINT)
BOOL_VAL = ValueField(8, "bool_val", wire.VARINT)

VALUE_FIELDS = {each.number: each for each in (FLOAT_VAL, DOUBLE_VAL, INT_VAL, STRING_VAL, INT64_VAL, BOOL_VAL)}

FIELD_OF: dict[DType, ValueField] = {
    DType.FLOAT: FLOAT_VAL,
    DType.HALF: FLOAT_VAL,
    DType.BFLOAT16: FLOAT_VAL,
    DType.COMPLEX64: FLOAT_VAL,
    DType.DOUBLE: DOUBLE_VAL,
    DType.COMPLEX128: DOUBLE_VAL,
    DType.INT8: INT_VAL,
    DType.INT16: INT_VAL,
    DType.INT32: INT_VAL,
    DType.UINT8: INT_VAL,
    DType.UINT16: INT_VAL,
    DType.QINT8: INT_VAL,
    DType.QINT16: INT_VAL,
    DType.QINT32: INT_VAL,
    DType.QUINT8: INT_VAL,
    DType.QUINT16: INT_VAL,
    DType.STRING: STRING_VAL,
    DType.INT64: INT64_VAL,
    DType.BOOL: BOOL_VAL,
}

# The tags of length-delimited fields that take one byte.
_SHORT_TAGS = frozenset(number << 3 | wire.LENGTH for number in range(1, 16))


def scan(data: Data, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Tag, payload's start and payload's end of each field: ``wire.fields``, quick where tag and size are short.

    Raises:
        WireError: The bytes are not a protobuf message, or are cut off.
    """
    while at < end:
        tag = data[at]
        if tag in _SHORT_TAGS and at + 1 < end:
            size, start = data[at + 1], at + 2
            if size >= 0x80:
                size, start = read_size(data, at + 1, end)
            at = start + size
            if at > end:
                raise wire.WireError(f"field {tag >> 3} is cut off: {at - end} of its bytes are missing")
            yield tag, start, at
        else:
            field = next(wire.fields(data, at, end))
            at = field.end
            yield field.number << 3 | field.kind, field.start, at


def read_size(data: Data, at: int, end: int) -> tuple[int, int]:
    """Reads the size before a payload; returns it and the position after it. At least one byte must be there."""
    low = data[at]
    if low < 0x80:
        return low, at + 1
    if at + 1 < end and data[at + 1] < 0x80:
        return low - 0x80 + (data[at + 1] << 7), at + 2
    return wire.read_varint(data, at, end, wire.MAX_TAG_BYTES)
