"""Keeps TensorFlow's start-up chatter off the terminal.

While it is loaded TensorFlow writes lines that no log level holds back (they come before its logging is set up), among
them alarming ones on every machine without a GPU.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Descriptor 2 belongs to the whole process: one thread at a time may turn it away.
_lock = threading.Lock()
_user_wants_all = os.environ.get(_LEVEL, "2") < "2"


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back what native code writes to stderr inside the block; it is shown after all if the block fails.

    ``TF_CPP_MIN_LOG_LEVEL=0`` or ``1`` in the environment shows everything at once.
    """
    if _user_wants_all:
        yield
        return
    os.environ[_LEVEL] = os.environ.get(_LEVEL, "2")
    with _lock, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
