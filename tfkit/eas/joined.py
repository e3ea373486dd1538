"""Tells a file of two requests, one after the other, from one request.

To protobuf the two are one, in which the second overrides the first: nothing fails, and nothing tells. But serializers
write fields in the order of their numbers, and each name once.
Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tfkit.eas.messages import PredictRequest, decode_request
from tfkit.errors import MessageError
from tfkit.proto import wire

SIGNATURE_NAME, INPUTS, OUTPUT_FILTER = FIELDS = (1, 2, 3)
_KEY = 1
_HINT = "A .bin file holds one request: give each a file of its own."


class Seam(NamedTuple):
    """Where a second request seems to start.

    Attributes:
        is_certain: A name comes twice, as no serializer writes it; else only the order of the fields is unusual.
        message: What tells.
        hint: What to do.
    """

    is_certain: bool
    message: str
    hint: str = _HINT


def decode_one(data: bytes) -> PredictRequest:
    """Reads the bytes of a file that is to hold one request.

    A service takes a body as it is; a file is made by people, who may have put two together.

    Raises:
        MessageError: The bytes are no request, or are two.
    """
    request = decode_request(data)
    seam = find_seam(data)
    if seam is not None and seam.is_certain:
        raise MessageError(seam.message, hint=seam.hint)
    return request


def find_seam(data: bytes) -> Seam | None:
    """Where in the bytes of a request a second one seems to start; ``None`` for one request alone.

    Raises:
        WireError: The bytes are no message.
    """
    seen: set[tuple[int, bytes]] = set()
    last = restart = 0
    for start, field in _with_starts(data):
        if field.number not in FIELDS or field.kind != wire.LENGTH:
            continue
        if field.number < last and not restart:
            restart = start
        name = (field.number, _key(data, field) if field.number == INPUTS else b"")
        if name in seen and field.number != OUTPUT_FILTER:
            is_input = field.number == INPUTS
            what = f"input {name[1].decode('utf-8', 'replace')!r}" if is_input else "the signature name"
            return Seam(
                True,
                f"{what} comes a second time, at byte {start}: another request seems to start at byte "
                f"{restart or start}, and protobuf merges the two",
            )
        seen.add(name)
        last = max(last, field.number)
    if not restart:
        return None
    return Seam(
        False, f"the fields start anew at byte {restart}: two requests, one after the other, look like this to protobuf"
    )


def _with_starts(data: bytes) -> Iterator[tuple[int, wire.Field]]:
    """Each field, and where its tag starts."""
    start = 0
    for field in wire.fields(data):
        yield start, field
        start = field.end


def _key(data: bytes, entry: wire.Field) -> bytes:
    """The key of a map's entry; the last one counts."""
    key = b""
    for field in wire.fields(data, entry.start, entry.end):
        if (field.number, field.kind) == (_KEY, wire.LENGTH):
            key = data[field.start : field.end]
    return key
