"""HTTP/1.1 on httptools: one connection, its limits and its timeouts.

Why not a web framework: with a small model behind it the framework would cost more than the model
(``benchmarks/http_layer.py``), and requests are to be refused at their headers, before a body is read. So every limit
is kept here: size of head and body, number of connections, time to receive and to answer, pipelining.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, cast

import httptools

_HEAD_LIMIT_BYTES = 64 * 1024
# A refused body up to this size is read and dropped, so that the connection can be used again.
_DROP_LIMIT_BYTES = 1024 * 1024
# After a refusal that closes, what the client still sends is dropped for a while: a reset would lose it our answer.
_LINGER_S = 5.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEADERS_READ = frozenset((b"authorization", b"content-md5", b"content-type", b"date", b"expect", b"content-length"))

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {450: "Queue Full", 499: "Client Closed Request"}
_TEXT, _JSON, BINARY = b"text/plain; charset=utf-8", b"application/json", b"application/octet-stream"


def response(status: int, body: bytes, *, content_type: bytes = BINARY, extra: bytes = b"") -> Response:
    """An answer; ``extra`` holds further header lines, each ended by CRLF."""
    head = b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s" % (
        status,
        _REASONS.get(status, "Unknown").encode(),
        content_type,
        len(body),
        extra,
    )
    return Response(status, head, body)


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
    """

    status: int
    head: bytes
    body: bytes
    close: bool = False


