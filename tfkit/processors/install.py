"""Installs and removes the runtimes of EAS's processors.

A runtime is made in a folder beside the others, under a name with a dot, and moved into place whole. A lock that the
system frees when its holder ends makes one install of a processor wait for another; what a killed one left behind is
removed by the next.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.errors import InputError, MissingError
from tfkit.processors.catalogue import LibraryFile, Processor, Wheel, find_processor
from tfkit.processors.elf import weaken_python_symbols
from tfkit.processors.fetch import Progress, download_command, fetch_wheel, no_space, room_for
from tfkit.processors.libraries import (
    LibraryPaths,
    check_library,
    check_platform,
    is_installed,
    library_paths,
    runtimes_folder,
    wheel_of,
)

_CHUNK_BYTES = 1 << 20
_PARTIAL = ".partial"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def install_runtime(
    processor: str | Processor, *, source: Path | None = None, progress: Progress | None = None, force: bool = False
) -> LibraryPaths:
    """Installs the C library of one of EAS's processors, unless it is there.

    Args:
        processor: Its name, or a processor that the catalogue does not have.
        source: The wheel, or a folder that holds it, instead of downloading it.
        progress: Is told how far it is.
        force: Install it anew even if it is there.

    Returns:
        Where it lies.

    Raises:
        UsageError: There is no such processor, or it is the installed one.
        MissingError: No network, no room, no such wheel, no right to write, or a platform without such wheels.
        InputError: The wheel is not the one that the catalogue knows.
    """
    known = find_processor(processor) if isinstance(processor, str) else processor
    wheel = wheel_of(known)
    check_platform(known)
    tell = progress or _say_nothing
    if is_installed(known) and not force:
        return library_paths(known)
    with _errors_of_the_disk(wheel, downloaded=source is None), _lock(known.name, tell):
        if force or not is_installed(known):  # another install may have ended meanwhile
            with _workplace(known.name) as folder:
                _check_room(folder, wheel, downloaded=source is None)
                path = fetch_wheel(wheel, _made(folder / "wheel"), tell) if source is None else _local(wheel, source)
                _check_wheel(path, wheel)
                _unpack(path, wheel, _made(folder / "runtime"), tell)
                _replace(library_paths(known).c_api.parent, folder)
    return check_library(known)


def remove_runtime(processor: str | Processor) -> bool:
    """Removes the runtime of one of EAS's processors.

    Args:
        processor: Its name, or a processor that the catalogue does not have.

    Returns:
        Whether there was one.

    Raises:
        UsageError: There is no such processor, or it is the installed one.
        MissingError: It may not be removed.
    """
    known = find_processor(processor) if isinstance(processor, str) else processor
    wheel = wheel_of(known)
    target = library_paths(known).c_api.parent
    if not runtimes_folder().is_dir():
        return False
    with (
        _errors_of_the_disk(wheel, downloaded=False),
        _lock(known.name, _say_nothing),
        _workplace(known.name) as folder,
    ):
        if not os.path.lexists(target):  # not exists: it may be a link to nowhere
            return False
        target.rename(folder / "removed")
    return True


def _say_nothing(step: str, done: int, total: int) -> None:
    """For those who do not ask."""


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@contextmanager
def _errors_of_the_disk(wheel: Wheel, *, downloaded: bool) -> Iterator[None]:
    """Makes errors of the file system into messages that say what to do."""
    folder = runtimes_folder()
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise no_space(wheel, downloaded=downloaded) from error
        raise MissingError(
            f"{error.filename or folder}: {error.strerror}",
            hint=f"tfkit must be able to write in {folder}; TFKIT_HOME moves it.",
        ) from error


@contextmanager
def _lock(name: str, tell: Progress) -> Iterator[None]:
    """Keeps others from installing or removing the same runtime meanwhile."""
    import fcntl  # not on Windows, where no runtime can be installed

    folder = runtimes_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("wait", 0, 0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _workplace(name: str) -> Iterator[Path]:
    """An empty folder beside the runtimes for whoever holds the lock; it is gone afterwards, and so are dead ones."""
    _remove_dead()
    folder = runtimes_folder() / f".{name}{_PARTIAL}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_dead() -> None:
    """Removes what installs that were killed left behind: those whose lock is free."""
    import fcntl

    for folder in runtimes_folder().glob(f".*{_PARTIAL}"):
        with folder.with_suffix(".lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)


def _check_room(folder: Path, wheel: Wheel, *, downloaded: bool) -> None:
    if shutil.disk_usage(folder).free < room_for(wheel, downloaded=downloaded):
        raise no_space(wheel, downloaded=downloaded)


def _local(wheel: Wheel, source: Path) -> Path:
    path = source / wheel.filename if source.is_dir() else source
    if not path.is_file():
        raise MissingError(
            f"{path}: not found",
            hint=f"Where there is a network: python -m pip {' '.join(download_command(wheel, 'DIR'))}",
        )
    return path


def _check_wheel(path: Path, wheel: Wheel) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if found != wheel.sha256:
        raise InputError(
            f"{path.name}: not {wheel.filename} as PyPI has it: its SHA-256 is {found}, not {wheel.sha256}",
            hint="It was changed or cut off on its way; fetch it again, or from another index.",
        )


def _unpack(path: Path, wheel: Wheel, folder: Path, tell: Progress) -> None:
    """Writes the wheel's two libraries into a folder, the one with the C API made loadable."""
    done = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for file in wheel.files:
                for size in _extract(archive, file, folder / file.name):
                    done += size
                    tell("unpack", done, wheel.installed_bytes)
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise InputError(f"{path}: cannot be unpacked: {error}") from error
    library = folder / wheel.c_api.name
    weaken_python_symbols(library)
    for file in wheel.files:
        _sync(folder / file.name)


def _extract(archive: zipfile.ZipFile, file: LibraryFile, target: Path) -> Iterator[int]:
    """Writes one member of a wheel; yields the sizes of its pieces as they are written."""
    checksum = hashlib.sha256()
    with archive.open(file.member) as packed, target.open("wb") as unpacked:
        while piece := packed.read(_CHUNK_BYTES):
            checksum.update(piece)
            unpacked.write(piece)
            yield len(piece)
    if checksum.hexdigest() != file.sha256:
        raise InputError(f"{archive.filename}: {file.member}: its SHA-256 is {checksum.hexdigest()}, not {file.sha256}")


def _sync(path: Path) -> None:
    """Has the disk keep a file's content before the folder gets its name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _replace(target: Path, folder: Path) -> None:
    """Moves the runtime that was made in a workplace to its name; what was there goes with the workplace."""
    if os.path.lexists(target):  # be it a file, or a link to nowhere
        target.rename(folder / "replaced")
    (folder / "runtime").rename(target)
