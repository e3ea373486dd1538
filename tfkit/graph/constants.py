"""The first values of constants in a graph, without numpy and without reading more than asked for.

Field numbers are those of TensorFlow's ``tensor.proto``.
"""

from __future__ import annotations

import struct
from itertools import islice

from tfkit.proto import wire
from tfkit.savedmodel.lazy import Message
from tfkit.tensors import DType

# How many values are read: samples are taken of them, not all are needed.
MAX_VALUES = 1000

_DTYPE, _CONTENT, _INT_VAL, _STRING_VAL, _INT64_VAL, _UINT32_VAL, _UINT64_VAL = 1, 4, 7, 8, 10, 16, 17
_INTEGER_FIELDS = (_INT_VAL, _INT64_VAL, _UINT32_VAL, _UINT64_VAL)
_SHAPE = 2
_CODES = {
    DType.INT8: "b",
    DType.UINT8: "B",
    DType.INT16: "h",
    DType.UINT16: "H",
    DType.INT32: "i",
    DType.UINT32: "I",
    DType.INT64: "q",
    DType.UINT64: "Q",
}


def integers(tensor: Message) -> tuple[int, ...]:
    """The first whole numbers of a ``TensorProto``; none if it holds something else."""
    code = _CODES.get(DType(number)) if (number := tensor.integer(_DTYPE)) in DType._value2member_map_ else None
    if code is None:
        return ()
    for field in tensor.fields():
        if field.number == _CONTENT and field.kind == wire.LENGTH:
            return _unpacked(tensor, field, code)
    values = tuple(islice(tensor.integers(*_INTEGER_FIELDS), MAX_VALUES))
    # A lone zero may be left out, as protobuf leaves out default values.
    return values or ((0,) if not tensor.child(_SHAPE).has(2) else ())


def texts(tensor: Message) -> tuple[bytes, ...]:
    """The first texts of a ``TensorProto``; none if it holds something else."""
    held = (field for field in tensor.fields() if field.number == _STRING_VAL and field.kind == wire.LENGTH)
    return tuple(bytes(tensor.data[field.start : field.end]) for field in islice(held, MAX_VALUES))


def _unpacked(tensor: Message, field: wire.Field, code: str) -> tuple[int, ...]:
    count = min((field.end - field.start) // struct.calcsize(code), MAX_VALUES)
    form = f"<{count}{code}"
    return struct.unpack(form, tensor.data[field.start : field.start + struct.calcsize(form)])
