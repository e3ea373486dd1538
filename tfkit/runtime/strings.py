"""The two layouts of string tensors in TensorFlow's C API.

Packed, before TensorFlow 2.4 (``tensorflow/c/c_api.h`` of 1.15): an uint64 offset for each element, then the elements,
each a varint length and its bytes. TensorFlow copies them on the way in and out.

Records, since 2.4 (``tensorflow/core/platform/ctstring_internal.h``): 24 bytes an element, its type in the low two bits
of the first. SMALL (0): length in the other six bits, the bytes inline. LARGE (1): size, capacity, pointer to memory of
``malloc``. OFFSET (2): two uint32, size and the offset from the element. VIEW (3): size and pointer.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from tfkit.arrays import Array
from tfkit.errors import TensorFlowError
from tfkit.proto.wire import WireError, read_varint, write_varint

RECORD_BYTES = 24
_SMALL_CAPACITY = 22
_POINTER_OFFSET = 16
_SMALL, _LARGE, _OFFSET, _VIEW = range(4)
_LARGEST_STRING_AT = 2**31 - 1  # it takes a C int
_INTERNAL, _RESOURCE_EXHAUSTED = 13, 8

_libc = ctypes.PyDLL(None)
_malloc, _free = _libc.malloc, _libc.free
_malloc.restype, _malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
_free.restype, _free.argtypes = None, (ctypes.c_void_p,)
_memmove = ctypes.memmove


def copy_bytes(address: int, size: int) -> bytes:
    """A copy of ``size`` bytes at an address."""
    if size <= _LARGEST_STRING_AT:
        return ctypes.string_at(address, size)
    return (ctypes.c_char * size).from_address(address).raw


def pack_strings(values: Sequence[bytes]) -> bytes:
    """The content of a string tensor, packed as TensorFlow wants it before 2.4."""
    bodies = [write_varint(len(value)) + value for value in values]
    offsets = list(accumulate(map(len, bodies[:-1]), initial=0)) if bodies else []
    return struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(bodies)


def unpack_strings(data: bytes, count: int) -> Array:
    """The elements of a packed string tensor.

    Raises:
        TensorFlowError: The bytes are no such tensor.
    """
    values = np.empty(count, dtype=object)
    begin = 8 * count
    try:
        for index, offset in enumerate(struct.unpack_from(f"<{count}Q", data)):
            size, start = read_varint(data, begin + offset, len(data))
            values[index] = data[start : start + size]
    except (WireError, struct.error) as error:
        raise TensorFlowError(f"TensorFlow gave a string tensor that cannot be read: {error}", code=_INTERNAL) from None
    return values


def write_records(base: int, values: Sequence[bytes]) -> list[int]:
    """Writes the records of a string tensor: short strings inline, long ones into memory of their own.

    Views of our bytes would be quicker, but an operation that keeps an element (a mutable table) would keep the view.

    Args:
        base: The address of the tensor's content.
        values: Its elements.

    Returns:
        The addresses of the records that have memory of their own, for ``free_strings``.
    """
    elements = bytearray(RECORD_BYTES * len(values))
    large: list[int] = []
    at = 0
    for value in values:
        size = len(value)
        if size <= _SMALL_CAPACITY:
            elements[at] = size << 2
            elements[at + 1 : at + 1 + size] = value
        else:
            address = _malloc(size + 1)
            if address is None:
                _memmove(base, bytes(elements), len(elements))  # what is there must be whole when it is freed
                raise TensorFlowError(f"there is no memory for a string of {size} bytes", code=_RESOURCE_EXHAUSTED)
            _memmove(address, value + b"\0", size + 1)
            struct.pack_into("<QQQ", elements, at, size << 2 | _LARGE, size, address)
            large.append(base + at)
        at += RECORD_BYTES
    _memmove(base, bytes(elements), len(elements))
    return large


def free_strings(records: Sequence[int]) -> None:
    """Gives the memory of long strings back and makes them empty ones, for newer TensorFlows free what they find."""
    for record in records:
        _free(ctypes.c_void_p.from_address(record + _POINTER_OFFSET).value)
        ctypes.memset(record, 0, RECORD_BYTES)


def read_records(base: int, count: int) -> Array:
    """Copies of the elements of a string tensor made of records."""
    elements = copy_bytes(base, count * RECORD_BYTES)
    values = np.empty(count, dtype=object)
    for index in range(count):
        at = index * RECORD_BYTES
        kind = elements[at] & 3
        if kind == _SMALL:
            values[index] = elements[at + 1 : at + 1 + (elements[at] >> 2)]
        elif kind == _LARGE:
            size, _, address = struct.unpack_from("<QQQ", elements, at)
            values[index] = copy_bytes(address, size >> 2)
        elif kind == _OFFSET:
            size, offset = struct.unpack_from("<II", elements, at)
            values[index] = copy_bytes(base + at + offset, size >> 2)
        else:
            size, address = struct.unpack_from("<QQ", elements, at)
            values[index] = copy_bytes(address, size >> 2)
    return values
