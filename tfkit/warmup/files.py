"""Reads warm-up files, exactly one serialized PredictRequest with no framing (``.bin``), and writes files whole."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tfkit.eas.joined import find_seam
from tfkit.eas.messages import MAX_MESSAGE_BYTES, PredictRequest, decode_request
from tfkit.errors import InputError, MessageError, MissingError, UsageError
from tfkit.inputs.opening import read_bytes, regular_size
from tfkit.warmup.foreign import find_foreign

EMPTY, WRONG_FORMAT, DAMAGED, CONCATENATED = "empty-file", "wrong-format", "damaged", "concatenated"
_MADE_BY = "Make one from the model: tfkit warmup-gen MODEL --input NAME=@FILE.npy --output warm_up_test.bin"


class Flaw(NamedTuple):
    """Why the bytes of a file are no warm-up request.

    Attributes:
        code: What lint calls it.
        problem: What is wrong, to be read after the file's name: ``is empty``.
        hint: What to do.
    """

    code: str
    problem: str
    hint: str = _MADE_BY


def read_warmup(path: str | Path) -> PredictRequest:
    """Reads the request in a warm-up file; raises as ``read_warmup_body`` does."""
    return decode_request(read_warmup_body(path))


def read_warmup_body(path: str | Path) -> bytes:
    """Reads a warm-up file as the body that a service sends itself, once it is sure that it is one request.

    Raises:
        InputError: The file is missing, too large, or of a kind that is for other services.
        MessageError: The file holds no PredictRequest, or two.
        MissingError: The file may not be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".txt":
        raise InputError(f"{path} is a text warm-up file, for services that take text: expected a .bin", hint=_MADE_BY)
    try:
        data = read_bytes(path, MAX_MESSAGE_BYTES)
    except InputError as error:
        error.hint = error.hint or _MADE_BY
        raise
    found = decode_warmup(data)
    if isinstance(found, Flaw):
        raise MessageError(f"{path} {found.problem}", hint=found.hint)
    return data


def decode_warmup(data: bytes) -> PredictRequest | Flaw:
    """Reads the bytes of a warm-up file: its one request, or why it holds none.

    A service takes any body that reads as a request. A file is looked at more closely, as it is made by people: text
    may read as a message of unknown fields, and two requests read as one.
    """
    if not data:
        return Flaw(EMPTY, "is empty: expected one serialized PredictRequest")
    try:
        request = decode_request(data)
    except MessageError as error:
        damaged = Flaw(DAMAGED, f"holds no PredictRequest: {error.message}", error.hint or _MADE_BY)
        return _foreign(data) or damaged
    if not request.inputs and (other := _foreign(data)) is not None:
        return other
    if not (request.inputs or request.signature_name or request.output_filter):
        return Flaw(DAMAGED, "holds no PredictRequest: it names neither inputs nor a signature")
    seam = find_seam(data)
    if seam is not None and seam.is_certain:
        return Flaw(CONCATENATED, f"holds two requests: {seam.message}", seam.hint)
    return request


def _foreign(data: bytes) -> Flaw | None:
    foreign = find_foreign(data)
    if foreign is None:
        return None
    return Flaw(WRONG_FORMAT, f"is {foreign.what}: expected a serialized PredictRequest", foreign.hint)


def write_file(path: str | Path, data: bytes, *, force: bool = False) -> None:
    """Writes a file, no half of which is ever there (see ``replacing``).

    Args:
        path: Where to; its folder must exist.
        data: Its content.
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

    Links are followed: what a link points to is replaced, and the link stays. Raises as ``write_file`` does.
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


@contextmanager
def parents_made(path: Path) -> Iterator[None]:
    """Makes the folders above a path that are missing; where the block fails, those that are empty go again.

    Raises:
        InputError: There is a file in the place of one of them.
        MissingError: No permission.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(folder_made(Path(os.path.realpath(path)).parent))
        except PermissionError:
            raise MissingError(f"{path} cannot be written: permission denied") from None
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
        yield


@contextmanager
def folder_made(folder: Path) -> Iterator[None]:
    """Makes a folder and those above it that are missing; where the block fails, those that are empty go again.

    Raises:
        OSError: One cannot be made.
    """
    made: list[Path] = []
    try:
        for each in reversed((folder, *folder.parents)):
            if each.is_dir():
                continue
            if each.exists():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(each))
            each.mkdir(exist_ok=True)
            made.append(each)
        yield
    except BaseException:
        for each in reversed(made):
            with suppress(OSError):  # it is not empty
                each.rmdir()
        raise


def check_target(path: Path, *, force: bool) -> Path:
    """Checks that a file may be written, before work is done for it; raises as ``write_file`` does.

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
