"""URLs as text: told from paths, shown without their secrets."""

from __future__ import annotations

import re
from urllib.parse import unquote

from tfkit.errors import InputError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMES = ("http", "https", "oss")
_MAX_NAME = 200


def is_url(source: str) -> bool:
    """Whether a source is a URL that can be downloaded, not a path.

    Raises:
        InputError: It is a URL of another kind.
    """
    match = _SCHEME.match(source)
    if match is not None and match[1] not in _SCHEMES:
        raise InputError(
            f"{shown_source(source)} cannot be downloaded: tfkit does not know {match[1]}://",
            hint="Give a path, or http://, https:// or oss://.",
        )
    return match is not None


def shown_source(source: str) -> str:
    """A source without what may be secret in a URL: user, password, query.

    >>> shown_source("https://me:word@host/model.zip?Signature=abc")
    'https://host/model.zip'
    """
    match = _SCHEME.match(source)
    if match is None:
        return source
    host, slash, path = re.split(r"[?#]", source[match.end() :], maxsplit=1)[0].partition("/")
    return f"{match[0]}{host.rpartition('@')[2]}{slash}{path}"


def file_name(url: str) -> str:
    """The name of the file that a URL leads to; empty where it leads to a folder.

    >>> file_name("https://host/models/digits.tar.gz?Signature=abc")
    'digits.tar.gz'
    """
    path = shown_source(url).partition("://")[2].partition("/")[2]
    name = unquote(path.rpartition("/")[2], errors="replace").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[-_MAX_NAME:].strip(".")
