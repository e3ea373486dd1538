"""A proxy in front of a live service that records the requests which that answers.

Any EAS service will do: the proxy reads requests and hands on bytes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote_to_bytes

import uvloop

from tfkit.client.transport import CONNECTIONS
from tfkit.eas.compression import FORMATS, decompress
from tfkit.errors import EXIT_OK, UsageError
from tfkit.serve.compute import Compute, Job
from tfkit.serve.exchange import Request, Response, json_response, text_response
from tfkit.serve.http import Connection, Limits
from tfkit.serve.listener import Listener
from tfkit.serve.log import log_access
from tfkit.serve.routes import PREDICT_PREFIX, Route, Routes, discovery_json, origin_form
from tfkit.serve.service import count_text
from tfkit.serve.settings import is_address, is_public
from tfkit.serve.upstream import Upstream
from tfkit.warmup.recording import Recorder, RecordLimits

# How long a client may take to send its request, beside the time that the upstream has to answer it.
_RECEIVING_S = 30.0
_LONGEST_TIMEOUT_S = 3600

logger = logging.getLogger("tfkit.record")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """A recording proxy.

    Attributes:
        upstream: The URL of the service that answers.
        output: The folder in which requests are kept, one of each form.
        limits: How much is kept.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: The service's token, for clients that send none; empty to add nothing.
        decompressor: How request bodies are compressed (``rpc.decompressor``); empty if they are not.
        timeout_s: The longest that the service may take to answer; then 504.
        worker_threads: Requests passed on at a time.
        max_queue_size: Requests that may wait for that; beyond it they are answered 450.
        body_limit_bytes: The largest request body; beyond it 413.
        advertise: ``HOST:PORT`` that discovery answers; empty for the address that the request came to.
        grace_s: How long requests in flight may take to finish when the proxy stops.
        access_log: Write a line for each request.

    Raises:
        UsageError: A value is out of range.
    """

    upstream: str
    output: Path
    limits: RecordLimits = field(default_factory=RecordLimits)
    host: str = "127.0.0.1"
    port: int = 8600
    token: str = field(default="", repr=False)
    decompressor: str = ""
    timeout_s: float = 60.0
    worker_threads: int = CONNECTIONS
    max_queue_size: int = 256
    body_limit_bytes: int = 256 * 1024 * 1024
    advertise: str = ""
    grace_s: float = 30.0
    access_log: bool = False

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for option, value, fits, expected in (
            ("--port", self.port, 0 <= self.port < 65536, "0 to 65535"),
            ("--timeout", self.timeout_s, 0 < self.timeout_s <= _LONGEST_TIMEOUT_S, f"up to {_LONGEST_TIMEOUT_S} s"),
            (
                "--worker-threads",
                self.worker_threads,
                1 <= self.worker_threads <= CONNECTIONS,
                f"1 to {CONNECTIONS}",
            ),
            ("--max-queue-size", self.max_queue_size, self.max_queue_size >= 0, "0 or more"),
            ("--body-limit", self.body_limit_bytes, self.body_limit_bytes > 0, "more than 0"),
            ("--grace", self.grace_s, self.grace_s >= 0, "0 or more"),
            ("--advertise", self.advertise, not self.advertise or is_address(self.advertise), "HOST:PORT"),
            (
                "--decompressor",
                self.decompressor,
                self.decompressor in ("", *FORMATS),
                f"one of {', '.join(FORMATS)}",
            ),
        ):
            if not fits:
                raise UsageError(f"{option} {value!r}: expected {expected}")


@dataclass(frozen=True, slots=True)
class ProxyReady:
    """What a proxy says when it takes requests.

    Attributes:
        url: Where clients are to post, instead of to the service itself.
        upstream: The service's own URL.
        output: Where the requests are kept.
    """

    url: str
    upstream: str
    output: str

    def __str__(self) -> str:
        return f"tfkit: ready at {self.url} · in front of {self.upstream} · recording to {self.output}"

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def record_requests(settings: ProxySettings, announce: Callable[[ProxyReady], None]) -> int:
    """Runs a recording proxy until SIGTERM or SIGINT; returns the exit code.

    Args:
        settings: The proxy.
        announce: Called once, when it takes requests; whether the service answers is not looked at before.

    Raises:
        UsageError: The upstream's URL makes no sense, or is the proxy's own.
        TfkitError: The folder cannot be recorded to, or the port not listened on.
    """
    upstream = Upstream(settings.upstream, settings.token, settings.timeout_s)
    if upstream.is_at(settings.host, settings.port):
        raise UsageError(f"--upstream {upstream.url} is where the proxy itself is to listen", hint="Give it a --port.")
    unpack = partial(_decompress, settings) if settings.decompressor else None
    with Recorder(settings.output, settings.limits, unpack=unpack) as recorder:
        proxy = Proxy(settings, upstream, recorder)
        code: int = uvloop.run(_run(proxy, settings, announce))
    if proxy.running:
        # The upstream has not answered yet, and nobody waits for it any more.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    upstream.close()
    return code


class Proxy:
    """The application behind the proxy's connections.

    Args:
        settings: The proxy's settings.
        upstream: What answers.
        recorder: What takes note of the requests that were answered with 200.

    Attributes:
        path: The path that predictions are posted to, that of the upstream.
        statuses: How many requests were answered with each status.
    """

    def __init__(self, settings: ProxySettings, upstream: Upstream, recorder: Recorder) -> None:
        self._settings = settings
        self._upstream = upstream
        self._recorder = recorder
        self._compute: Compute | None = None
        self.path = upstream.path
        name = self.path.removeprefix(PREDICT_PREFIX).partition("/")[0]
        self._routes = Routes(self.path, name)
        self.statuses: Counter[int] = Counter()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes requests from now on, in the loop that runs."""
        self._compute = Compute(
            threads=self._settings.worker_threads,
            max_queue_size=self._settings.max_queue_size,
            may_hold_loop=False,
            loop=loop,
        )

    @property
    def running(self) -> int:
        """How many requests are with the upstream."""
        return 0 if self._compute is None else self._compute.running

    def admit(self, request: Request) -> Response | None:
        """Refuses at the headers what the upstream is not to see."""
        route = self._routes.find(request.target)
        if route is Route.UNKNOWN or _climbs(request.target):
            return text_response(404, f"no such path: this proxy stands in front of {self.path}")
        if route is not Route.PREDICT and request.method != b"GET":
            return text_response(405, "method not allowed: use GET", extra=b"Allow: GET\r\n")
        if route is Route.PREDICT and self._compute is not None and self._compute.full:
            return self._queue_full()
        return None

    def answer(self, request: Request, connection: Connection) -> Response | None:
        """Answers a complete request: discovery and health itself, all else through the upstream."""
        route = self._routes.find(request.target)
        if route is Route.DISCOVERY:
            return json_response(discovery_json(connection.local_address, self._settings.advertise, ready=True))
        if route is not Route.PREDICT:
            return text_response(200, "ok")
        if self._compute is None:
            return text_response(503, "no healthy upstream: the proxy is starting")
        run = partial(self._pass_on, request.method, origin_form(request.target), request.headers)
        return None if self._compute.submit(Job(connection, request, run)) else self._queue_full()

    def abandon(self, request: Request) -> None:
        """Forgets a request whose answer is not wanted any more."""
        if isinstance(request.job, Job) and self._compute is not None:
            self._compute.abandon(request.job)

    def finished(self, request: Request, status: int) -> None:
        """Counts an answered request."""
        self.statuses[status] += 1
        if self._settings.access_log:
            log_access(request, status)

    def _pass_on(self, method: bytes, target: bytes, headers: dict[bytes, bytes], body: bytes) -> Response:
        answer = self._upstream.ask(method, target, headers, body)
        if answer.status == 200 and method == b"POST" and body:
            answer.delivered = partial(self._recorder.see, body)
        return answer

    def _queue_full(self) -> Response:
        text = f"the proxy's queue is full: {self._settings.max_queue_size} requests are waiting"
        answer = text_response(450, text)
        answer.close = True
        return answer


async def _run(proxy: Proxy, settings: ProxySettings, announce: Callable[[ProxyReady], None]) -> int:
    limits = Limits(settings.body_limit_bytes, settings.timeout_s + _RECEIVING_S)
    listener = Listener(proxy, limits, settings.host, settings.port, headers=None)
    proxy.start(asyncio.get_running_loop())
    await listener.open()
    try:
        if settings.token and is_public(settings.host):
            logger.warning("%s can be reached from other machines: anyone may ask with the token", settings.host)
        announce(ProxyReady(listener.origin + proxy.path, settings.upstream, str(settings.output)))
        await listener.until_stopped()
    finally:
        await listener.close(settings.grace_s)
    logger.info("stopped after %s", count_text(proxy.statuses))
    return EXIT_OK


def _climbs(target: bytes) -> bool:
    """Whether a path leads out of itself, so that it may mean another service, to which no token is to go."""
    path = unquote_to_bytes(target.partition(b"?")[0])
    return any(segment in (b".", b"..") for segment in re.split(rb"[/\\]", path))


def _decompress(settings: ProxySettings, body: bytes) -> bytes:
    return decompress(settings.decompressor, body, settings.body_limit_bytes)
