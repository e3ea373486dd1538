"""Where tfkit keeps what it installs."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "TFKIT_HOME"


def tfkit_home() -> Path:
    """``$TFKIT_HOME``, or else the platform's folder for caches; asking does not make it.

    >>> tfkit_home().is_absolute()
    True
    """
    if chosen := os.environ.get(HOME_VARIABLE):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("tfkit", appauthor=False)
