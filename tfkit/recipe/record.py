"""What a run of a recipe left behind, by content: so that the next run does only what has changed.

A step is up to date where its settings, the files that it read, what the steps before it wrote and tfkit's version are
as they were, and the files that it wrote are there unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tfkit import __version__
from tfkit.errors import InputError, MissingError
from tfkit.warmup.files import write_warmup

RECORD = "record.json"


class Record:
    """The record of a recipe's steps, in the folder that they write into.

    Args:
        folder: The folder; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steps = self._read()

    def outcome(self, step: str, key: str) -> dict[str, Any] | None:
        """What a step gave when it was done with this key; ``None`` if it was not, or its files have changed."""
        entry = self._steps.get(step)
        if not isinstance(entry, dict) or entry.get("key") != key:
            return None
        files, outcome = entry.get("files"), entry.get("outcome")
        if not isinstance(files, dict) or not isinstance(outcome, dict):
            return None
        return outcome if dict(_digests(self._folder, files)) == files else None

    def keep(self, step: str, key: str, places: Iterable[Path], outcome: Mapping[str, Any]) -> None:
        """Keeps what a step gave, and the checksums of what it wrote."""
        files = {name: digest for place in places for name, digest in digests_below(place, self._folder).items()}
        self._steps[step] = {"key": key, "files": files, "outcome": dict(outcome)}
        text = json.dumps(self._steps, indent=1, sort_keys=True)
        write_warmup(self._folder / RECORD, f"{text}\n".encode(), force=True)

    def written(self, step: str) -> dict[str, str]:
        """The checksums of what a step wrote, by path."""
        return dict(self._steps[step]["files"])

    def _read(self) -> dict[str, Any]:
        """The record as it is; a damaged one is none, and everything is done again."""
        try:
            steps = json.loads((self._folder / RECORD).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return steps if isinstance(steps, dict) else {}


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
    parts = {"tfkit": __version__, "settings": settings, "files": read, "before": before}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def files_of(model: Path) -> tuple[Path, ...]:
    """The files of a source: itself, or all those of a checkpoint that it names by prefix, or by one of its files."""
    prefix = model if not model.exists() else model.with_suffix("") if model.suffix in (".meta", ".index") else None
    if prefix is None:
        return (model,)
    found = sorted(path for path in prefix.parent.glob(f"{glob_escape(prefix.name)}.*") if path.is_file())
    return tuple(found) or (model,)


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
