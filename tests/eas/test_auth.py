"""Both forms of authorisation."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import pytest

from tfkit.eas.auth import is_authorized, sign, sign_headers

PATH = "/api/predict/svc"

# Two requests that eas-prediction 0.36 sent to a stub, with the token "tok"; the second one has no body.
OFFICIAL = [
    {
        "header": "EAS y5uFViqEMbkfA9YZUYTo6VzzvSc=",
        "content_md5": "f2543c78fe4c467a32ef1c7031098794",
        "content_type": "application/octet-stream",
        "date": "Sun, 22 Nov 2026 16:51:13 GMT",
    },
    {
        "header": "EAS wnY9U8vVwClaYu69EpmbiB0zQA8=",
        "content_md5": "d41d8cd98f00b204e9800998ecf8427e",
        "content_type": "application/octet-stream",
        "date": "Sun, 22 Nov 2026 16:51:13 GMT",
    },
]


def allowed(token: str, header: str, **changes: object) -> bool:
    """Whether a request without further headers is authorised."""
    request = {"method": "POST", "paths": (PATH,), "content_md5": "", "content_type": "", "date": ""} | changes
    return is_authorized(token, header, **request)  # type: ignore[arg-type]


@pytest.mark.parametrize("request_headers", OFFICIAL, ids=["body", "empty"])
def test_official_clients_signature_is_accepted(request_headers: dict[str, str]) -> None:
    """What the official Python client sends authorises it."""
    headers = dict(request_headers)
    assert allowed("tok", headers.pop("header"), **headers)


@pytest.mark.parametrize("name", ["content_md5", "content_type", "date"])
def test_signature_covers_every_header(name: str) -> None:
    """A signature does not hold for other headers than those it was made for."""
    headers = OFFICIAL[0] | {name: "other"}
    assert not allowed("tok", headers.pop("header"), **headers)


def test_raw_token_is_accepted() -> None:
    """The token itself authorises, whatever the other headers are."""
    assert allowed("tok", "tok", date="yesterday")


@pytest.mark.parametrize("header", ["", "to", "tokk", "TOK", "Bearer tok", "EAS tok", "EAS ", "EAS", " tok", "EAS é"])
def test_anything_else_is_refused(header: str) -> None:
    """Neither part of the token nor another scheme authorises."""
    assert not allowed("tok", header)


def test_empty_token_authorizes_nobody() -> None:
    """A service without a token must not be opened by an empty header, nor by a signature with an empty key."""
    assert not allowed("", "")
    assert not allowed("", f"EAS {sign('', path=PATH)}")


@pytest.mark.parametrize("header", ["tök", "\xff\xfe", "\udcff", "token\u4e2d", "EAS \x00"])
def test_bytes_beyond_ascii_are_refused_not_an_error(header: str) -> None:
    """Any bytes may come in a header."""
    assert not allowed("tok", header)


def test_token_beyond_ascii_is_compared_as_utf8() -> None:
    """The header comes as Latin-1 text of the UTF-8 bytes."""
    assert allowed("tökén", "tökén".encode().decode("latin-1"))


@pytest.mark.parametrize("signed", ["/api/predict/svc/extra?x=1", "/api/predict/svc/extra", "/api/predict/svc"])
def test_any_of_the_paths_may_be_signed(signed: str) -> None:
    """Java signs the path with its query, Go with its extra part, Python the service's path."""
    paths = ("/api/predict/svc/extra?x=1", "/api/predict/svc/extra", "/api/predict/svc")
    header = f"EAS {sign('tok', path=signed)}"
    assert allowed("tok", header, paths=paths)
    assert not allowed("tok", header, paths=("/api/predict/other",))


def test_get_may_be_signed_as_post_or_as_get() -> None:
    """The documents sign "POST" whatever the method is."""
    assert allowed("tok", f"EAS {sign('tok', path=PATH)}", method="GET")
    assert allowed("tok", f"EAS {sign('tok', path=PATH, method='GET')}", method="GET")
    assert not allowed("tok", f"EAS {sign('tok', path=PATH, method='GET')}", method="POST")


def test_signed_headers_authorize_their_request() -> None:
    """What the client sends, the server accepts; the MD5 is in hex, the date one of HTTP's."""
    headers = sign_headers("tok", PATH, b"body", "application/octet-stream")
    assert set(headers) == {"Content-MD5", "Date", "Content-Type", "Authorization"}
    assert re.fullmatch("[0-9a-f]{32}", headers["Content-MD5"])
    assert parsedate_to_datetime(headers["Date"]).tzinfo is not None
    seen = {
        "content_md5": headers["Content-MD5"],
        "content_type": headers["Content-Type"],
        "date": headers["Date"],
    }
    assert allowed("tok", headers["Authorization"], **seen)
    assert not allowed("other", headers["Authorization"], **seen)
