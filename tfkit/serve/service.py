"""What a service answers: predictions, its structure, discovery, health, as EAS's documents and clients have it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

from tfkit.eas.auth import is_authorized
from tfkit.serve.compute import Compute, Job
from tfkit.serve.exchange import Request, Response, json_response, text_response
from tfkit.serve.http import Connection
from tfkit.serve.log import log_access
from tfkit.serve.routes import Route, Routes, discovery_json
from tfkit.serve.settings import ServeSettings


class State(Enum):
    """What a service can do; the value is what a client is told."""

    STARTING = "no healthy upstream: the model is being loaded and warmed up"
    READY = "ok"
    STOPPING = "no healthy upstream: the service is stopping"


class RateLimit:
    """So many requests a second: a bucket of one second's worth that fills evenly."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._tokens = float(per_second)
        self._filled = time.monotonic()

    def take(self) -> bool:
        """Whether one more request may pass now."""
        if not self._per_second:
            return True
        now = time.monotonic()
        self._tokens = min(self._per_second, self._tokens + (now - self._filled) * self._per_second)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Service:
    """The application behind the HTTP connections.

    Attributes:
        settings: The service's settings.
        state: What it can do now.
        structure: The answer to an empty request, once the model is loaded.
        compute: Where predictions are run, once the model is loaded.
        predict: What turns a body into an answer, then.
        statuses: How many requests were answered with each status.
    """

    settings: ServeSettings
    state: State = State.STARTING
    structure: Response | None = None
    compute: Compute | None = None
    predict: Callable[[bytes], Response] | None = None
    statuses: Counter[int] = field(default_factory=Counter)
    _routes: Routes = field(init=False)
    _rate: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        """Prepares what depends on the settings."""
        self._routes = Routes(self.settings.path, self.settings.name)
        self._rate = RateLimit(self.settings.rate_limit)

    # --- called by the connections

    def admit(self, request: Request) -> Response | None:
        """Refuses at the headers what no body can mend."""
        route = self._routes.find(request.target)
        if route is Route.UNKNOWN:
            return text_response(404, f"no such path: post to {self.settings.path}")
        if request.method != b"GET" and (request.method != b"POST" or route is not Route.PREDICT):
            allowed = "GET, POST" if route is Route.PREDICT else "GET"
            return text_response(405, f"method not allowed: use {allowed}", extra=f"Allow: {allowed}\r\n".encode())
        if route is not Route.PREDICT:
            return None
        if self.settings.token and not self._is_authorized(request):
            return text_response(
                401, "not authorized: the Authorization header holds neither the token nor its signature"
            )
        if self.state is not State.READY:
            return text_response(503, self.state.value)
        if self.compute is not None and self.compute.full and request.method == b"POST":
            return self._queue_full()
        return None

    def answer(self, request: Request, connection: Connection) -> Response | None:
        """Answers a complete request, now or through ``connection.finish``."""
        route = self._routes.find(request.target)
        if route is Route.PREDICT:
            if request.method == b"GET" or not request.body:
                return self.structure or text_response(503, self.state.value)
            return self._predict(request, connection)
        if route is Route.DISCOVERY:
            ready = self.state is State.READY
            return json_response(discovery_json(connection.local_address, self.settings.advertise, ready=ready))
        if route is Route.READINESS and self.state is not State.READY:
            return text_response(503, self.state.value)
        return text_response(200, State.READY.value)

    def abandon(self, request: Request) -> None:
        """Forgets a request whose answer is not wanted any more."""
        if isinstance(request.job, Job) and self.compute is not None:
            self.compute.abandon(request.job)

    def finished(self, request: Request, status: int) -> None:
        """Counts an answered request."""
        self.statuses[status] += 1
        if self.settings.access_log:
            log_access(request, status)

    # --- how it is done

    def _predict(self, request: Request, connection: Connection) -> Response | None:
        if self.compute is None or self.predict is None or self.state is not State.READY:
            return text_response(503, self.state.value)
        if not self._rate.take():
            return text_response(429, f"more than {self.settings.rate_limit} requests a second")
        job = Job(connection, request, self.predict)
        request.soon = self.compute.run_soon(job)
        return None if request.soon or self.compute.submit(job) else self._queue_full()

    def _queue_full(self) -> Response:
        answer = text_response(450, f"the queue is full: {self.settings.max_queue_size} requests are waiting")
        answer.close = True
        return answer

    def _is_authorized(self, request: Request) -> bool:
        headers = request.headers
        target = request.target.decode("latin-1")
        return is_authorized(
            self.settings.token,
            headers.get(b"authorization", b"").decode("latin-1"),
            method=request.method.decode("latin-1"),
            paths=(target, target.partition("?")[0], self.settings.path),
            content_md5=headers.get(b"content-md5", b"").decode("latin-1"),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            date=headers.get(b"date", b"").decode("latin-1"),
        )


def count_text(statuses: Counter[int]) -> str:
    """The counters as a person reads them: ``412 answered: 410 x 200 OK, 2 x 400 Bad Request``."""
    names = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
    parts = [f"{count} x {names.get(status, status)}" for status, count in sorted(statuses.items())]
    return f"{statuses.total()} requests" + (f": {', '.join(parts)}" if parts else "")
