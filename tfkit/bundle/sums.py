"""``SHA256SUMS``: a checksum for every file of a folder, as ``sha256sum --check`` reads them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

SUMS = "SHA256SUMS"
_MAX_BYTES = 64 << 20
# Coreutils: a checksum, a space, a space or an asterisk (for binary mode), the name.
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write_sums(folder: Path) -> dict[str, str]:
    """Writes the checksums of all files in a folder, sorted by name; returns them by name."""
    sums = {name: _sum(folder / name) for name in _names(folder)}
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (folder / SUMS).write_text(text, encoding="utf-8")
    return sums


def sums_problems(folder: Path) -> Iterator[str]:
    """What is wrong with the files of a folder by its checksums: changed, gone, added, or no plain file."""
    try:
        listed = _read(folder / SUMS)
    except FileNotFoundError:
        yield f"{SUMS} is missing"
        return
    except (OSError, ValueError) as error:
        yield f"{SUMS} cannot be read: {error}"
        return
    there = set(_names(folder))
    yield from (f"{name} is not in {SUMS}" for name in sorted(there - listed.keys()))
    for name, digest in listed.items():
        path = folder / name
        if name not in there:
            yield f"{name} is missing"
        elif path.is_symlink() or not path.is_file():
            yield f"{name} is no plain file"
        elif problem := _problem(path, digest):
            yield f"{name} {problem}"


def _problem(path: Path, digest: str) -> str:
    try:
        return "" if _sum(path) == digest else "was changed: its checksum is another"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _read(path: Path) -> dict[str, str]:
    """The checksums by name; raises ``ValueError`` with the line that is none."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no plain file")
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES} bytes")
    listed: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in listed:
            raise ValueError(f"line {number} is no checksum of another file")
        listed[match[2]] = match[1]
    return listed


def _names(folder: Path) -> list[str]:
    """All that is no folder, at any depth, but the list of checksums itself."""
    found = [
        str(Path(place, name).relative_to(folder))
        for place, folders, files in os.walk(folder)
        for name in (*files, *(each for each in folders if Path(place, each).is_symlink()))
    ]
    return sorted(name for name in found if name != SUMS)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
