"""A model's files as an archive, the same bytes for the same files: wherever they lie, whenever they were written."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tfkit.errors import InputError
from tfkit.fetching.archives import parts_of_name, shortened
from tfkit.savedmodel.files import readable

# The first day of 1980: GNU tar warns of times at the beginning of 1970.
_TIME_S = 315_532_800
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_LEVEL = 6
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A file or folder of a model.

    Attributes:
        name: Its path inside the model, parts separated by slashes.
        path: Where its content is, links followed.
        is_folder: Whether it is a folder.
    """

    name: str
    path: Path
    is_folder: bool


def model_entries(model: Path) -> tuple[ModelEntry, ...]:
    """What a model's folder holds, or the one file that a frozen graph is, sorted by name; links are followed.

    Raises:
        InputError: Something is neither file nor folder, links lead in a circle, or a name cannot stand in an archive.
        ModelError: A link leads nowhere.
        MissingError: Something may not be read.
    """
    if not model.is_dir():
        return (_entry(model, model.name),)
    return tuple(sorted(_walk(model, "", ()), key=lambda entry: entry.name))


def write_archive(entries: Sequence[ModelEntry], target: Path) -> None:
    """Writes ``.tar.gz``: names sorted, times, owners and modes alike for all; piece by piece, whatever its size.

    Raises:
        InputError: A file changes while it is read.
        MissingError: A file may not be read.
        OSError: The archive cannot be written.
    """
    with (
        target.open("xb") as file,
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        tarfile.TarFile(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in entries:
            member = tarfile.TarInfo(entry.name)
            member.mtime = _TIME_S
            if entry.is_folder:
                member.type, member.mode = tarfile.DIRTYPE, _FOLDER_MODE
                tar.addfile(member)
                continue
            member.mode = _FILE_MODE
            with _Source(entry.path) as source:
                member.size = source.size_bytes
                tar.addfile(member, source)
                source.check_ended()


def copy_entries(entries: Sequence[ModelEntry], folder: Path) -> None:
    """Writes the same files into a new folder; raises as ``write_archive`` does."""
    folder.mkdir(parents=True)
    for entry in entries:
        target = folder / entry.name
        if entry.is_folder:
            target.mkdir()
            continue
        with _Source(entry.path) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
            source.check_ended()


class _Source:
    """A file that is copied; what goes wrong with it is not mistaken for what goes wrong with the copy."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0

    def __enter__(self) -> _Source:
        with readable(self._path):
            self._file: IO[bytes] = self._path.open("rb")
            self.size_bytes = os.fstat(self._file.fileno()).st_size
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1, /) -> bytes:
        left_bytes = self.size_bytes - self._read_bytes
        with readable(self._path):
            data = self._file.read(left_bytes if size < 0 else min(size, left_bytes))
        self._read_bytes += len(data)
        if not data and size and self._read_bytes < self.size_bytes:
            raise self._changed()
        return data

    def check_ended(self) -> None:
        with readable(self._path):
            size_bytes = os.fstat(self._file.fileno()).st_size
        if size_bytes != self.size_bytes:
            raise self._changed()

    def _changed(self) -> InputError:
        return InputError(f"{self._path} changed while it was read", hint="Bundle the model when nothing writes to it.")


def _walk(folder: Path, above: str, parents: tuple[tuple[int, int], ...]) -> Iterator[ModelEntry]:
    """What a folder holds, at any depth."""
    with readable(folder):
        status = folder.stat()
        names = sorted(os.listdir(folder))  # noqa: PTH208  # names are all that is wanted
    identity = (status.st_dev, status.st_ino)
    if identity in parents:
        raise InputError(f"{folder} is a link to a folder above it: the model would have no end")
    for name in names:
        entry = _entry(folder / name, f"{above}{name}")
        yield entry
        if entry.is_folder:
            yield from _walk(folder / name, f"{above}{name}/", (*parents, identity))


def _entry(path: Path, name: str) -> ModelEntry:
    _check_name(path, name)
    with readable(path):
        mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path} is a device, a pipe or another special file: a model has none", hint="Remove it.")
    return ModelEntry(name, path, stat.S_ISDIR(mode))


def _check_name(path: Path, name: str) -> None:
    """Refuses names that other systems, or the list of checksums, could not hold."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        reason = "which is no UTF-8"
    else:
        reason = "" if name.isprintable() and "\\" not in name else "which not every system can hold"
    if reason:
        raise InputError(f"{path.parent} holds a file called {shortened(name)}, {reason}", hint="Rename or remove it.")
    parts_of_name(name, str(path.parent))
