"""Where models that are downloaded or unpacked lie: a temporary folder that goes with the process, and has room."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.errors import MissingError

LARGEST_BYTES = 16 << 30
"""What a model may take, packed or unpacked."""

# Left for others on the same disk.
_RESERVED_BYTES = 64 << 20
# Waits for the end of its stdin, which comes when the process that holds the other end is gone, by a kill as well.
_REMOVE = "import shutil, sys; sys.stdin.buffer.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder, removed when the block ends, or the process: by an exit, a signal or a crash of TensorFlow.

    An unpacked model can be gigabytes, and TensorFlow may bring down its process at any time, so that a process of its
    own does the removing where this one cannot.

    Raises:
        MissingError: It cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="tfkit-"))
    except OSError as error:
        raise MissingError(
            f"there is no place for temporary files: {error.strerror}", hint="TMPDIR names a folder for them."
        ) from None
    try:
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _REMOVE, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the service
        )
        with keeper:  # at its end, its stdin is closed and it is waited for
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_room(folder: Path, size_bytes: int, shown: str) -> None:
    """Checks that there is room for so many bytes more.

    Args:
        folder: Where they are to be written.
        size_bytes: How many.
        shown: What they belong to, for messages.

    Raises:
        MissingError: There is not.
    """
    if size_bytes > shutil.disk_usage(folder).free - _RESERVED_BYTES:
        raise MissingError(
            f"{shown}: no space left in {folder} for {size_bytes} bytes more",
            hint="Make room, or name another folder in TMPDIR.",
        )
