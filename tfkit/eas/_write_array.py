"""Writes one numpy array as an entry of a message's map."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from tfkit.arrays import DTYPES, NUMPY_DTYPES, Array, dtype_of, string_array
from tfkit.eas import _packed
from tfkit.eas._fields import FIELD_OF, STRING_VAL, ValueField
from tfkit.errors import InputError
from tfkit.proto import wire
from tfkit.tensors import DType

Part = bytes | memoryview

_SHORT_STRINGS = tuple(bytes((STRING_VAL.tag, size)) for size in range(0x80))


def entry(tag: int, name: str, array: Array) -> list[Part]:
    """The bytes of one map entry, in parts to be joined: arrays of floats are not copied.

    Raises:
        InputError: No message can hold the array.
    """
    dtype = DTYPES.get(array.dtype) or dtype_of(array)
    values = FIELD_OF.get(dtype)
    if values is None:
        known = ", ".join(each.short_name for each in FIELD_OF)
        raise InputError(f"EAS has no dtype {dtype.short_name}: expected one of {known}")
    if not array.size:
        return [_prefix(tag, name, _head(dtype, array.shape), 0)]
    if values.fixed is not None:
        held = NUMPY_DTYPES[dtype]
        payload = np.asarray(array, held if held.itemsize >= values.fixed.itemsize else values.fixed, order="C")
        return [_float_prefix(tag, name, dtype, payload.shape, payload.nbytes), payload.data]
    if values is STRING_VAL:
        parts = _strings(string_array(array).reshape(-1).tolist())
        return [_prefix(tag, name, _head(dtype, array.shape), sum(map(len, parts))), *parts]
    plain = np.asarray(array, order="C").reshape(-1)
    packed = _packed.write_varints(plain.view(plain.dtype[0]) if plain.dtype.names else plain)
    head = _head(dtype, array.shape) + _before_packed(values, len(packed))
    return [_prefix(tag, name, head, len(packed)), packed]


def entry_of_bytes(tag: int, name: str, dtype: DType, shape: tuple[int, ...], data: bytes) -> bytes:
    """The bytes of one map entry with an array of floats, of which only the bytes are at hand."""
    if not data:
        return _prefix(tag, name, _head(dtype, shape), 0)
    return _float_prefix(tag, name, dtype, shape, len(data)) + data


def text_field(tag: int, text: str) -> bytes:
    """A whole field that holds text."""
    encoded = text.encode()
    return bytes((tag,)) + wire.write_varint(len(encoded)) + encoded


def _strings(values: Iterable[bytes]) -> list[bytes]:
    parts = []
    for value in values:
        size = len(value)
        parts.append(_SHORT_STRINGS[size] if size < 0x80 else bytes((STRING_VAL.tag,)) + wire.write_varint(size))
        parts.append(value)
    return parts


@lru_cache(maxsize=1024)
def _float_prefix(tag: int, name: str, dtype: DType, shape: tuple[int, ...], size: int) -> bytes:
    """What precedes floats, whose size follows from the shape: the same for every array of that shape."""
    return _prefix(tag, name, _head(dtype, shape) + _before_packed(FIELD_OF[dtype], size), size)


def _prefix(tag: int, name: str, head: bytes, size: int) -> bytes:
    """A map entry up to the last ``size`` bytes of the array in it, which follow ``head``."""
    value = b"\x12" + wire.write_varint(len(head) + size) + head
    key = text_field(0x0A, name)
    return bytes((tag,)) + wire.write_varint(len(key) + len(value) + size) + key + value


def _head(dtype: DType, shape: tuple[int, ...]) -> bytes:
    """The fields of an array that precede its values."""
    dims = b"".join(map(wire.write_varint, shape))
    shape_message = b"\x0a" + wire.write_varint(len(dims)) + dims if dims else b""
    return bytes((0x08, dtype, 0x12)) + wire.write_varint(len(shape_message)) + shape_message


def _before_packed(values: ValueField, size: int) -> bytes:
    return bytes((values.tag,)) + wire.write_varint(size)
