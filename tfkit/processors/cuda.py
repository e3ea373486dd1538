"""Finds the libraries of CUDA that a GPU build of TensorFlow opens by their names.

Looked for in this order: ``LD_LIBRARY_PATH``; the ``nvidia-*`` packages of this Python, as PyPI has them; the folders
of an installed CUDA (``CUDA_HOME``, ``CUDA_PATH``, ``/usr/local/cuda*``); what the loader's cache lists; the system's
own folders. Nothing is loaded.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tfkit.errors import InputError
from tfkit.processors.catalogue import Processor
from tfkit.processors.elf import needed_libraries

DRIVER = "libcuda.so.1"
"""Comes with the driver of the card, not with CUDA."""

_CACHE = Path("/etc/ld.so.cache")
_LDCONFIG_S = 10
# libcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1; without a machine it is one for 32 bits.
_CACHED = re.compile(r"^\s*(\S+) \(([^)]*(?:x86-64|AArch64)[^)]*)\) => (\S+)$", re.MULTILINE)
_SYSTEM_FOLDERS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/usr/lib/wsl/lib",  # the driver's libraries under WSL
    "/usr/local/nvidia/lib64",  # the driver's in Kubernetes nodes of some clouds
)


@dataclass(frozen=True, slots=True)
class CudaLibraries:
    """What a search for a processor's CUDA libraries found.

    Attributes:
        found: Names and files, in the order in which to load them.
        missing: The names that were found nowhere.
        searched: Where they were looked for: folders, and the loader's cache.
    """

    found: tuple[tuple[str, Path], ...]
    missing: tuple[str, ...]
    searched: tuple[Path, ...]

    def explain(self) -> str:
        """A sentence that names what is missing and where it was looked for; empty if nothing is."""
        if not self.missing:
            return ""
        return f"{', '.join(self.missing)} not found in {', '.join(map(str, self.searched)) or 'any folder'}"


def find_cuda(processor: Processor) -> CudaLibraries:
    """Looks for the CUDA libraries that a processor needs to use a card.

    Args:
        processor: Of the catalogue; one for the CPU needs none.
    """
    if not processor.cuda:
        return CudaLibraries((), (), ())
    folders = tuple(dict.fromkeys(folder for folder in _folders() if folder.is_dir()))
    cached = _loader_cache()
    system = tuple(Path(folder) for folder in _SYSTEM_FOLDERS if Path(folder).is_dir())
    found, missing = [], []
    for name in processor.cuda:
        places = (*(folder / name for folder in folders), *cached.get(name, ()), *(folder / name for folder in system))
        path = next((place for place in places if _fits(place, processor.cuda)), None)
        if path is None:
            missing.append(name)
        else:
            found.append((name, path))
    return CudaLibraries(tuple(found), tuple(missing), (*folders, _CACHE, *system))


def missing_advice(processor: Processor, cuda: CudaLibraries) -> str:
    """How to get the CUDA libraries that a search did not find; empty if it found all."""
    driver = "Install the driver of the card." if DRIVER in cuda.missing else ""
    others = processor.cuda_advice if set(cuda.missing) - {DRIVER} else ""
    return " ".join(filter(None, (driver, others)))


def _fits(path: Path, wanted: tuple[str, ...]) -> bool:
    """Whether a library is there, and is linked to none of the wanted libraries in another version.

    CUDA 11 and 12 both have a ``libcusolver.so.11``, and each needs the cuBLAS of its own.
    """
    try:
        needed = needed_libraries(path)
    except (OSError, InputError):
        return False
    stems = {_stem(name) for name in wanted}
    return all(name in wanted or _stem(name) not in stems for name in needed)


def _stem(name: str) -> str:
    return name.partition(".so")[0]


def _folders() -> Iterator[Path]:
    """The folders that the user chose, those of packages, and those of an installed CUDA; they need not exist."""
    for folder in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder)
    nvidia = find_spec("nvidia")  # a namespace: one folder in each of Python's that has such packages
    for location in (nvidia.submodule_search_locations if nvidia else None) or ():
        yield from sorted(Path(location).glob("*/lib"))
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if home := os.environ.get(variable):
            yield Path(home) / "lib64"
    yield from sorted(Path("/usr/local").glob("cuda*/lib64"))


def _loader_cache() -> dict[str, list[Path]]:
    """The libraries for 64 bits that the loader knows by name; none where there is no such cache (Alpine, NixOS)."""
    command = shutil.which("ldconfig", path=f"{os.environ.get('PATH', os.defpath)}:/sbin:/usr/sbin")
    if command is None:
        return {}
    return _listed_by(command)


@cache
def _listed_by(ldconfig: str) -> dict[str, list[Path]]:
    import subprocess  # not needed to ask for a card

    try:
        listed = subprocess.run(
            [ldconfig, "-p"], capture_output=True, text=True, errors="replace", timeout=_LDCONFIG_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    known: dict[str, list[Path]] = {}
    for name, _, path in _CACHED.findall(listed.stdout):
        known.setdefault(name, []).append(Path(path))
    return known


def has_card() -> bool:
    """Whether this machine has an NVIDIA card that its driver knows; also under WSL."""
    folders = ((Path("/proc/driver/nvidia/gpus"), "*"), (Path("/dev"), "nvidia[0-9]*"), (Path("/dev"), "dxg"))
    return any(any(folder.glob(pattern)) for folder, pattern in folders)
