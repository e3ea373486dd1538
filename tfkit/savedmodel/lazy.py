"""A protobuf message that is read where it lies, only as far as it is asked for.

A message is a list of byte ranges of one buffer: protobuf says that a message field that occurs twice is the merge of
both, and that merging is the same as parsing the two one after the other. Fields of an unexpected wire type are
ignored, as protobuf's own parsers ignore them.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

from tfkit.proto import wire

Data = mmap.mmap | bytes
Span = tuple[int, int]


class ContentError(ValueError):
    """A message reads well, but what it says is impossible."""


class Message(NamedTuple):
    """One message: the buffer, and the ranges that hold its fields.

    Methods raise ``tfkit.proto.wire.WireError`` or ``UnicodeDecodeError`` where the bytes are damaged. Each call scans
    the fields anew, skipping over their payloads; look at a message of very many fields with ``fields`` once.
    """

    data: Data
    spans: tuple[Span, ...]

    @classmethod
    def whole(cls, data: Data) -> Message:
        """The message that fills a buffer."""
        return cls(data, ((0, len(data)),))

    @property
    def size_bytes(self) -> int:
        """How many bytes the message takes."""
        return sum(end - start for start, end in self.spans)

    def fields(self) -> Iterator[wire.Field]:
        """All fields in order, payloads skipped over."""
        for start, end in self.spans:
            yield from wire.fields(self.data, start, end)

    def at(self, field: wire.Field) -> Message:
        """The message in a field's payload."""
        return Message(self.data, ((field.start, field.end),))

    def child(self, number: int) -> Message:
        """A singular message field; an empty message if it is absent."""
        return Message(self.data, tuple((field.start, field.end) for field in self._lengths(number)))

    def children(self, number: int) -> Iterator[Message]:
        """The messages of a repeated field."""
        return (self.at(field) for field in self._lengths(number))

    def entries(self, number: int) -> Iterator[tuple[str, Message]]:
        """The keys and values of a ``map<string, message>`` field; of a key that occurs twice the last one counts."""
        return ((entry.text(1), entry.child(2)) for entry in self.children(number))

    def text(self, number: int) -> str:
        """A singular string field; empty if it is absent."""
        return self.raw(number).decode()

    def texts(self, number: int) -> tuple[str, ...]:
        """A repeated string field."""
        return tuple(self.data[field.start : field.end].decode() for field in self._lengths(number))

    def raw(self, number: int) -> bytes:
        """A singular bytes field; empty if it is absent."""
        value = b""
        for field in self._lengths(number):
            value = self.data[field.start : field.end]
        return value

    def integer(self, number: int) -> int:
        """A singular int64 field; 0 if it is absent."""
        value = 0
        for field in self.fields():
            if field.number == number and field.kind == wire.VARINT:
                value = wire.signed(field.value)
        return value

    def integers(self, *numbers: int) -> Iterator[int]:
        """The values of repeated integer or enum fields, packed or not, in order."""
        for field in self.fields():
            if field.number not in numbers:
                continue
            if field.kind == wire.VARINT:
                yield wire.signed(field.value)
            elif field.kind == wire.LENGTH:
                at = field.start
                while at < field.end:
                    value, at = wire.read_varint(self.data, at, field.end)
                    yield wire.signed(value)

    def has(self, number: int) -> bool:
        """Whether a message, string or bytes field is present."""
        return next(self._lengths(number), None) is not None

    def _lengths(self, number: int) -> Iterator[wire.Field]:
        return (field for field in self.fields() if field.number == number and field.kind == wire.LENGTH)
