"""The folder that an export is written to: made beside it under another name, and renamed when all is done."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.errors import InputError, MissingError, TfkitError, UsageError
from tfkit.export.interrupts import Interrupts
from tfkit.savedmodel.files import link_or_copy
from tfkit.warmup.files import folder_made

_PLAIN = ".plain"
MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def check_target(
    output: Path, *, force: bool, called: str = "SavedModel", markers: Collection[str] = MODEL_FILES
) -> Path:
    """Where what is made will be: ``output`` with links resolved, when it may be written.

    Args:
        output: The folder to write.
        force: Whether one that is there may be replaced.
        called: What is made.
        markers: The files by any of which to tell one.

    Raises:
        UsageError: One is there already, and ``force`` was not given.
        InputError: Something else is there already, which is never replaced.
    """
    target = output.resolve()
    if not os.path.lexists(target):
        return target
    if not target.is_dir():
        raise InputError(f"{output} is a file: expected a folder to write the {called} to")
    try:
        names = os.listdir(target)  # noqa: PTH208  # names are all that is wanted
    except OSError as error:
        raise describe_os_error(error, output) from None
    if not names:
        return target
    if set(names).isdisjoint(markers):
        raise InputError(
            f"{output} exists and is no {called}: it is never replaced", hint="Choose another folder, or empty it."
        )
    if not force:
        raise UsageError(f"{output} exists already", hint="--force replaces it.")
    return target


@contextmanager
def staged_folder(target: Path, *, force: bool, publish: Callable[[Path, Path], None] | None = None) -> Iterator[Path]:
    """A new folder beside ``target`` that takes its place when the block ends; after an error nothing is left.

    Args:
        target: What is written.
        force: Whether what is there may be replaced.
        publish: Puts what is in the new folder in its place instead, given the folder and the target.

    Raises:
        MissingError: There is no permission or no space.
        InputError: Something else appeared at ``target`` meanwhile.
    """
    with Interrupts() as interrupts:
        try:
            with folder_made(target.parent), _folder_beside(target) as staged:
                with interrupts.allowed():
                    yield staged
                if publish is None:
                    _publish(staged, target, force=force)
                else:
                    publish(staged, target)
        except OSError as error:
            raise describe_os_error(error, target) from error


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A new folder beside one, locked as long as the block runs; what is left of it goes, and what others left."""
    staged: Path | None = None
    lock: int | None = None
    try:
        with _locked(target.parent) as locked:
            if locked:
                _remove_stale(target)
            staged = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tfkit", dir=target.parent))
            lock = _lock(staged)
        staged.chmod(0o777 & ~_umask())
        yield staged
    finally:
        if staged is not None and staged.exists():
            shutil.rmtree(staged)
        if lock is not None:
            os.close(lock)


@contextmanager
def plain_folder(staged: Path) -> Iterator[Path]:
    """A folder inside of the one that is being written, for the export as it is before it is lowered."""
    folder = staged / _PLAIN
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def folder_size(folder: Path) -> int:
    """What the files of a folder take, in bytes; those that are linked are counted once."""
    files = {(status.st_dev, status.st_ino): status.st_size for status in _statuses(folder)}
    return sum(files.values())


def _statuses(folder: Path) -> Iterator[os.stat_result]:
    return (each.stat() for each in folder.rglob("*") if each.is_file())


def link_equal(folder: Path) -> None:
    """Makes files of a folder that hold the same one file."""
    known: dict[tuple[int, bytes], Path] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with path.open("rb") as file:
            key = (path.stat().st_size, hashlib.file_digest(file, "sha256").digest())
        first = known.setdefault(key, path)
        if not first.samefile(path):
            path.unlink()
            link_or_copy(first, path)


def link_into(folder: Path, target: Path) -> None:
    """Gives all files of a folder a second place in another."""
    for path in sorted(folder.rglob("*")):
        place = target / path.relative_to(folder)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            link_or_copy(path, place)


def _lock(folder: Path, *, wait: bool = False) -> int | None:
    """Locks a folder until the descriptor is closed or the process ends, however it ends.

    Returns:
        The descriptor; ``None`` where another process holds the lock, the folder is not this user's to read or is gone,
        or the file system has no locks.
    """
    descriptor: int | None = None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Keeps other exports into a folder from taking one that was just made, and is not locked yet, for a stale one.

    Yields whether it does.
    """
    lock = _lock(folder, wait=True)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _remove_stale(target: Path) -> None:
    """Removes what exports to the same target left that were killed: nobody holds its lock any more."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}\.tfkit")
    for folder in [each for each in target.parent.iterdir() if pattern.fullmatch(each.name)]:
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def describe_os_error(error: OSError, path: Path) -> TfkitError:
    """What the operating system refused while ``path`` was written."""
    reason = error.strerror or str(error)
    if error.errno in _NO_SPACE:
        return MissingError(
            f"{path} cannot be written: {reason}", hint="Nothing was left behind. Make room and try again."
        )
    if error.errno in _NO_PERMISSION:
        return MissingError(f"{path} cannot be written: {reason}", hint="Choose a folder that you may write to.")
    return InputError(f"{path} cannot be written: {reason}")


def _publish(staged: Path, target: Path, *, force: bool) -> None:
    """Renames the finished folder; what was there before goes only when the new one is in its place."""
    if not (force and target.is_dir() and any(target.iterdir())):
        staged.rename(target)  # fails where anything but an empty folder is
        return
    retired = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    target.rename(retired)
    try:
        staged.rename(target)
    except OSError:
        retired.rename(target)
        raise
    shutil.rmtree(retired)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
