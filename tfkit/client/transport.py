"""The way to a service: its URL, pooled connections, proxies, limits, and what goes wrong on the way in plain words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions as http
from urllib3.util import Url

from tfkit.client.timed import TimedPool, TimedSecurePool
from tfkit.errors import InputError, MissingError, UsageError

URL_FORM = "http://HOST:PORT/api/predict/NAME"

CONNECTIONS = 64
_CHUNK_BYTES = 1024 * 1024
_POOLS = {"http": TimedPool, "https": TimedSecurePool}
_PERHAPS_COMPUTED = "It was not sent again, since it may have been computed."


class NotConnectedError(MissingError):
    """There is no connection: the request was not sent."""


class NoAnswerError(MissingError):
    """There was no whole answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; ``location`` is where it has moved to, in a redirect."""

    status: int
    body: bytes
    location: str = ""


class Transport:
    """Posts bodies to one URL; any number of threads may share it.

    Args:
        url: The URL.
        answer_limit_bytes: The largest answer to read, unpacked.

    Raises:
        UsageError: The URL, or that of the proxy which the environment names for it, cannot be used.
    """

    def __init__(self, url: str, answer_limit_bytes: int) -> None:
        self._url = parse_service_url(url)
        self._answer_limit_bytes = answer_limit_bytes
        self._pool = timed_pool_for(self._url)

    @property
    def url(self) -> str:
        """The URL, normalised."""
        return self._url.url

    @property
    def path(self) -> str:
        """The URL's path, as it is sent."""
        return self._url.path or "/"

    def post(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """Posts a body, once, and reads the answer; redirects are not followed.

        Raises:
            NotConnectedError: The request was not sent.
            MissingError: There was no whole answer in time, or the connection was lost.
            InputError: The answer is too large.
        """
        from tfkit import __version__

        with explained(self._url, timeout_s):
            named = {"User-Agent": f"tfkit/{__version__}", **headers}
            response, answer = exchange(self._pool, "POST", self.url, body, named, timeout_s, self._read)
        location = response.headers.get("Location", "") if 300 <= response.status < 400 else ""
        return Answer(response.status, answer, location)

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.clear()

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_CHUNK_BYTES, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > self._answer_limit_bytes:
                raise InputError(
                    f"the answer of {self.url} is larger than {self._answer_limit_bytes} bytes",
                    hint="Send fewer rows at a time, or raise answer_limit_bytes.",
                )
            if time.monotonic() > deadline:
                raise TimeoutError
        return parts[0] if len(parts) == 1 else b"".join(parts)


def exchange(
    pool: urllib3.PoolManager,
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float,
    read: Callable[[urllib3.BaseHTTPResponse, float], bytes],
) -> tuple[urllib3.BaseHTTPResponse, bytes]:
    """Sends a request once, for what was sent may have been computed, and reads its answer; follows no redirect.

    Args:
        pool: The connections.
        method: The method.
        url: The URL.
        body: The body, if there is one.
        headers: The headers.
        timeout_s: The longest that all of it may take.
        read: Reads the body of the answer, until a time of ``time.monotonic``.

    Returns:
        The answer's head, and its body.
    """
    deadline = time.monotonic() + timeout_s
    response = pool.urlopen(
        method,
        url,
        body=body,
        headers=headers,
        timeout=urllib3.Timeout(total=timeout_s),
        retries=False,
        redirect=False,
        preload_content=False,
    )
    try:
        answer = read(response, deadline)
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return response, answer


def parse_service_url(url: str) -> Url:
    """Takes a service's URL apart; raises ``UsageError`` if it is none."""
    try:
        parsed = urllib3.util.parse_url(url)
    except http.LocationValueError as error:
        raise UsageError(f"{url!r} is no URL: {error}", hint=f"Give {URL_FORM}") from None
    if parsed.auth is not None:
        raise UsageError(
            "the URL holds a user name or password: a service is asked with its token", hint=f"Give {URL_FORM}"
        )
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url!r} is no URL of a service", hint=f"Give {URL_FORM}")
    if parsed.path in (None, "", "/"):
        raise UsageError(f"{url!r} names no service: an endpoint alone cannot be asked", hint=f"Give {URL_FORM}")
    return parsed._replace(fragment=None)


