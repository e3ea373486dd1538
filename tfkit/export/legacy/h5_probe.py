"""Reads a whole HDF5 file in a process of its own, to see whether HDF5's library survives it.

Damaged files make that library run in circles or crash, which would take the caller along. The process does what the
caller is about to do, within limits; what merely fails there fails in the same way for the caller.
"""

from __future__ import annotations

import math
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

_MOST_CPU_S = 10
_MOST_BYTES = 1 << 30
_UNUSED = "optimizer_weights"


def survives(path: Path) -> str:
    """What happens to a process that reads a file; empty if it comes to an end."""
    stat = path.stat()
    return _survives(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _survives(path: Path, *_: int) -> str:
    """The same, asked once for each state of a file."""
    command = [sys.executable, "-P", __file__, str(path.absolute())]
    code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode
    if code == -signal.SIGXCPU:
        return f"the HDF5 library comes to no end with it in {_MOST_CPU_S} s"
    return f"the HDF5 library crashes on it ({signal.Signals(-code).name})" if code < 0 else ""


def main() -> None:
    """Reads the file that is named on the command line."""
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import h5py

    with suppress(Exception), h5py.File(sys.argv[1], "r") as file:
        for thing in _things(h5py, file):
            with suppress(Exception):
                _read(h5py, thing)


def _things(h5py: Any, group: Any) -> Iterator[Any]:
    """A group and everything below it, each once; links out of the file are not followed."""
    pending, seen = [group], set()
    while pending:
        thing = pending.pop()
        yield thing
        if not isinstance(thing, h5py.Group):
            continue
        with suppress(Exception):
            for name in thing:
                if name == _UNUSED or not isinstance(thing.get(name, getlink=True), h5py.HardLink):
                    continue
                with suppress(Exception):
                    found = thing[name]
                    address = h5py.h5o.get_info(found.id).addr
                    if address not in seen:
                        seen.add(address)
                        pending.append(found)


def _read(h5py: Any, thing: Any) -> None:
    for name in thing.attrs:
        with suppress(Exception):
            thing.attrs[name]
    # Values that lie in one piece are copied; those in chunks are looked up and decompressed.
    if isinstance(thing, h5py.Dataset) and thing.chunks is not None and not thing.is_virtual:
        most = max(math.prod(thing.shape), math.prod(thing.chunks))
        if most * thing.dtype.itemsize <= _MOST_BYTES:
            thing[()]


if __name__ == "__main__":
    main()
