"""Downloads over HTTP: streamed into a file, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urljoin

import urllib3
from urllib3 import exceptions as http
from urllib3.util import Url

from tfkit.client.transport import pool_for
from tfkit.errors import InputError, MissingError
from tfkit.fetching.scratch import LARGEST_BYTES, check_room
from tfkit.fetching.urls import file_name, shown_source

if TYPE_CHECKING:
    from tfkit.fetching.sources import Tell

_CHUNK_BYTES = 1 << 20
_MAX_REDIRECTS = 5
# The statuses that say "later, perhaps".
_PASSING_STATUSES = (408, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What a download may take.

    Attributes:
        size_bytes: The file; less where the disk has less room.
        connect_s: Until there is a connection.
        idle_s: Without a byte.
        total_s: Altogether.
        waits_s: Before each further attempt.
    """

    size_bytes: int = LARGEST_BYTES
    connect_s: float = 10.0
    idle_s: float = 60.0
    total_s: float = 6 * 3600.0
    waits_s: tuple[float, ...] = (0.5, 2.0)


class _PassingError(Exception):
    """What another attempt may get past."""


def download(url: str, folder: Path, tell: Tell, limits: DownloadLimits | None = None) -> Path:
    """Downloads a file, which keeps its name.

    Proxies are those of the environment. No message shows the URL's query, which may be a signature.

    Args:
        url: ``http://`` or ``https://``.
        folder: Where to.
        tell: Called with lines for people.
        limits: What it may take.

    Raises:
        InputError: The URL cannot be used, there is no such file, or it is larger than the limit.
        MissingError: The network or the server failed, or there is no room.
    """
    limits = limits or DownloadLimits()
    if not file_name(url):
        raise InputError(f"{shown_source(url)} is a folder: expected a file", hint="Pack the model: .tar.gz or .zip.")
    target = folder / file_name(url)
    deadline = time.monotonic() + limits.total_s
    for wait_s in (*limits.waits_s, None):
        try:
            _download_once(_parse(url), target, limits, deadline, tell)
            return target
        except _PassingError as error:
            target.unlink(missing_ok=True)
            if wait_s is None:
                raise MissingError(
                    f"{shown_source(url)} cannot be downloaded: {error}", hint="Check the network and the server."
                ) from None
            tell(f"{shown_source(url)}: {error}; trying again")
            time.sleep(wait_s)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    raise AssertionError  # the last round returns or raises


def _parse(url: str) -> Url:
    try:
        parsed = urllib3.util.parse_url(url)
    except http.LocationValueError:
        parsed = Url()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"{shown_source(url)!r} is no URL of a file", hint="Give https://HOST/PATH/model.tar.gz")
    return parsed._replace(fragment=None)


def _download_once(url: Url, target: Path, limits: DownloadLimits, deadline: float, tell: Tell) -> None:
    with _explained(url, limits):
        response = _open(url, limits)
        try:
            size = _declared_size(response)
            _check_size(url, size or 0, limits)
            check_room(target.parent, size or 0, shown_source(url.url))
            tell(f"downloading {shown_source(url.url)}" + (f" ({size / 1e6:.1f} MB)" if size else ""))
            with target.open("wb") as file:
                _copy(response, file, url, limits, deadline)
        finally:
            response.close()


def _open(url: Url, limits: DownloadLimits) -> urllib3.BaseHTTPResponse:
    """The answer that holds the file, redirects followed."""
    asked = url
    for _ in range(_MAX_REDIRECTS + 1):
        response = _get(asked, limits)
        if response.status not in _REDIRECTS:
            _check_status(asked, response)
            return response
        location = response.headers.get("Location", "")
        response.close()
        try:
            following = _parse(urljoin(asked.url, location))
        except (InputError, ValueError):
            raise InputError(f"{shown_source(asked.url)} redirects to what is no URL of a file") from None
        if (asked.scheme, following.scheme) == ("https", "http"):
            raise InputError(f"{shown_source(asked.url)} leads from https to http, at {shown_source(following.url)}")
        asked = following
    raise InputError(f"{shown_source(url.url)} redirects more than {_MAX_REDIRECTS} times")


def _get(url: Url, limits: DownloadLimits) -> urllib3.BaseHTTPResponse:
    from tfkit import __version__

    # As it is stored: an archive that a server labels as encoded would else arrive unpacked.
    headers = {"User-Agent": f"tfkit/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
    if url.auth:
        headers.update(urllib3.make_headers(basic_auth=unquote(url.auth)))
    plain = url._replace(auth=None)
    return pool_for(plain).urlopen(
        "GET",
        plain.url,
        headers=headers,
        timeout=urllib3.Timeout(connect=limits.connect_s, read=limits.idle_s),
        retries=False,
        redirect=False,
        preload_content=False,
    )


def _check_status(url: Url, response: urllib3.BaseHTTPResponse) -> None:
    status = response.status
    if status == 200:
        return
    response.close()
    if status in _PASSING_STATUSES:
        raise _PassingError(f"the server answered {status}")
    hint = {401: "It wants a user and password, or a signature.", 403: "A signature in the URL may have expired."}
    raise InputError(
        f"{shown_source(url.url)} cannot be downloaded: the server answered {status}", hint=hint.get(status, "")
    )


def _declared_size(response: urllib3.BaseHTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _check_size(url: Url, size: int, limits: DownloadLimits) -> None:
    if size > limits.size_bytes:
        raise InputError(f"{shown_source(url.url)} has more than the limit of {limits.size_bytes} bytes")


def _copy(
    response: urllib3.BaseHTTPResponse, file: IO[bytes], url: Url, limits: DownloadLimits, deadline: float
) -> None:
    """Writes the answer's body; urllib3 raises where it ends before its length is reached."""
    size = 0
    while piece := response.read1(_CHUNK_BYTES, decode_content=False):
        size += len(piece)
        _check_size(url, size, limits)
        if time.monotonic() > deadline:
            raise MissingError(f"{shown_source(url.url)} took more than {limits.total_s:g} s to download {size} bytes")
        file.write(piece)


@contextmanager
def _explained(url: Url, limits: DownloadLimits) -> Iterator[None]:
    """Turns what can go wrong on the way into plain words."""
    shown = shown_source(url.url)
    try:
        yield
    except http.NameResolutionError:
        raise _PassingError("the host has no address") from None
    except http.NewConnectionError as error:
        raise _PassingError(getattr(error.__cause__, "strerror", None) or "no connection") from None
    except http.ProxyError as error:
        raise _PassingError(f"the proxy failed: {error.original_error}") from None
    except http.SSLError as error:
        raise MissingError(
            f"{shown}: no secure connection: {error}", hint="SSL_CERT_FILE may name a file of certificates to trust."
        ) from None
    except http.TimeoutError:
        raise _PassingError(f"nothing came for {limits.idle_s:g} s") from None
    except (http.IncompleteRead, http.ProtocolError) as error:
        raise _PassingError(f"the connection was lost: {error}") from None
    except http.HTTPError as error:
        raise MissingError(f"{shown}: the answer cannot be read: {error}") from None
    except OSError as error:
        raise MissingError(f"{shown} cannot be written: {error.strerror or error}") from None
