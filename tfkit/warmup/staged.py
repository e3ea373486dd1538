"""Writes several files into a folder together: all of them are put in place once all are written."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tfkit.errors import InputError, MissingError, UsageError


@contextmanager
def staged_files(
    folder: Path, *, force: bool, last: str, stale: Collection[str] = (), sources: Collection[Path] = ()
) -> Iterator[Path]:
    """A new folder beside one, whose files are moved into it once the block has written them.

    Args:
        folder: Where they go; made if it is not there.
        force: Replace files that are there already.
        last: The file that names the others, which is moved last.
        stale: The names of files there that go, once the new ones have come, unless one of these has its name.
        sources: The files that the new ones are made of, links followed, none of which is to be replaced or to go.

    Raises:
        UsageError: One of the files is there already, and ``force`` was not given, or it is one of the sources.
        InputError: The folder's parent does not exist, a file stands in its place, or one of the files cannot come as
            there is a folder or anything else in its place.
        MissingError: It cannot be written: no permission, no space.
    """
    target = Path(os.path.realpath(folder))
    staged = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        if not target.parent.is_dir():
            raise InputError(f"{folder} cannot be written: there is no folder {target.parent}")
        if target.exists() and not target.is_dir():
            raise InputError(f"{folder} is a file: expected a folder, or a place for one")
        staged.mkdir()
        yield staged
        names = [file.relative_to(staged) for file in sorted(staged.rglob("*")) if file.is_file()]
        _check_apart(target, (*names, *stale), sources)
        _check_places(target, names, force=force)
        for name in sorted(names, key=lambda name: name == Path(last)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(target / name)
        for left in set(stale) - set(map(str, names)):
            (target / left).unlink(missing_ok=True)
    except OSError as error:
        raise MissingError(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _check_apart(target: Path, names: Sequence[Path | str], sources: Collection[Path]) -> None:
    for name in names:
        if Path(os.path.realpath(target / name)) in sources:
            raise UsageError(f"{target / name} is where the requests come from", hint="Write to another folder.")


def _check_places(target: Path, names: Sequence[Path], *, force: bool) -> None:
    """Refuses files that cannot come, before the first of them does."""
    for name in names:
        for above in (target / each for each in name.parents[:-1]):
            if os.path.lexists(above) and not above.is_dir():
                raise InputError(f"{above} is a file: expected a folder, or a place for one")
        place = target / name
        if not os.path.lexists(place):
            continue
        if not place.is_file():
            raise InputError(f"{place} is no regular file: expected one, or a place for one")
        if not force:
            raise UsageError(f"{place} exists already", hint="Write to another folder, or replace it with --force.")
