"""Requests as bytes, for tests of what no client library would send."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import numpy as np

from tests.serving import Server
from tfkit.eas.messages import PredictRequest, encode_request

ONE = encode_request(PredictRequest({"x": np.array([[1, 2]], np.float32)}))


def rounds(count: int) -> bytes:
    """A request that keeps the slow model busy for about so many milliseconds."""
    return encode_request(PredictRequest({"rounds": np.array([count], np.int32)}))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """One request on a connection of its own; header names are given with ``_`` for ``-``."""
    connection = http.client.HTTPConnection(server.endpoint, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def post(server: Server, body: bytes, **headers: str) -> Answer:
    """A request to the service's own path."""
    return ask(server, "POST", urlsplit(server.url).path, body, **headers)


class Raw:
    """A connection on which any bytes can be sent."""

    def __init__(self, server: Server) -> None:
        host, _, port = server.endpoint.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.path = urlsplit(server.url).path
        self._reader = self.socket.makefile("rb")

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self.socket.close()

    def head(self, length: int | str, *lines: str, method: str = "POST", path: str = "") -> bytes:
        """A request's head; ``length`` empty leaves Content-Length out."""
        first = [f"{method} {path or self.path} HTTP/1.1", "Host: test"]
        size = [f"Content-Length: {length}"] if length != "" else []
        return "\r\n".join([*first, *size, *lines, "", ""]).encode()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_answer(self) -> Answer:
        """The next answer; raises ``ConnectionError`` if the server closes without one."""
        head = self.read_head()
        return replace(head, body=self._reader.read(int(head.headers.get("Content-Length", 0))))

    def read_head(self) -> Answer:
        """The next answer up to its body."""
        line = self._reader.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (line := self._reader.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name] = value.strip()
        return Answer(status, headers, b"")

    def is_closed_by_server(self) -> bool:
        """Whether the server has closed; waits for it."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True
