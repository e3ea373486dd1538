"""The service's log: lines on stderr."""

from __future__ import annotations

import logging
import os
import sys

from tfkit.serve.exchange import Request

_access = logging.getLogger("tfkit.access")


def log_to_stderr() -> None:
    """Sends tfkit's log to stderr, one line a message."""
    # A descriptor of its own: native code's chatter is at times kept off the real one (tfkit.runtime.quiet).
    stream = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("tfkit: %(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("tfkit")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def log_access(request: Request, status: int) -> None:
    """Writes the line of one request."""
    method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
    _access.info("%s %s %d %d bytes", method or "-", target or "-", status, request.body_size)
