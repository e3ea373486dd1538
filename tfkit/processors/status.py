"""What of the processors is installed here, what each lacks, and on which devices it can run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.errors import MissingError
from tfkit.processors.catalogue import Processor, all_processors
from tfkit.processors.cuda import CudaLibraries, find_cuda, has_card, missing_advice
from tfkit.processors.libraries import LibraryPaths, check_library, check_platform, find_library, library_paths


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """How it stands with one processor on this machine.

    Attributes:
        processor: Which.
        folder: Where its library lies; none if it is not installed.
        size_bytes: What it takes on disk.
        damage: Why what is installed cannot be used; empty if it can, or if nothing is installed.
        runs_on: The devices that it can use here, now or once it is installed: ``gpu``, ``cpu``, both or neither.
        reason: Why it cannot run here, or not on the device that it is built for; empty if it can.
        advice: What to do about that, where something can be done.
        cuda: Its CUDA libraries, and where they were looked for.
    """

    processor: Processor
    folder: Path | None
    size_bytes: int
    damage: str
    runs_on: tuple[str, ...]
    reason: str
    advice: str
    cuda: CudaLibraries

    @property
    def installed(self) -> bool:
        """Whether its library is there and whole."""
        return self.folder is not None and not self.damage

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON has it."""
        wheel = self.processor.wheel
        return {
            "name": self.processor.name,
            "tensorflow": self.processor.tensorflow,
            "device": self.processor.device,
            "installed": self.installed,
            "path": str(self.folder) if self.folder else None,
            "size_bytes": self.size_bytes,
            "download_bytes": wheel.size_bytes if wheel else None,
            "damage": self.damage,
            "runs_on": list(self.runs_on),
            "reason": self.reason,
            "cuda": list(self.processor.cuda),
            "missing_cuda": list(self.cuda.missing),
            "advice": self.advice,
            "searched": [str(each) for each in self.cuda.searched],
        }


def list_runtimes(*, verify: bool = False) -> tuple[RuntimeStatus, ...]:
    """How it stands with each processor of EAS and the installed TensorFlow; none is started.

    Args:
        verify: Read what is installed and compare checksums, instead of sizes only: up to some seconds.

    >>> list_runtimes()[-1].processor.name
    'installed'
    """
    return tuple(runtime_status(processor, verify=verify) for processor in all_processors())


def runtime_status(processor: Processor, *, verify: bool = False) -> RuntimeStatus:
    """How it stands with one processor.

    Args:
        processor: Of the catalogue.
        verify: As in ``list_runtimes``.
    """
    cuda = find_cuda(processor)
    runs_on, reason, advice = _devices(processor, cuda)
    folder, size, damage = None, 0, ""
    if processor.wheel is None:
        try:
            paths = find_library()
            folder, size = paths.c_api.parent, _size(paths)
        except MissingError as error:
            runs_on, reason, advice = (), error.message, error.hint
    elif (paths := library_paths(processor)).c_api.parent.is_dir():
        folder, size, damage = paths.c_api.parent, _size(paths), _damage(processor, verify=verify)
    return RuntimeStatus(processor, folder, size, damage, runs_on, reason, advice, cuda)


def _damage(processor: Processor, *, verify: bool) -> str:
    try:
        check_library(processor, thorough=verify)
    except MissingError as error:
        return error.message
    return ""


def _size(paths: LibraryPaths) -> int:
    return sum(path.stat().st_size for path in (paths.framework, paths.c_api) if path.is_file())


def _devices(processor: Processor, cuda: CudaLibraries) -> tuple[tuple[str, ...], str, str]:
    """The devices that a processor can use here, why not those it is built for, and what to do about that."""
    try:
        check_platform(processor)
    except MissingError as error:
        return (), error.message, error.hint
    if processor.device == "cpu":
        return ("cpu",), "", ""
    lacking, advice = [], missing_advice(processor, cuda)
    if not has_card():
        lacking.append("this machine has no NVIDIA card")
        advice = ""
    if cuda.missing:
        lacking.append(f"not found: {', '.join(cuda.missing)}")
    reason = "; ".join(lacking)
    if cuda.missing and processor.links_cuda:
        return (), f"it does not load without CUDA: {reason}", advice
    return (("cpu",), reason, advice) if lacking else (("gpu", "cpu"), "", "")
