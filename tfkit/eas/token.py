"""Where a service's token comes from: never from the command line, where every user of the machine can read it."""

from __future__ import annotations

import os
from pathlib import Path

from tfkit.errors import InputError

VARIABLE = "TFKIT_TOKEN"


def read_token(path: Path | None) -> str:
    """The token of a file, else of the environment variable ``TFKIT_TOKEN``, else none (an empty string).

    Raises:
        InputError: The file cannot be read, or the token is empty or cannot stand in an HTTP header.
    """
    if path is None:
        token = os.environ.get(VARIABLE)
        if token is None:
            return ""
        origin = f"the variable {VARIABLE}"
    else:
        origin = str(path)
        try:
            token = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: the token cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return check_token(token, origin)


def check_token(text: str, origin: str) -> str:
    """A token without the line break that ends a file; no message shows it.

    Args:
        text: The token as it was found.
        origin: Where it was found, for messages.

    Raises:
        InputError: It is empty, or cannot stand in an HTTP header.
    """
    token = text.rstrip("\r\n")
    if not token.strip():
        raise InputError(
            f"{origin}: the token is empty", hint="Write a token into it, or leave it out where there is none."
        )
    if not (token.isascii() and token.isprintable()):
        raise InputError(
            f"{origin}: the token holds characters that no HTTP header can carry", hint="Use printable ASCII."
        )
    return token
