"""A service somewhere else, as a proxy asks it: requests and answers pass unchanged."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import urllib3
from urllib3.util import SKIP_HEADER

from tfkit.client.client import ANSWER_LIMIT_BYTES
from tfkit.client.transport import NoAnswerError, exchange, explained, parse_service_url, timed_pool_for
from tfkit.errors import MissingError, TooLargeError
from tfkit.serve.exchange import Response, text_response
from tfkit.serve.settings import is_public

_CHUNK_BYTES = 1024 * 1024
# What belongs to one connection, or is written anew for the next one. Source: RFC 9110, 7.6.1, and RFC 9112, 6.
_OF_CONNECTION = frozenset(
    (
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
_WITHOUT_BODY = (204, 304)
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # addresses to compare with
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

logger = logging.getLogger("tfkit.record")


class Upstream:
    """Passes requests on to one service; any number of threads may share it.

    Args:
        url: The service's URL.
        token: What requests without an Authorization header are given; empty for nothing.
        timeout_s: The longest that it may take, from connecting to the answer's last byte.

    Raises:
        UsageError: The URL, or that of the proxy which the environment names for it, cannot be used.

    Attributes:
        url: The service's URL, normalised.
        path: Its path.
    """

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        self._url = parse_service_url(url)
        self._token = token
        self._timeout_s = timeout_s
        self._pool = timed_pool_for(self._url)
        self.url = self._url.url
        self.path = (self._url.path or "/").rstrip("/")

    def ask(self, method: bytes, target: bytes, headers: Mapping[bytes, bytes], body: bytes) -> Response:
        """The service's answer, unchanged but for what belongs to a connection; never raises.

        Where there is none: 502 if it cannot be reached or broke off, 504 if it took too long.

        Args:
            method: The request's method.
            target: Its path and query, as it came.
            headers: Its headers, by their names in lower case.
            body: Its body, as it came.
        """
        try:
            return self._ask(method.decode("latin-1"), target.decode("latin-1"), self._headers(headers), body)
        except NoAnswerError as error:
            return text_response(504, f"upstream: {error.message}")
        except (MissingError, TooLargeError) as error:
            return text_response(502, f"upstream: {error.message}")
        except Exception:
            logger.exception("a request failed: this is a bug in tfkit")
            return text_response(500, "internal error: the proxy's log has the details")

    def is_at(self, host: str, port: int) -> bool:
        """Whether the service's address is one that is listened on here, so that a proxy would ask itself.

        Args:
            host: The address that is listened on.
            port: The port.
        """
        own = {host} if is_public(host) and host not in _WILDCARDS else {host, *_LOOPBACK}
        return self._url.port == port and (self._url.host or "").strip("[]") in own

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.clear()

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        origin = self._url._replace(path=None, query=None).url
        with explained(self._url, self._timeout_s):
            response, answer = exchange(
                self._pool, method, origin + target, body or None, headers, self._timeout_s, self._read
            )
        return Response(response.status, _head(response, method, len(answer)), answer)

    def _headers(self, received: Mapping[bytes, bytes]) -> dict[str, str]:
        headers = _passed_on({name.decode("latin-1"): value.decode("latin-1") for name, value in received.items()})
        if self._token and "authorization" not in headers:
            headers["authorization"] = self._token
        # What the client does not send, the library is not to add.
        return {"user-agent": SKIP_HEADER, "accept-encoding": SKIP_HEADER, **headers}

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_CHUNK_BYTES, decode_content=False):
            parts.append(part)
            size += len(part)
            if size > ANSWER_LIMIT_BYTES:
                raise TooLargeError(f"the answer of {self.url} is larger than {ANSWER_LIMIT_BYTES} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are not about one connection; names are in lower case."""
    named = {each.strip().lower() for each in headers.get("connection", "").split(",")}
    return {name: value for name, value in headers.items() if name not in _OF_CONNECTION and name not in named}


def _head(response: urllib3.BaseHTTPResponse, method: str, size: int) -> bytes:
    received = response.headers
    kept = _passed_on({name.lower(): value for name, value in received.items()})
    lines = [f"HTTP/1.1 {response.status} {response.reason or ''}"]
    # Repeated ones, Set-Cookie above all, stay apart.
    lines += [f"{name}: {value}" for name, value in received.iteritems() if name.lower() in kept]
    if method == "HEAD" and "content-length" in received:
        lines.append(f"Content-Length: {received['content-length']}")
    elif response.status not in _WITHOUT_BODY:
        lines.append(f"Content-Length: {size}")
    # A value that was folded over several lines becomes one line, here as everywhere.
    return "".join(f"{line.replace(chr(13), ' ').replace(chr(10), ' ')}\r\n" for line in lines).encode("latin-1")
