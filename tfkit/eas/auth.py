"""How a client shows a service that it knows its token: the token itself, or a signature made with it.

The signature is the base64 of an HMAC-SHA1, keyed with the token, over five lines: ``POST`` (whatever the request's
method), Content-MD5 (in hex), Content-Type, Date, and the path. Which path is signed differs: the official Python
client takes ``/api/predict/{service}``, the Java client the whole path with its query, the Go client the service's path
and what was added to it. Source: the documentation of PAI-EAS, and the requests that these clients send.

>>> sign("token", path="/api/predict/digits", date="Sun, 22 Nov 2026 16:51:13 GMT")
'3Mq0eR8f5uleB9XerN/8ZxSp4Dc='
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from email.utils import formatdate

_SCHEME = b"EAS "


def sign(
    token: str, *, path: str, content_md5: str = "", content_type: str = "", date: str = "", method: str = "POST"
) -> str:
    """The signature of a request.

    Args:
        token: The service's token.
        path: The path that is signed.
        content_md5: The header Content-MD5.
        content_type: The header Content-Type.
        date: The header Date.
        method: What stands in the first line.

    Returns:
        The base64 that follows ``EAS`` and a space in the header Authorization.
    """
    signed = "\n".join((method, content_md5, content_type, date, path))
    return b64encode(hmac.digest(token.encode(), _as_received(signed), "sha1")).decode()


def sign_headers(token: str, path: str, body: bytes, content_type: str = "application/octet-stream") -> dict[str, str]:
    """The headers of a signed request for ``body``, Content-Type included.

    Args:
        token: The service's token.
        path: The path of the request, without its query.
        body: The body as it is sent, compressed if it is.
        content_type: The header Content-Type.
    """
    content_md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    date = formatdate(usegmt=True)
    signature = sign(token, path=path, content_md5=content_md5, content_type=content_type, date=date)
    return {
        "Content-MD5": content_md5,
        "Date": date,
        "Content-Type": content_type,
        "Authorization": f"EAS {signature}",
    }


def is_authorized(
    token: str, header: str, *, method: str, paths: tuple[str, ...], content_md5: str, content_type: str, date: str
) -> bool:
    """Whether a request may be answered.

    Neither the date's freshness nor the MD5 is checked: the official clients send local times as GMT, use a signature
    again when they retry, and send an MD5 of other bytes or without its leading zeros.

    Args:
        token: The service's token; an empty one authorizes nobody.
        header: The header Authorization, its bytes decoded as Latin-1, like all that follow.
        method: The request's method; a signature over it is accepted as well as one over ``POST``.
        paths: The paths that the client may have signed.
        content_md5: The header Content-MD5.
        content_type: The header Content-Type.
        date: The header Date.

    Returns:
        Whether the header is the token, or a signature over one of the paths. The time taken does not depend on how
        much of either is right.
    """
    received = _as_received(header)
    matches = hmac.compare_digest(received, token.encode())
    for path in paths:
        for verb in {"POST", method}:
            signature = sign(
                token, path=path, content_md5=content_md5, content_type=content_type, date=date, method=verb
            )
            matches |= hmac.compare_digest(received, _SCHEME + signature.encode())
    return matches and bool(token)


def _as_received(text: str) -> bytes:
    """The bytes of a header: text that came from the network was decoded as Latin-1."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
