"""A load generator for servers on this machine: keep-alive connections, each with one request in flight at a time.

It runs in a process of its own and never sleeps: a client that does has to be woken for every answer, and the server
pays for that, on a virtual machine with as much as a small model's run. While it waits it gives way to any thread that
wants its core. A load under which it hardly had to wait is an error, for then it would be what was measured. Every
answer's status and length are checked, and the values of one in ``check_every``.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
import select
import socket
import time
from array import array
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfkit.proto import message

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BUSIEST = 0.9
_ATTEMPTS = 5
_HEAD_END = b"\r\n\r\n"


class LoadError(Exception):
    """A server gave a wrong answer, or none."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests and their right answers.

    Attributes:
        bodies: Serialized PredictRequests; connections take them in turn.
        scores: What each must be answered, to a tolerance.
        output: The name of the output that holds the scores.
    """

    bodies: tuple[bytes, ...]
    scores: tuple[NDArray[np.float32], ...]
    output: str

    def check(self, index: int, answer: bytes) -> None:
        """Raises ``LoadError`` unless ``answer`` is the right PredictResponse to a body."""
        values = np.array(message("PredictResponse").FromString(answer).outputs[self.output].float_val, np.float32)
        expected = self.scores[index].ravel()
        if values.shape != expected.shape or not np.allclose(values, expected, rtol=1e-4, atol=1e-6):
            raise LoadError(f"request {index}: answered {values}, expected {expected}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, and for how long.

    Attributes:
        port: The server's port on 127.0.0.1.
        path: Where to post.
        workload: The requests.
        connections: How many at a time.
        seconds: How long to measure, after ``warm_up_s``.
        check_every: Check the values of one answer in so many.
        most_requests: Stop after so many requests even if time is left.
        patience_s: How long to wait for any answer.
    """

    port: int
    path: str
    workload: Workload
    connections: int
    seconds: float
    warm_up_s: float = 0.2
    check_every: int = 64
    most_requests: int = 2_000_000
    patience_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured; ``busy`` is the share of the time in which the generator had something to do."""

    requests_per_s: float
    p50_us: float
    p99_us: float
    requests: int
    busy: float


class Client:
    """One keep-alive connection that asks, waits for the answer, and asks again."""

    def __init__(self, plan: Plan, first: int) -> None:
        self._workload = plan.workload
        self._requests = [http_request(plan.path, body) for body in plan.workload.bodies]
        self._index = first % len(self._requests)
        self._received = b""
        self.began = 0.0
        self.socket = socket.create_connection(("127.0.0.1", plan.port), timeout=plan.patience_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def send(self) -> None:
        """Sends the next request."""
        self._index = (self._index + 1) % len(self._requests)
        request = self._requests[self._index]
        self.began = time.perf_counter()
        if self.socket.send(request) != len(request):
            raise LoadError(f"a request of {len(request)} bytes does not fit the socket's buffer")

    def receive(self) -> bytes | None:
        """The answer's body, or ``None`` while some of it is missing."""
        data = self.socket.recv(65536)
        if not data:
            raise LoadError("the server closed a connection")
        if self._received:
            data = self._received + data
        head, end, body = data.partition(_HEAD_END)
        if not end or len(body) < read_head(head):
            self._received = data
            return None
        self._received = b""
        if len(body) != read_head(head):
            raise LoadError(f"{len(body)} bytes came as an answer of {read_head(head)}")
        return body

    def check(self, body: bytes) -> None:
        """Raises ``LoadError`` if the values are not the ones of the request sent last."""
        self._workload.check(self._index, body)


def http_request(path: str, body: bytes) -> bytes:
    """A POST as clients of EAS send it."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + body


@lru_cache(maxsize=64)
def read_head(head: bytes) -> int:
    """The length of the body that follows; raises ``LoadError`` if the status is not 200."""
    length = _CONTENT_LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200 ") or length is None:
        raise LoadError(f"the server answered {head.decode('latin-1').splitlines()}")
    return int(length[1])


def generate(plan: Plan) -> Load:
    """Puts a server under load from this process.

    Raises:
        LoadError: An answer was wrong, or did not come.
    """
    clients = [Client(plan, first) for first in range(plan.connections)]
    by_descriptor = {client.socket.fileno(): client for client in clients}
    gc.collect()
    gc.disable()
    try:
        with select.epoll() as epoll:
            for descriptor, client in by_descriptor.items():
                epoll.register(descriptor, select.EPOLLIN)
                client.send()
            return _measure(plan, epoll, by_descriptor)
    finally:
        gc.enable()
        for client in clients:
            client.socket.close()


def _measure(plan: Plan, epoll: select.epoll, clients: dict[int, Client]) -> Load:
    clock = time.perf_counter
    now = clock()
    begin = now + plan.warm_up_s
    end = begin + plan.seconds
    latencies = array("d")
    warm = False
    answered = 0
    waited_s = 0.0
    while now < end and answered < plan.most_requests:
        before = clock()
        events = _wait(epoll, plan.patience_s)
        waited_s += (now := clock()) - before
        for descriptor, _ in events:
            client = clients[descriptor]
            body = client.receive()
            if body is None:
                continue
            now = clock()
            if warm:
                latencies.append(now - client.began)
            answered += 1
            if answered % plan.check_every == 0:
                client.check(body)
            client.send()
        if not warm and now >= begin:
            warm, begin, waited_s = True, now, 0.0
    if not latencies:
        raise LoadError(f"no answer in the time measured ({answered} before)")
    p50, p99 = np.percentile(np.asarray(latencies), (50, 99)) * 1e6
    measured_s = now - begin
    return Load(len(latencies) / measured_s, float(p50), float(p99), len(latencies), 1 - waited_s / measured_s)


def _wait(epoll: select.epoll, patience_s: float) -> list[tuple[int, int]]:
    """The next answers, without ever going to sleep."""
    limit = time.perf_counter() + patience_s
    while not (events := epoll.poll(0)):
        if time.perf_counter() > limit:
            raise LoadError(f"no answer within {patience_s:.0f} s")
        os.sched_yield()
    return events


class Generator:
    """A process that generates load; use it as a context manager."""

    def __enter__(self) -> Generator:
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def run(self, plan: Plan) -> Load:
        """Runs a plan there, again if other programs took the generator's core.

        Raises:
            LoadError: As ``generate`` does, or the server was never what limited the load.
        """
        for _ in range(_ATTEMPTS):
            limit_s = plan.warm_up_s + plan.seconds + 4 * plan.patience_s
            load = self._pool.submit(generate, plan).result(limit_s)
            if load.busy <= _BUSIEST:
                return load
        raise LoadError(f"the load generator had to work for {load.busy:.0%} of the time: it measured itself")


def in_own_process(function: Any, *arguments: Any) -> Any:
    """Calls a function in a fresh process that ends with it: one that loads TensorFlow, say."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
