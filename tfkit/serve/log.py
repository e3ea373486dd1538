"""The service's log: lines on stderr."""

from __future__ import annotations

import logging
import sys


def log_to_stderr() -> None:
    """Sends tfkit's log to stderr, one line a message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("tfkit: %(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("tfkit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
