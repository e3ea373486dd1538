"""Unpacks archives as if whoever packed them meant harm.

Nothing is written outside of the folder, and nothing but folders, files, and links among them. Sizes are counted while
unpacking, since what an archive says about itself may be wrong.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from tfkit.errors import InputError, MissingError
from tfkit.fetching.archives import archive_kind, harmful, parts_of_name, shortened
from tfkit.fetching.scratch import LARGEST_BYTES, check_room

_BLOCK = 512

_CHUNK_BYTES = 1 << 20
# Headers are read whole into memory: names, and whatever pax headers hold.
_MAX_HEADER_BYTES = 1 << 20
_MAX_AFTER_END_BYTES = 64 << 20
_MAX_DIRECTORY_BYTES = 64 << 20
_MAX_LINK_BYTES = 4096

_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, NotImplementedError, RecursionError, OverflowError, ValueError,
)  # fmt: skip
_REPACK = "Copy or pack it again."


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What an archive may unpack to.

    Attributes:
        size_bytes: All files together; less where the disk has less room.
        members: Files, folders and links.
        links: Links alone.
        ratio: How many times its own size, once that is more than ``ratio_from_bytes``.
        ratio_from_bytes: Small files may be packed better than that.
    """

    size_bytes: int = LARGEST_BYTES
    members: int = 50_000
    links: int = 1000
    ratio: int = 200
    ratio_from_bytes: int = 256 << 20


def unpack(archive: Path, target: Path, *, shown: str = "", limits: UnpackLimits | None = None) -> None:
    """Unpacks an archive into a new folder; if that fails, the folder is gone.

    Args:
        archive: The archive.
        target: The folder, which must not exist.
        shown: What messages call the archive; its path by default.
        limits: What it may unpack to.

    Raises:
        InputError: It is no archive, damaged or cut off, larger than the limits, or it holds what could do harm.
        MissingError: There is no room for it.
    """
    target.mkdir(mode=0o700)
    try:
        kind = archive_kind(archive)
        job = _Unpacking(archive, target, shown or str(archive), limits or UnpackLimits())
        with _explained(job.shown):
            if kind == "zip":
                job.unpack_zip()
            else:
                job.unpack_tar(kind)
            job.make_links()
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


