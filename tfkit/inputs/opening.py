"""Opens files of samples: regular ones only; whatever is wrong is an error that names the file."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tfkit.errors import InputError, MissingError

_MAX_LINE_BYTES = 64 << 20


def regular_size(path: Path) -> int:
    """The size of a regular file, in bytes; a device or a pipe has none, and may never end.

    Raises:
        OSError: It is something else, is not there, or cannot be looked at.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    return status.st_size


def readable_size(path: Path, limit: int | None = None) -> int:
    """The size of a file that can be read; raises as ``read_bytes`` does."""
    with readable(path):
        size = regular_size(path)
    if limit is not None and size > limit:
        raise InputError(f"{path} has {size} bytes: at most {limit} are read")
    return size


def read_bytes(path: Path, limit: int) -> bytes:
    """All of a file.

    Raises:
        InputError: It is missing, no regular file, or larger than ``limit`` bytes.
        MissingError: It may not be read.
    """
    readable_size(path, limit)
    with readable(path):
        return path.read_bytes()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read from; raises as ``readable`` does, also where reading fails in the block."""
    with readable(path):
        regular_size(path)
        with path.open("rb") as stream:
            yield stream


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what reading a file raises in the block into an ``InputError``, or a ``MissingError`` if it may not be."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except PermissionError:
        raise MissingError(f"{path} may not be read: permission denied") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def byte_lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers and their ends; raises ``InputError`` if one is too long."""
    number = 0
    while line := stream.readline(_MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > _MAX_LINE_BYTES:
            raise InputError(f"{path}, line {number} has more than {_MAX_LINE_BYTES} bytes")
        yield number, line


def lines(stream: BinaryIO, path: Path) -> Iterator[str]:
    """The lines of UTF-8 text, with their ends; a byte order mark is no part of it.

    Raises:
        InputError: A line is too long, or is no UTF-8 text; the message has its number.
    """
    for number, line in byte_lines(stream, path):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}, line {number} is no UTF-8 text: {error.reason}", hint="Save the file in UTF-8."
            ) from None
