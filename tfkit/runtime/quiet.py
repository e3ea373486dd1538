"""Keeps TensorFlow's start-up chatter off the terminal, but never the last words of a TensorFlow that aborts.

While it is loaded a current TensorFlow writes lines that no log level holds back (they come before its logging is set
up), among them alarming ones on every machine without a GPU: these are held back. Whatever else it says is left to its
log level, so that a failed CHECK, which ends the process, is read on stderr.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tfkit.processors.cuda import has_card

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_ALL = ("0", "1")
# Only what is fatal; where there is a card, also errors: without one they say no more than that there is none.
_ERRORS, _FATAL = "2", "3"
# Descriptor 2 belongs to the whole process: one thread at a time may turn it away.
_lock = threading.Lock()


def set_log_level() -> None:
    """Tells a TensorFlow that is loaded later to log errors at most, unless the user chose a level."""
    os.environ.setdefault(_LEVEL, _ERRORS if has_card() else _FATAL)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what native code writes to stderr inside the block; it is shown after all if the block fails.

    Should the process be killed by a signal inside the block, Python says at least where, on the real stderr.
    ``TF_CPP_MIN_LOG_LEVEL=0`` or ``1`` in the environment shows everything at once.
    """
    if os.environ.get(_LEVEL) in _ALL:
        yield
        return
    with _lock, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        real = os.dup(2)
        told_before = faulthandler.is_enabled()
        faulthandler.enable(real)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            faulthandler.enable(2) if told_before else faulthandler.disable()
            os.close(real)