@contextmanager
def _explained(shown: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = f": {error}" if str(error) else ""
        raise InputError(f"{shown} is damaged or cut off{reason}", hint=_REPACK) from None
    except RuntimeError as error:  # zipfile's, for a file with a password
        raise InputError(f"{shown} cannot be unpacked: {error}") from None
    except OSError as error:
        if error.errno is None:  # what gzip and bz2 raise for bad data
            raise InputError(f"{shown} is damaged or cut off: {error}", hint=_REPACK) from None
        raise MissingError(
            f"{shown} cannot be unpacked: {error.strerror}", hint="TMPDIR names the folder that it is unpacked in."
        ) from None


class _Link(NamedTuple):
    parts: tuple[str, ...]
    target: str
    is_hard: bool


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Unpacking:
    """One archive on its way into a folder."""

    def __init__(self, archive: Path, target: Path, shown: str, limits: UnpackLimits) -> None:
        self.shown = shown
        self._archive = archive
        self._target = target
        self._limits = limits
        self._packed_bytes = archive.stat().st_size
        self._size_bytes = 0
        self._members = 0
        self._links: list[_Link] = []

    def unpack_tar(self, kind: str) -> None:
        opened: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open}
        with opened.get(kind, open)(self._archive, "rb") as file:
            if kind in opened:
                self._check_holds_tar(file, kind)
            stream = _Forward(file)
            with tarfile.TarFile(fileobj=stream, mode="r", errorlevel=2) as tar:  # type: ignore[arg-type]
                while (member := tar.next()) is not None:
                    self._add_tar_member(tar, member)
            # tarfile takes any bad header but the first for the end.
            if stream.last_block != bytes(_BLOCK):
                raise tarfile.ReadError(f"no header after {self._members} members, at byte {stream.tell() - _BLOCK}")
            stream.read_to_end()  # which is how the checksum at the end is checked

    def _check_holds_tar(self, file: IO[bytes], kind: str) -> None:
        """Tells a file that is packed alone from a damaged archive."""
        head = file.read(_BLOCK)
        file.seek(0)
        try:
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            if any(head):  # else it is an empty archive, which is told later
                raise InputError(
                    f"{self.shown} holds no tar: it is {kind} of a single file, which starts with {head[:16]!r}",
                    hint="Unpack it and pack it anew: tar -czf model.tar.gz FILE",
                ) from None

    def _add_tar_member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = self._parts_of(member.name)
        if member.isdir():
            self._add_folder(parts)
        elif member.isreg():
            self._check_size(member.size)
            source = tar.extractfile(member)
            assert source is not None  # noqa: S101
            with source:
                self._add_file(parts, source)
        elif member.issym() or member.islnk():
            self._add_link(_Link(parts, member.linkname, member.islnk()))
        else:
            raise harmful(self.shown, f"{member.name!r}, a device, a pipe or another special file")

    def unpack_zip(self) -> None:
        _check_zip_directory(self._archive)
        with zipfile.ZipFile(self._archive) as archive:
            for member in archive.infolist():
                # Windows programs write its own separator.
                parts = self._parts_of(member.filename.replace("\\", "/"))
                mode = member.external_attr >> 16
                if member.is_dir():
                    self._add_folder(parts)
                elif stat.S_ISLNK(mode):
                    with archive.open(member) as source:
                        text = source.read(_MAX_LINK_BYTES).decode("utf-8", "surrogateescape")
                    self._add_link(_Link(parts, text, is_hard=False))
                elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                    self._check_size(member.file_size)
                    with archive.open(member) as source:
                        self._add_file(parts, source)
                else:
                    raise harmful(self.shown, f"{member.filename!r}, a device, a pipe or another special file")

    def _parts_of(self, name: str) -> tuple[str, ...]:
        self._members += 1
        if self._members > self._limits.members:
            raise InputError(f"{self.shown} holds more than {self._limits.members} files: expected one model")
        return parts_of_name(name, self.shown)

    def _add_folder(self, parts: tuple[str, ...]) -> None:
        try:
            self._target.joinpath(*parts).mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise self._twice(parts) from None

    def _add_file(self, parts: tuple[str, ...], source: _Readable) -> None:
        self._add_folder(parts[:-1])
        path = self._target.joinpath(*parts)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except (FileExistsError, IsADirectoryError):
            raise self._twice(parts) from None
        with os.fdopen(descriptor, "wb") as file:
            while piece := source.read(_CHUNK_BYTES):
                self._check_size(len(piece))
                self._size_bytes += len(piece)
                file.write(piece)

    def _check_size(self, more_bytes: int) -> None:
        """Raises where so many bytes more are too many."""
        size_bytes, limits = self._size_bytes + more_bytes, self._limits
        if size_bytes > limits.size_bytes:
            raise InputError(f"{self.shown} unpacks to more than the limit of {limits.size_bytes} bytes")
        if size_bytes > max(limits.ratio_from_bytes, limits.ratio * self._packed_bytes):
            raise InputError(
                f"{self.shown} unpacks to more than {limits.ratio} times its size: no model does",
                hint="If that is right, unpack it yourself, and serve the folder.",
            )
        check_room(self._target, more_bytes, self.shown)

    def _add_link(self, link: _Link) -> None:
        self._links.append(link)
        if len(self._links) > self._limits.links:
            raise InputError(f"{self.shown} holds more than {self._limits.links} links: expected one model")

    def make_links(self) -> None:
        """Makes the links, once all else is there: nothing is ever written through one."""
        waiting = self._links
        while waiting:
            left = [link for link in waiting if not self._make_link(link)]
            if len(left) == len(waiting):
                raise InputError(f"{self.shown}: the link {_name(left[0])} leads nowhere", hint=_REPACK)
            waiting = left

    def _make_link(self, link: _Link) -> bool:
        """Makes a link, if what it leads to is there already."""
        self._add_folder(link.parts[:-1])
        path = self._target.joinpath(*link.parts)
        root = os.path.realpath(self._target)
        # Where the system itself would end up, through the links that are there.
        end = Path(os.path.realpath(Path(root if link.is_hard else path.parent, link.target)))
        if link.target.startswith("/") or not end.is_relative_to(root):
            raise harmful(self.shown, f"the link {_name(link)} to {shortened(link.target)}, which leads out of it")
        if not end.exists():
            return False
        try:
            if link.is_hard:
                path.hardlink_to(end)
            else:
                path.symlink_to(link.target)
        except (FileExistsError, PermissionError):  # the latter for a hard link to a folder
            raise self._twice(link.parts) from None
        return True

    def _twice(self, parts: tuple[str, ...]) -> InputError:
        return InputError(f"{self.shown} holds {shortened('/'.join(parts))} twice", hint=_REPACK)


class _Forward:
    """A stream that tarfile reads, forward only, and without ever taking much into memory at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._position = 0
        self.last_block = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.HeaderError(f"a header of {size} bytes")
        data = self._file.read(size)
        self._position += len(data)
        if size == _BLOCK:
            self.last_block = data
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        if position < self._position:
            raise tarfile.StreamError(f"a header that leads back, to byte {position}")
        while self._position < position:
            if not self.read(min(position - self._position, _CHUNK_BYTES)):
                raise tarfile.ReadError("unexpected end of data")

    def read_to_end(self) -> None:
        end = self._position + _MAX_AFTER_END_BYTES
        while self.read(_CHUNK_BYTES):
            if self._position > end:
                raise tarfile.ReadError(f"more than {_MAX_AFTER_END_BYTES} bytes after the archive's end")


def _check_zip_directory(path: Path) -> None:
    """Refuses a zip whose list of files is so long that reading it would fill the memory."""
    tail_bytes = (1 << 16) + 22
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - tail_bytes - 20))
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        directory_bytes = struct.unpack_from("<I", tail, at + 12)[0] if 0 <= at <= len(tail) - 22 else 0
        locator = tail.rfind(b"PK\x06\x07", 0, max(at, 0))
        if directory_bytes == 0xFFFFFFFF and locator >= 0:  # zip64: the size stands elsewhere
            file.seek(struct.unpack_from("<Q", tail, locator + 8)[0] + 40)
            directory_bytes = struct.unpack("<Q", file.read(8))[0]
    if directory_bytes > _MAX_DIRECTORY_BYTES:
        raise zipfile.BadZipFile(f"a list of files of {directory_bytes} bytes")


def _name(link: _Link) -> str:
    return shortened("/".join(link.parts))
