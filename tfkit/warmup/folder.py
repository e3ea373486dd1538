"""A folder of requests: one ``.bin`` file each, and ``manifest.json``, which says what each of them is.

``warmup-gen`` writes several warm-up files this way, and ``serve --record`` what it saw, so that what was recorded can
be replayed, linted and compared as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.messages import decode_request
from tfkit.errors import InputError, MissingError, UsageError
from tfkit.inputs.options import load_json
from tfkit.warmup.files import read_warmup_body, write_file
from tfkit.warmup.form import RequestForm
from tfkit.warmup.staged import staged_files

MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """One file of a folder of requests.

    Attributes:
        file: Its name in the folder.
        form: The form of the request in it.
        size_bytes: Its size.
        sha256: Its checksum.
        requests: How many requests of this form were seen; 0 for one that was made.
    """

    file: str
    form: RequestForm
    size_bytes: int
    sha256: str
    requests: int = 0

    @classmethod
    def describe(cls, file: str, data: bytes, requests: int = 0) -> StoredRequest:
        """What the manifest says of a serialized request; raises ``MessageError`` if it is none."""
        form = RequestForm.of(decode_request(data))
        return cls(file, form, len(data), hashlib.sha256(data).hexdigest(), requests)

    def as_dict(self) -> dict[str, Any]:
        """The entry of the manifest."""
        entry = {"file": self.file, **self.form.as_dict(), "size_bytes": self.size_bytes, "sha256": self.sha256}
        return entry | ({"requests": self.requests} if self.requests else {})


def write_manifest(folder: Path, requests: Iterable[StoredRequest], *, force: bool = True) -> None:
    """Writes the manifest of a folder whose files are there; raises as ``write_file`` does."""
    text = json.dumps({"requests": [each.as_dict() for each in requests]}, indent=2)
    write_file(folder / MANIFEST, f"{text}\n".encode(), force=force)


def write_folder(
    folder: Path, files: Mapping[str, bytes], *, requests: Mapping[str, int] | None = None, force: bool
) -> None:
    """Writes a folder of requests, all of it or nothing.

    Args:
        folder: Where to; made if it is not there.
        files: Serialized requests by the names of their files.
        requests: How many of each were seen.
        force: Replace a folder of requests that is there already.

    Raises:
        TfkitError: As ``staged_requests`` does.
    """
    with staged_requests(folder, force=force) as staged:
        for name, data in files.items():
            (staged / name).write_bytes(data)
        counts = requests or {}
        write_manifest(
            staged, (StoredRequest.describe(name, data, counts.get(name, 0)) for name, data in files.items())
        )


def staged_requests(folder: Path, *, force: bool, sources: Collection[Path] = ()) -> AbstractContextManager[Path]:
    """A new folder beside one, for files of requests and their manifest, which are moved into it in the end.

    What an earlier manifest there names, and is as it was written, goes; all else in the folder stays.

    Args:
        folder: Where they go; made if it is not there.
        force: Replace a folder of requests that is there already.
        sources: The files that the requests come from, links followed, none of which is to be replaced or to go.

    Raises:
        UsageError: A manifest or one of the files is there already, and ``force`` was not given, or it is a source.
        InputError: The folder's parent does not exist, something else stands in its place or in that of a file, or its
            ``manifest.json`` is another program's, or that of an export.
        MissingError: It cannot be written: no permission, no space.
    """
    stale = _own_files(folder, force=force)
    return staged_files(folder, force=force, last=MANIFEST, stale=stale, sources=sources)


def read_folder(folder: Path) -> tuple[StoredRequest, ...]:
    """What a folder of requests holds; the files are read, for a manifest may be out of date.

    Raises:
        InputError: There is no manifest, a damaged one, or a file that it names is missing or is not beside it.
        MessageError: A file holds no request.
    """
    path = folder / MANIFEST
    return tuple(_read_entry(folder, path, entry) for entry in _read_entries(path))


def request_files(place: Path) -> tuple[Path, ...]:
    """The files of requests that a path stands for: itself, or those that a folder's manifest names, in its order.

    Raises:
        InputError: It is a folder without a manifest, with a damaged one, or with one that names no file.
    """
    files = listed_files(place)
    if not files:
        raise InputError(
            f"{place} holds no requests", hint="Record some first: tfkit serve MODEL --record FOLDER, or tfkit record."
        )
    return files


def listed_files(place: Path) -> tuple[Path, ...]:
    """As ``request_files``, but for a folder that holds none yet, as a record's does at first."""
    if not place.is_dir():
        return (place,)
    return tuple(_beside(place, place / MANIFEST, entry) for entry in _read_entries(place / MANIFEST))


def _own_files(folder: Path, *, force: bool) -> tuple[str, ...]:
    """The files that were written with a folder's manifest; raises as ``staged_requests`` does."""
    path = folder / MANIFEST
    if not os.path.lexists(path):
        return ()
    try:
        entries = _read_entries(path)
    except InputError:
        raise InputError(
            f"{path} exists and is no manifest of requests: it is never replaced", hint="Choose another folder."
        ) from None
    if not force:
        raise UsageError(f"{path} exists already", hint="Write to another folder, or replace it with --force.")
    return tuple(_beside(folder, path, entry).name for entry in entries if _is_as_written(folder, path, entry))


def _is_as_written(folder: Path, path: Path, entry: dict[str, Any]) -> bool:
    """Whether the file of an entry is there, and the one that was written: who changed it may want to keep it."""
    file = _beside(folder, path, entry)
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size != entry.get("size_bytes"):
            return False
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == entry.get("sha256")
    except OSError as error:
        raise MissingError(f"{file} cannot be read: {error.strerror or error}") from None


def _read_entry(folder: Path, path: Path, entry: dict[str, Any]) -> StoredRequest:
    file = _beside(folder, path, entry)
    requests = entry.get("requests", 0)
    if not isinstance(requests, int):
        raise InputError(f'{path}: "requests" of {file.name} is {requests!r}: expected a number')
    return StoredRequest.describe(file.name, read_warmup_body(file), requests)


def _beside(folder: Path, path: Path, entry: dict[str, Any]) -> Path:
    name = entry.get("file")
    # What is printable holds neither NUL nor lone surrogates, as no file's name can.
    if not isinstance(name, str) or not name or Path(name).name != name or not name.isprintable():
        raise InputError(f'{path}: "file" is {name!r}: expected the name of a file beside it')
    return folder / name


def _read_entries(path: Path) -> list[dict[str, Any]]:
    hint = "`tfkit warmup-gen` and `tfkit serve --record` write such folders."
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise InputError(f"{path} is too large for a manifest", hint=hint)
        manifest = load_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path.parent} is no folder of requests: it has no {path.name}", hint=hint) from None
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=hint) from None
    entries = manifest.get("requests") if isinstance(manifest, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f'{path} has no list "requests" of objects', hint=hint)
    return entries
