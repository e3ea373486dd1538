"""Where tfkit keeps what it installs."""

from __future__ import annotations

import os
from pathlib import Path

from tfkit.errors import UsageError

HOME_VARIABLE = "TFKIT_HOME"


def tfkit_home() -> Path:
    """``$TFKIT_HOME``, or else the platform's folder for caches; asking does not make it.

    Raises:
        UsageError: ``$TFKIT_HOME`` begins with the home of a user who is not there.

    >>> tfkit_home().is_absolute()
    True
    """
    if chosen := os.environ.get(HOME_VARIABLE):
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError:
            raise UsageError(
                f"{HOME_VARIABLE} is {chosen!r}: there is no such user's home", hint="Set it to a folder."
            ) from None
    import platformdirs

    return platformdirs.user_cache_path("tfkit", appauthor=False)
