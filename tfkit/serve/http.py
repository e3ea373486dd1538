"""HTTP/1.1 on httptools: one connection, its limits and its timeouts.

Why not a web framework: with a small model behind it the framework would cost more than the model
(``benchmarks/http_layer.py``), and requests are to be refused at their headers, before a body is read. So every limit
is kept here: size of head and body, number of connections, time to receive and to answer, pipelining.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from tfkit.serve.exchange import Request, Response, text_response

_HEAD_LIMIT_BYTES = 64 * 1024
# A refused body up to this size is read and dropped, so that the connection can be used again.
_DROP_LIMIT_BYTES = 1024 * 1024
# After a refusal that closes, what the client still sends is dropped for a while: a reset would lose it our answer.
_LINGER_S = 5.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The headers that a service looks at; others are not even kept.
HEADERS_READ = frozenset((b"authorization", b"content-md5", b"content-type", b"date", b"expect", b"content-length"))


logger = logging.getLogger("tfkit.serve")


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
    """What the connections of one listening socket share.

    Args:
        application: What answers the requests.
        limits: What a connection may cost.
        loop: The event loop.
        headers: The headers that are kept for the application; ``None`` for all, repeated ones joined by commas.
    """

    def __init__(
        self,
        application: Application,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        *,
        headers: frozenset[bytes] | None = HEADERS_READ,
    ) -> None:
        self.application = application
        self.limits = limits
        self.loop = loop
        self.headers = headers
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
    """One client connection. Requests are answered one at a time, in order.

    Every event ends in ``_update``, which sets the timer and whether the socket is read from what is going on.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._application = endpoint.application
        self._limits = endpoint.limits
        self._loop = endpoint.loop
        self._headers = endpoint.headers
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        # A request is received, then waits for those before it, then is busy until it is answered.
        self._receiving: Request | None = None
        self._waiting: deque[Request] = deque()
        self._busy: Request | None = None
        self._in_head = False
        self._head_size = 0
        self._closing = False
        self._read_paused = False
        self._write_paused = False
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self.idle_since = 0.0
        self.local_address: tuple[str, int] = ("", 0)

    # --- transport events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.local_address = transport.get_extra_info("sockname")[:2]
        self.idle_since = self._loop.time()
        self._endpoint.connections.add(self)
        if len(self._endpoint.connections) > self._limits.connections:
            self._refuse(text_response(503, f"more than {self._limits.connections} connections are open"))

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._in_head or self._receiving is None:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # refused at its headers; the connection ends with that answer
        except httptools.HttpParserCallbackError:
            logger.exception("a request failed: this is a bug in tfkit")
            self._refuse(text_response(500, "internal error: the service's log has the details"))
        except httptools.HttpParserError as error:
            self._refuse(text_response(400, f"not an HTTP/1.1 request: {error}"))
        if self._in_head and self._head_size > _HEAD_LIMIT_BYTES:
            self._refuse(self._head_too_large())
        self._update()

    def eof_received(self) -> bool:
        # A client that left and one that only closed its sending half look the same. Nearly all have left, and what
        # they asked for must not go on taking a place in the queue, as their retries do.
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._endpoint.connections.discard(self)
        self._closing = True
        self._set_timer(None)
        left = [request for request in (self._busy, *self._waiting) if request is not None]
        self._busy = self._receiving = None
        self._waiting.clear()
        for request in left:
            self._application.abandon(request)
            self._application.finished(request, 499)

    def pause_writing(self) -> None:
        self._write_paused = True
        self._unsent_bytes = self._count_unsent()
        self._set_timer(self._loop.time() + self._limits.request_s)

    def resume_writing(self) -> None:
        self._write_paused = False
        if not self._closing:  # else the timer is that of the closing
            self._set_timer(None)
            self._answer_waiting()
            self._update()

    # --- parser events

    def on_message_begin(self) -> None:
        self._receiving = Request(self._loop.time())
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        if self._receiving is not None:
            self._receiving.target += url
            self._receiving.head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving is not None:
            self._receiving.head_size += len(name) + len(value)
        name = name.lower()
        if self._receiving is None:
            return
        if self._headers is None:
            before = self._receiving.headers.get(name)
            self._receiving.headers[name] = value if before is None else b"%s, %s" % (before, value)
        elif name in self._headers:
            self._receiving.headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_size = 0
        request = self._receiving
        if request is None or self._closing:
            return
        request.method = self._parser.get_method()
        request.keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        if self._parser.should_upgrade():
            request.refusal = text_response(400, "this server speaks HTTP/1.1 only: no upgrade, no CONNECT")
            request.keep_alive = False
        elif request.head_size > _HEAD_LIMIT_BYTES:
            self._refuse(self._head_too_large())
            return
        else:
            request.refusal = self._application.admit(request) or self._check_length(request)
        if request.refusal is None:
            request.expects_continue = request.headers.get(b"expect", b"").lower() == b"100-continue"
        elif self._must_close_on(request):
            self._refuse(request.refusal)

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

    def finish(self, request: Request, answer: Response) -> None:
        """Sends the answer to the request in hand; nothing happens if the client does not wait for it any more."""
        if self._busy is not request:
            return
        self._busy = None
        if self._timer is not None:
            self._set_timer(None)
        self._application.finished(request, answer.status)
        if answer.close or not request.keep_alive or self._endpoint.stopping:
            self._send_last(request, answer)
            return
        self._send(b"%s\r\n%s" % (answer.head, b"" if request.method == b"HEAD" else answer.body))
        self.idle_since = self._loop.time()
        if self._waiting:
            self._answer_waiting()
        self._update()

    def watch(self, request: Request) -> None:
        """Sets the deadline of a request that takes longer than it was expected to."""
        request.soon = False
        self._update()

    def _answer(self, request: Request) -> None:
        self._busy = request
        answer = request.refusal or self._application.answer(request, self)
        if answer is not None:
            self.finish(request, answer)

    def _answer_waiting(self) -> None:
        while self._waiting and self._busy is None and not self._write_paused and not self._closing:
            self._answer(self._waiting.popleft())

    def _check_length(self, request: Request) -> Response | None:
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            return self._too_large(int(length))
        return None

    @staticmethod
    def _head_too_large() -> Response:
        return text_response(431, f"the request's head is larger than {_HEAD_LIMIT_BYTES} bytes")

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
            answer.close = True
            request.refusal = answer
            request.complete = True
            self._waiting.append(request)
            return
        self._application.finished(request, answer.status)
        self._send_last(request, answer)

    def _send_last(self, request: Request, answer: Response) -> None:
        """Sends an answer, then closes: gently, so that a client that still sends gets to read it."""
        self._closing = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        body = b"" if request.method == b"HEAD" else answer.body
        transport.write(b"%sConnection: close\r\n\r\n%s" % (answer.head, body))
        if self._receiving is None and not self._in_head and answer.status < 400:
            transport.close()
            return
        self._pause_reading(False)
        if transport.can_write_eof():
            transport.write_eof()
        self._set_timer(self._loop.time() + _LINGER_S)

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    # --- what follows from the state

    def _update(self) -> None:
        if self._closing:
            return
        # What waits is bounded: no more is read before it is answered.
        if self._read_paused is not bool(self._waiting):
            self._pause_reading(bool(self._waiting))
        receiving = self._receiving
        if receiving is not None and receiving.expects_continue and self._busy is None and not self._waiting:
            receiving.expects_continue = False
            self._send(_CONTINUE)
        if not self._write_paused:
            request = self._busy or receiving
            # One that is answered in this turn of the loop needs no deadline.
            if request is not None and not request.soon:
                self._set_timer(request.began + self._limits.request_s)
            elif self._timer is not None:
                self._set_timer(None)

    def _pause_reading(self, paused: bool) -> None:
        if self._transport is None or self._read_paused is paused:
            return
        self._read_paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _set_timer(self, when: float | None) -> None:
        if self._timer is not None:
            if when == self._timer_at:
                return
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._timer_at = when
            self._timer = self._loop.call_at(when, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._closing:
            self.abort()
        elif self._write_paused:
            self._check_sending()
        else:
            self._on_deadline()

    def _check_sending(self) -> None:
        """Gives up on a client that has read nothing since the last look."""
        unsent = self._count_unsent()
        if unsent >= self._unsent_bytes:
            self._application.finished(Request(self._loop.time()), 499)
            self.abort()
            return
        self._unsent_bytes = unsent
        self._set_timer(self._loop.time() + self._limits.request_s)

    def _count_unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _on_deadline(self) -> None:
        request = self._busy or self._receiving
        if request is None:
            return
        if self._busy is not None:
            self._application.abandon(request)
        stage = "computing or waiting its turn" if request.complete else "receiving it"
        answer = text_response(408, f"the request took longer than {self._limits.request_s * 1000:.0f} ms ({stage})")
        late = [request, *self._waiting]
        self._busy = None
        self._waiting.clear()
        for each in late:
            self._application.finished(each, 408)
        self._send_last(request, answer)

    def close_if_idle(self, before: float = float("inf")) -> None:
        """Closes the connection if it waits for a request, and has waited since a time earlier than ``before``."""
        is_idle = self._busy is None and self._receiving is None and not self._waiting
        if is_idle and self.idle_since < before and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes the connection at once."""
        if self._transport is not None:
            self._transport.abort()
