"""Requests and answers as HTTP/1.1 has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {450: "Queue Full", 499: "Client Closed Request"}
_TEXT, _JSON, BINARY = b"text/plain; charset=utf-8", b"application/json", b"application/octet-stream"


def response(status: int, body: bytes, *, content_type: bytes = BINARY, extra: bytes = b"") -> Response:
    """An answer; ``extra`` holds further header lines, each ended by CRLF."""
    return Response(
        status, b"%sContent-Length: %d\r\n%s" % (_first_lines(status, content_type), len(body), extra), body
    )


@lru_cache
def _first_lines(status: int, content_type: bytes) -> bytes:
    reason = _REASONS.get(status, "Unknown").encode()
    return b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\n" % (status, reason, content_type)


def text_response(status: int, text: str, *, extra: bytes = b"") -> Response:
    """A short answer for people to read."""
    return response(status, text.encode() + b"\n" if text else b"", content_type=_TEXT, extra=extra)


def json_response(text: str) -> Response:
    """A JSON document."""
    return response(200, text.encode(), content_type=_JSON)


@dataclass(slots=True)
class Response:
    """A status and the bytes to send; ``head`` lacks the empty line that ends it.

    Attributes:
        close: Close the connection after it.
        delivered: To be called once it was handed to a client that waited for it; none if nobody wants to know.
    """

    status: int
    head: bytes
    body: bytes
    close: bool = False
    delivered: Callable[[], None] | None = None


class Request:
    """One request as received.

    The application sets ``job``, its work on the answer, and ``soon`` where that needs no watching by a deadline.
    """

    __slots__ = (
        "began", "body", "body_size", "chunks", "complete", "expects_continue", "head_size", "headers", "job",
        "keep_alive", "method", "refusal", "soon", "target",
    )  # fmt: skip

    def __init__(self, began: float) -> None:
        self.began = began
        self.method = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.head_size = 0
        self.chunks: list[bytes] = []
        self.body = b""
        self.body_size = 0
        self.complete = False
        self.expects_continue = False
        self.keep_alive = True
        self.refusal: Response | None = None
        self.job: object = None
        self.soon = False
