"""What a run of a recipe left behind, by content: so that the next run does only what has changed.

A step is up to date where its settings, the files that it read, what the steps before it wrote, and the versions of
tfkit and the installed TensorFlow are as they were, and the files that it wrote are there unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tfkit import __version__
from tfkit.errors import InputError, MissingError
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.warmup.files import write_file

RECORD = "record.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step.

    Attributes:
        text: In a line.
        exit_code: 0, or what the command ends with: 1 for a negative verdict.
        details: The report, as JSON has it.
        html: The report as a part of a page; empty if it has none.
    """

    text: str
    exit_code: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    html: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is kept of a step: what it depended on, the checksums of what it wrote, and what came of it."""

    key: str
    files: dict[str, str]
    outcome: Outcome


class Record:
    """The record of a recipe's steps, in the folder that they write into.

    Args:
        folder: The folder; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steps = self._read()

    def outcome(self, step: str, key: str) -> Outcome | None:
        """What a step gave when it was done with this key; ``None`` if it was not, or its files have changed."""
        entry = self._steps.get(step)
        if entry is None or entry.key != key:
            return None
        return entry.outcome if dict(_digests(self._folder, entry.files)) == entry.files else None

    def keep(self, step: str, key: str, written: Iterable[Path], outcome: Outcome) -> None:
        """Keeps what a step gave and the checksums of what it wrote; removes what only an earlier run of it wrote.

        Args:
            step: The step.
            key: What it depended on.
            written: The files that it wrote, and no others: some day they are removed.
            outcome: What it gave.

        Raises:
            InputError: One is not there.
            MissingError: One may not be read.
        """
        files = {name: digest for file in written for name, digest in digests_below(file, self._folder).items()}
        before = self._steps.get(step)
        if before is not None:
            self._remove({name: digest for name, digest in before.files.items() if name not in files})
        self._steps[step] = _Entry(key, files, outcome)
        self._write()

    def keep_only(self, steps: Collection[str]) -> None:
        """Forgets all other steps, and removes what they wrote."""
        gone = [name for name in self._steps if name not in steps]
        for name in gone:
            self._remove(self._steps.pop(name).files)
        if gone:
            self._write()

    def written(self, step: str) -> dict[str, str]:
        """The checksums of what a step wrote, by path."""
        return dict(self._steps[step].files)

    def _remove(self, files: Mapping[str, str]) -> None:
        """Removes files that are as they were written, and folders that are empty then."""
        folder = self._folder.resolve()
        for name, digest in files.items():
            path = folder / name
            if not path.resolve().is_relative_to(folder) or dict(_digests(folder, [name])) != {name: digest}:
                continue
            with suppress(OSError):  # a folder that holds something else stays
                path.unlink()
                for above in path.relative_to(folder).parents[:-1]:
                    (folder / above).rmdir()

    def _write(self) -> None:
        text = json.dumps({name: asdict(entry) for name, entry in self._steps.items()}, indent=1, sort_keys=True)
        write_file(self._folder / RECORD, f"{text}\n".encode(), force=True)

    def _read(self) -> dict[str, _Entry]:
        """The record as it is; a damaged one is none, and everything is done again."""
        try:
            return _ENTRIES.validate_json((self._folder / RECORD).read_bytes())
        except (OSError, ValueError):
            return {}


_ENTRIES = TypeAdapter(dict[str, _Entry])


def key_of(settings: Mapping[str, Any], files: Iterable[Path], before: Mapping[str, str]) -> str:
    """A checksum of all that a step depends on.

    Args:
        settings: Its settings.
        files: Files and folders that it reads.
        before: The checksums of what the steps before it wrote.

    Raises:
        InputError: A file is not there.
        MissingError: A file may not be read.
    """
    read = [digests_below(path, path.parent) for path in files]
    versions = {"tfkit": __version__, "tensorflow": find_processor(INSTALLED).tensorflow}
    parts = {"versions": versions, "settings": settings, "files": read, "before": before}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def files_of(model: Path) -> tuple[Path, ...]:
    """The files of a source: itself, or all those of a checkpoint that it names by prefix, or by one of its files."""
    prefix = model if not is_there(model) else model.with_suffix("") if model.suffix in (".meta", ".index") else None
    if prefix is None:
        return (model,)
    found = sorted(path for path in prefix.parent.glob(f"{glob_escape(prefix.name)}.*") if path.is_file())
    return tuple(found) or (model,)


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; one whose name is too long for any is not."""
    return os.path.exists(path)  # noqa: PTH110  # Path.exists raises where a name is too long


def glob_escape(name: str) -> str:
    """A name with nothing in it that a pattern would read as more than itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def digests_below(path: Path, base: Path) -> dict[str, str]:
    """The checksums of a file, or of all files of a folder, by their paths from ``base``.

    Raises:
        InputError: It is not there.
        MissingError: Something may not be read.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist")
    names = [path] if path.is_file() else sorted(_files(path))
    try:
        return {each.relative_to(base).as_posix(): _digest(each) for each in names}
    except OSError as error:
        raise MissingError(f"{error.filename or path} cannot be read: {error.strerror or error}") from None


def stamps_of(places: Iterable[Path]) -> dict[Path, tuple[int, ...]]:
    """What changes when a file is written, even with the content that it had: of every file at or below some places.

    Raises:
        MissingError: Something may not be read.
    """
    try:
        return {file: _stamp(file) for place in places for file in ([place] if place.is_file() else _files(place))}
    except OSError as error:
        raise MissingError(f"{error.filename} cannot be read: {error.strerror or error}") from None


def _stamp(file: Path) -> tuple[int, ...]:
    # The time of the last change, too: what is linked to a file that was there before has the rest from that.
    status = file.lstat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if Path(place, name).is_file())


def _digests(folder: Path, files: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in files:
        try:
            yield name, _digest(folder / name)
        except OSError:
            return


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