def pool_for(url: Url) -> urllib3.PoolManager:
    """Pooled connections, through a proxy where the environment names one for the URL."""
    proxy = _proxy_for(url)
    if not proxy:
        return urllib3.PoolManager(maxsize=CONNECTIONS)
    try:
        parsed = urllib3.util.parse_url(proxy if "://" in proxy else f"http://{proxy}")
        headers = urllib3.make_headers(proxy_basic_auth=parsed.auth) if parsed.auth else None
        return urllib3.ProxyManager(parsed._replace(auth=None).url, maxsize=CONNECTIONS, proxy_headers=headers)
    except (http.LocationValueError, http.ProxySchemeUnknown) as error:
        raise UsageError(
            f"the proxy that the environment names for {url.scheme} cannot be used: {error}",
            hint=f"Correct {str(url.scheme).upper()}_PROXY, or exempt the host: NO_PROXY={url.host}",
        ) from None


def timed_pool_for(url: Url) -> urllib3.PoolManager:
    """As ``pool_for``, where a timeout is that of the whole answer."""
    pool = pool_for(url)
    pool.pool_classes_by_scheme = _POOLS
    return pool


def _proxy_for(url: Url) -> str:
    host = (url.host or "").strip("[]")
    if host == "localhost" or _is_loopback(host) or proxy_bypass(f"{host}:{url.port}" if url.port else host):
        return ""
    proxies = getproxies()
    return proxies.get(str(url.scheme), "") or proxies.get("all", "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def explained(url: Url, timeout_s: float) -> Iterator[None]:
    """Turns what can go wrong on the way to a service into an error that says what, and what to do.

    Raises:
        NotConnectedError: The request was not sent.
        NoAnswerError: It was sent, and there was no whole answer in time.
        MissingError: It was sent, and the connection was lost.
    """
    try:
        yield
    except http.NameResolutionError:
        raise NotConnectedError(
            f"{url} cannot be reached: host {url.host!r} has no address", hint="Check its name, and the network."
        ) from None
    except http.NewConnectionError as error:  # one kind of ConnectTimeoutError
        reason = getattr(error.__cause__, "strerror", None) or "no connection"
        raise NotConnectedError(
            f"{url} cannot be reached: {reason}", hint="Is the service running there? `tfkit serve` starts one."
        ) from None
    except http.ConnectTimeoutError:
        raise NotConnectedError(
            f"{url} cannot be reached: no connection within {timeout_s:g} s",
            hint="Check the address, the network and the proxy settings.",
        ) from None
    except http.ProxyError as error:
        raise NotConnectedError(
            f"{url} cannot be reached through the proxy: {error.original_error}",
            hint=f"Check HTTP_PROXY and HTTPS_PROXY, or exempt the host: NO_PROXY={url.host}",
        ) from None
    except http.SSLError as error:
        raise MissingError(
            f"{url}: no secure connection: {error}",
            hint="SSL_CERT_FILE may name a file of certificates to trust; a service without TLS is asked with http://",
        ) from None
    except (http.HTTPError, OSError) as error:
        if isinstance(error, http.TimeoutError | TimeoutError) or any(
            isinstance(each, TimeoutError) for each in error.args
        ):
            raise NoAnswerError(
                f"{url} gave no whole answer within {timeout_s:g} s",
                hint=f"Allow more time, or send fewer rows. {_PERHAPS_COMPUTED}",
            ) from None
        cause = next((each for each in error.args if isinstance(each, Exception)), error)  # urllib3 wraps it
        raise MissingError(
            f"{url}: the connection was lost before the answer was complete: {cause}", hint=_PERHAPS_COMPUTED
        ) from None