class Request:
    """One request as received.

    The application sets ``job``, its work on the answer, and ``soon`` where that needs no watching by a deadline.
    """

    __slots__ = (
        "began", "body", "body_size", "chunks", "complete", "headers", "job", "keep_alive", "method", "refusal",
        "soon", "target",
    )  # fmt: skip

    def __init__(self, began: float) -> None:
        self.began = began
        self.method = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.chunks: list[bytes] = []
        self.body = b""
        self.body_size = 0
        self.complete = False
        self.keep_alive = True
        self.refusal: Response | None = None
        self.job: object = None
        self.soon = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost.

    Attributes:
        body_bytes: The largest body.
        request_s: The longest from a request's first byte to its answer; then 408.
        idle_s: How long a connection may stay open without a request.
        connections: How many may be open.
        pipelined: How many requests a connection may send ahead of their answers.
    """

    body_bytes: int
    request_s: float
    idle_s: float = 75.0
    connections: int = 1024
    pipelined: int = 64


class Application(Protocol):
    """What answers requests."""

    def admit(self, request: Request) -> Response | None:
        """Called when the headers are in: a refusal, or ``None`` to read the body."""

    def answer(self, request: Request, connection: Connection) -> Response | None:
        """Called when the body is in: the answer, or ``None`` if ``connection.finish`` will be called with it."""

    def abandon(self, request: Request) -> None:
        """The answer is not wanted any more: the deadline passed, or the client left."""

    def finished(self, request: Request, status: int) -> None:
        """A request was answered, or was left by its client (499)."""


class Endpoint:
    """What the connections of one listening socket share."""

    def __init__(self, application: Application, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.application = application
        self.limits = limits
        self.loop = loop
        self.connections: set[Connection] = set()
        self.stopping = False

    def sweep(self) -> None:
        """Closes the connections that have been idle for too long; to be called now and then."""
        before = self.loop.time() - self.limits.idle_s
        for connection in tuple(self.connections):
            connection.close_if_idle(before)

    def stop(self) -> None:
        """Closes idle connections; the others are closed after the answer in flight."""
        self.stopping = True
        for connection in tuple(self.connections):
            connection.close_if_idle()

    def abort(self) -> None:
        """Closes every connection at once."""
        for connection in tuple(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client connection. Requests are answered one at a time, in order."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._application = endpoint.application
        self._limits = endpoint.limits
        self._loop = endpoint.loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._receiving: Request | None = None
        self._in_head = False
        self._head_size = 0
        self._waiting: deque[Request] = deque()
        self._busy: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0
        self._closing = False
        self._write_paused = False
        self._read_paused = False
        self.local_address: tuple[str, int] = ("", 0)

    # --- transport events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.local_address = transport.get_extra_info("sockname")[:2]
        self.idle_since = self._loop.time()
        self._endpoint.connections.add(self)
        if len(self._endpoint.connections) > self._limits.connections:
            self._send_last(text_response(503, f"more than {self._limits.connections} connections are open"))

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._in_head or self._receiving is None:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # refused at its headers; the connection ends with that answer
        except httptools.HttpParserError as error:
            self._refuse(text_response(400, f"not an HTTP/1.1 request: {error}"))
        if self._in_head and self._head_size > _HEAD_LIMIT_BYTES:
            self._refuse(text_response(431, f"the request's head is larger than {_HEAD_LIMIT_BYTES} bytes"))
        if self._busy is not None and self._waiting and not self._read_paused:
            self._pause_reading()
        self._arm_deadline()

    def eof_received(self) -> bool:
        # A client that left and one that only closed its sending half look the same. Nearly all have left, and what
        # they asked for must not go on taking a place in the queue, as their retries do.
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._endpoint.connections.discard(self)
        self._closing = True
        self._disarm()
        left = [request for request in (self._busy, *self._waiting) if request is not None]
        self._busy = self._receiving = None
        self._waiting.clear()
        for request in left:
            self._application.abandon(request)
            self._application.finished(request, 499)

    def pause_writing(self) -> None:
        self._write_paused = True
        self._arm(self._loop.time() + self._limits.request_s)

    def resume_writing(self) -> None:
        self._write_paused = False
        self._disarm()
        self._answer_waiting()
        self._arm_deadline()

    # --- parser events

    def on_message_begin(self) -> None:
        self._receiving = Request(self._loop.time())
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        if self._receiving is not None:
            self._receiving.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _HEADERS_READ and self._receiving is not None:
            self._receiving.headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_size = 0
        request = self._receiving
        if request is None or self._closing:
            return
        request.method = self._parser.get_method()
        request.keep_alive = self._parser.should_keep_alive()
        if self._parser.should_upgrade():
            request.refusal = text_response(400, "this server speaks HTTP/1.1 only: no upgrade, no CONNECT")
            request.keep_alive = False
        else:
            request.refusal = self._application.admit(request) or self._check_length(request)
        if request.refusal is not None:
            if self._must_close_on(request):
                self._refuse(request.refusal)
        elif (
            request.headers.get(b"expect", b"").lower() == b"100-continue" and self._busy is None and not self._waiting
        ):
            self._write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        request = self._receiving
        if request is None or self._closing:
            return
        request.body_size += len(body)
        if request.refusal is not None:
            if request.body_size > _DROP_LIMIT_BYTES:
                self._refuse(request.refusal)
        elif request.body_size > self._limits.body_bytes:
            self._refuse(self._too_large(request.body_size))
        else:
            request.chunks.append(body)

    def on_message_complete(self) -> None:
        request = self._receiving
        self._receiving = None
        if request is None or self._closing:
            return
        chunks = request.chunks
        request.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        request.chunks = []
        request.complete = True
        if self._busy is None and not self._waiting and not self._write_paused:
            self._answer(request)
        elif len(self._waiting) < self._limits.pipelined:
            self._waiting.append(request)
        else:
            self._refuse(text_response(429, f"more than {self._limits.pipelined} requests sent ahead"))

    # --- answering

    def _answer(self, request: Request) -> None:
        self._busy = request
        answer = request.refusal or self._application.answer(request, self)
        if answer is not None:
            self.finish(request, answer)

    def _answer_waiting(self) -> None:
        while self._waiting and self._busy is None and not self._write_paused and not self._closing:
            self._answer(self._waiting.popleft())
        if self._read_paused and not self._waiting and not self._closing and self._transport is not None:
            self._read_paused = False
            self._transport.resume_reading()

    def finish(self, request: Request, answer: Response) -> None:
        """Sends the answer to the request in hand; nothing happens if the client does not wait for it any more."""
        if self._busy is not request:
            return
        self._busy = None
        self._disarm()
        self._application.finished(request, answer.status)
        if answer.close or not request.keep_alive or self._endpoint.stopping:
            self._send_last(answer)
            return
        self._write(b"%s\r\n%s" % (answer.head, answer.body))
        self.idle_since = self._loop.time()
        if self._waiting:
            self._answer_waiting()
            self._arm_deadline()

    def _check_length(self, request: Request) -> Response | None:
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            return self._too_large(int(length))
        return None

    def _too_large(self, size: int) -> Response:
        return text_response(413, f"the body has {size} bytes or more: the limit is {self._limits.body_bytes}")

    def _must_close_on(self, request: Request) -> bool:
        """Whether a refused request's body is too large, or of unknown size, to be read and dropped."""
        length = request.headers.get(b"content-length", b"0")
        expects = b"expect" in request.headers
        return expects or not length.isdigit() or int(length) > _DROP_LIMIT_BYTES

    def _refuse(self, answer: Response) -> None:
        """Ends the connection with an answer to what is being received, after the answers that are still owed."""
        if self._closing:
            return
        request = self._receiving or Request(self._loop.time())
        self._receiving = None
        if self._busy is not None or self._waiting:
            # Their answers come first and in order; the connection ends after this one.
            answer.close = True
            request.refusal = answer
            self._waiting.append(request)
            self._pause_reading()
            return
        self._application.finished(request, answer.status)
        self._send_last(answer)

    def _send_last(self, answer: Response) -> None:
        """Sends an answer, then closes: gently, so that a client that still sends gets to read it."""
        self._closing = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(b"%sConnection: close\r\n\r\n%s" % (answer.head, answer.body))
        if self._receiving is None and not self._in_head and answer.status < 400:
            transport.close()
            return
        if self._read_paused:
            self._read_paused = False
            transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self._arm(self._loop.time() + _LINGER_S)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    # --- time

    def _arm_deadline(self) -> None:
        """Sets the timer of a request that is not answered yet; one that is answered at once never needs it."""
        request = self._busy or self._receiving
        if request is not None and not request.soon and self._timer is None and not self._closing:
            self._arm(request.began + self._limits.request_s)

    def _arm(self, when: float) -> None:
        self._disarm()
        self._timer = self._loop.call_at(when, self._on_time)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        request = self._busy or self._receiving
        if self._closing or self._write_paused or request is None:
            self.abort()
            return
        if self._busy is not None:
            self._application.abandon(request)
        stage = "computing or waiting its turn" if request.complete else "receiving it"
        answer = text_response(408, f"the request took longer than {self._limits.request_s * 1000:.0f} ms ({stage})")
        self._busy = None
        self._waiting.clear()
        self._application.finished(request, 408)
        self._send_last(answer)

    def close_if_idle(self, before: float = float("inf")) -> None:
        """Closes the connection if it waits for a request, and has waited since a time earlier than ``before``."""
        if (
            self.idle_since < before
            and self._busy is None
            and self._receiving is None
            and not self._waiting
            and self._transport is not None
        ):
            self._transport.close()

    def abort(self) -> None:
        """Closes the connection at once."""
        if self._transport is not None:
            self._transport.abort()
