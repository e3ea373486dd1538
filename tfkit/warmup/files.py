"""Reads and writes warm-up files: exactly one serialized PredictRequest, with no framing (``.bin``)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.eas.messages import MAX_MESSAGE_BYTES, PredictRequest, decode_request
from tfkit.errors import InputError, MessageError, MissingError, UsageError
from tfkit.inputs.opening import read_bytes, regular_size

_MADE_BY = "Make one from the model: tfkit warmup-gen MODEL --input NAME=@FILE.npy --output warm_up_test.bin"


def read_warmup(path: str | Path) -> PredictRequest:
    """Reads the request in a warm-up file; raises as ``read_warmup_body`` does."""
    return decode_request(read_warmup_body(path))


def read_warmup_body(path: str | Path) -> bytes:
    """Reads a warm-up file as the body that a service sends itself, once it is sure that it is a request.

    Raises:
        InputError: The file is missing, too large, or of a kind that is for other services.
        MessageError: The file holds no PredictRequest.
        MissingError: The file may not be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".txt":
        raise InputError(f"{path} is a text warm-up file, for services that take text: expected a .bin", hint=_MADE_BY)
    data = _read(path)
    if not data:
        raise MessageError(f"{path} is empty: expected one serialized PredictRequest", hint=_MADE_BY)
    try:
        request = decode_request(data)
    except MessageError as error:
        raise MessageError(f"{path} holds no PredictRequest: {error.message}", hint=error.hint or _MADE_BY) from None
    if not (request.inputs or request.signature_name or request.output_filter):
        raise MessageError(f"{path} holds no PredictRequest: it names neither inputs nor a signature", hint=_MADE_BY)
    return data


def write_warmup(path: str | Path, data: bytes, *, force: bool = False) -> None:
    """Writes a serialized request to a file, no half of which is ever there (see ``replacing``).

    Args:
        path: Where to; its folder must exist.
        data: What ``encode_request`` made.
        force: Replace a file that is there already.

    Raises:
        UsageError: There is a file already, and ``force`` was not given.
        InputError: The folder does not exist, or the place is taken by what is no regular file.
        MissingError: It cannot be written: no permission, no space.
    """
    with replacing(Path(path), force=force) as beside, beside.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def replacing(path: Path, *, force: bool) -> Iterator[Path]:
    """A new place beside a file, renamed to it once the block has written it; removed where the block fails.

    Links are followed: what a link points to is replaced, and the link stays. Raises as ``write_warmup`` does.
    """
    target = check_target(path, force=force)
    beside = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield beside
        beside.replace(target)
    except OSError as error:
        raise MissingError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        beside.unlink(missing_ok=True)


def check_target(path: Path, *, force: bool) -> Path:
    """Checks that a file may be written, before work is done for it; raises as ``write_warmup`` does.

    Returns:
        The file itself, links followed.
    """
    target = Path(os.path.realpath(path))
    try:
        regular_size(target)
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {target.parent}") from None
    except PermissionError:
        raise MissingError(f"{path} cannot be written: permission denied") from None
    except OSError as error:  # no regular file, too long a name, a file for a folder, links in a circle
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    else:
        if not force:
            raise UsageError(f"{path} exists already", hint="Write to another file, or replace it with --force.")
    return target


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_MESSAGE_BYTES)
    except InputError as error:
        error.hint = error.hint or _MADE_BY
        raise
