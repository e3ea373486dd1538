"""Writes several files into a folder together: all of them are put in place once all are written."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.errors import InputError, MissingError, UsageError


@contextmanager
def staged_files(folder: Path, *, force: bool, last: str, stale: Collection[str] = ()) -> Iterator[Path]:
    """A new folder beside one, whose files are moved into it once the block has written them.

    Args:
        folder: Where they go; made if it is not there.
        force: Replace files that are there already.
        last: The file that names the others, which is moved last.
        stale: The names of files there that go, once the new ones have come, unless one of these has its name.

    Raises:
        UsageError: One of the files is there already, and ``force`` was not given.
        InputError: The folder's parent does not exist, or a file stands in its place.
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
        for name in names:
            if (target / name).exists() and not force:
                raise UsageError(
                    f"{target / name} exists already", hint="Write to another folder, or replace it with --force."
                )
        for name in sorted(names, key=lambda name: name == Path(last)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(target / name)
        for left in set(stale) - set(map(str, names)):
            (target / left).unlink(missing_ok=True)
    except OSError as error:
        raise MissingError(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
