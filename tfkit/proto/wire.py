"""Protobuf's wire format, read in place: for files too large to parse and for code that must start at once.

Source: https://protobuf.dev/programming-guides/encoding/. Buffers are anything indexable by byte that can be sliced:
``bytes``, ``memoryview``, ``mmap``. Nothing is copied but the slices a caller takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)
_MAX_VARINT_BYTES = 10
MAX_TAG_BYTES = 5  # of a size as well


class WireError(ValueError):
    """The bytes are not a protobuf message."""


class Buffer(Protocol):
    """What can be read in place."""

    def __getitem__(self, index: int, /) -> int: ...

    def __len__(self) -> int: ...


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: The field's number.
        kind: Its wire type.
        value: The number itself for ``VARINT``; unused otherwise.
        start: Where its payload starts in the buffer.
        end: Where its payload ends.
    """

    number: int
    kind: int
    value: int
    start: int
    end: int


def read_varint(data: Buffer, at: int, end: int, longest: int = _MAX_VARINT_BYTES) -> tuple[int, int]:
    """Reads an unsigned varint; returns its value (modulo 2**64) and the position after it."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift >= 7 * longest:
            raise WireError(f"a varint of more than {longest} bytes before byte {at}")
    raise WireError(f"a varint is cut off at byte {at}")


def fields(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message in ``data[start:end]``, payloads skipped over.

    Raises:
        WireError: The bytes are not a protobuf message, or are cut off.
    """
    at = start
    stop = len(data) if end is None else end
    while at < stop:
        tag, at = read_varint(data, at, stop, MAX_TAG_BYTES)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise WireError(f"field number {number} before byte {at}")
        value, first = 0, at
        if kind == VARINT:
            value, at = read_varint(data, at, stop)
        elif kind == LENGTH:
            size, first = read_varint(data, at, stop, MAX_TAG_BYTES)
            at = first + size
        elif kind == FIXED64:
            at += 8
        elif kind == FIXED32:
            at += 4
        else:
            raise WireError(f"wire type {kind} of field {number} before byte {at}")
        if at > stop:
            raise WireError(f"field {number} is cut off: {at - stop} of its bytes are missing")
        yield Field(number, kind, value, first, at)


def signed(value: int) -> int:
    """The int64 that an unsigned varint stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def write_varint(value: int) -> bytes:
    """An unsigned (or negative, then as 64-bit two's complement) number as a varint."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
