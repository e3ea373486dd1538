"""What only the bytes of a request show: two messages in one, and which of its inputs is damaged.

To protobuf two messages one after the other are one, in which the second overrides the first: nothing fails, and
nothing tells. But serializers write fields in the order of their numbers, and each name once.
Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from __future__ import annotations

from collections.abc import Iterator

from tfkit.eas.messages import decode_request
from tfkit.errors import MessageError
from tfkit.proto import wire
from tfkit.warmup.findings import Finding, error, warning

_SIGNATURE_NAME, _INPUTS, _OUTPUT_FILTER = 1, 2, 3
_KEY = 1
_NAMES = (_SIGNATURE_NAME, _INPUTS, _OUTPUT_FILTER)
_HINT = "A .bin file holds one request: give each a file of its own, and warm up with several files."


def check_wire(data: bytes) -> Iterator[Finding]:
    """What the bytes of a request that can be read show."""
    yield from _check_order(data)
    unknown = sorted({field.number for field in wire.fields(data) if field.number not in _NAMES})
    if unknown:
        shown = ", ".join(map(str, unknown[:5]))
        yield warning(
            "unknown-field",
            f"the message has fields that a PredictRequest does not: {shown}",
            "It may be a message of another kind, that happens to read as one.",
        )


def check_damaged(data: bytes) -> Iterator[Finding]:
    """What is wrong with a request that cannot be read: each input that is damaged, else the message."""
    found = False
    try:
        for field in wire.fields(data):
            if (field.number, field.kind) == (_INPUTS, wire.LENGTH):
                part = data[field.start : field.end]
                try:
                    decode_request(b"\x12" + wire.write_varint(len(part)) + part)
                except MessageError as problem:
                    found = True
                    yield error("damaged-input", problem.message, problem.hint)
    except wire.WireError as problem:
        found = True
        yield error("damaged", f"no PredictRequest: {problem}", "The file may be cut off: write or copy it again.")
    if not found:
        try:
            decode_request(data)
        except MessageError as problem:
            yield error("damaged", problem.message, problem.hint)


def _check_order(data: bytes) -> Iterator[Finding]:
    """One finding at most: where a second message seems to start."""
    seen: set[tuple[int, bytes]] = set()
    last = restart = 0
    for start, field in _with_starts(data):
        if field.number not in _NAMES or field.kind != wire.LENGTH:
            continue
        if field.number < last and not restart:
            restart = start
        name = (field.number, _key(data, field) if field.number == _INPUTS else b"")
        if name in seen and field.number != _OUTPUT_FILTER:
            is_input = field.number == _INPUTS
            what = f"input {name[1].decode('utf-8', 'replace')!r}" if is_input else "the signature name"
            yield error(
                "concatenated",
                f"{what} comes a second time, at byte {start}: another request seems to start at byte "
                f"{restart or start}, and protobuf merges the two",
                _HINT,
            )
            return
        seen.add(name)
        last = max(last, field.number)
    if restart:
        yield warning(
            "concatenated",
            f"the fields start anew at byte {restart}: two requests, one after the other, look like this to protobuf",
            _HINT,
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
