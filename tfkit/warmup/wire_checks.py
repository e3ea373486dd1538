"""What only the bytes of a request show: two messages in one, and which of its inputs is damaged."""

from __future__ import annotations

from collections.abc import Iterator

from tfkit.eas.joined import FIELDS, INPUTS, find_seam
from tfkit.eas.messages import decode_request
from tfkit.errors import MessageError
from tfkit.proto import wire
from tfkit.warmup.findings import Finding, error, warning


def check_wire(data: bytes) -> Iterator[Finding]:
    """What the bytes of a request that can be read show."""
    seam = find_seam(data)
    if seam is not None:
        yield (error if seam.is_certain else warning)("concatenated", seam.message, seam.hint)
    unknown = sorted({field.number for field in wire.fields(data) if field.number not in FIELDS})
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
            if (field.number, field.kind) == (INPUTS, wire.LENGTH):
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
