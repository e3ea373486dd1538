"""The processors that EAS offers, and the TensorFlow installed beside tfkit, which tfkit serves as one more.

What is known of each is data: ``catalogue.toml``, which also says how to add a version.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.errors import UsageError, nearest
from tfkit.processors.installed import installed_tensorflow

ALL = "all"  # what users call every one of EAS's
INSTALLED = "installed"

_SYSTEM, _MACHINES = "Linux", ("x86_64", "amd64")
_SYSTEM_NAMES = {"Darwin": "macOS"}


@dataclass(frozen=True, slots=True)
class LibraryFile:
    """A library inside a wheel, and on disk once it is installed.

    Attributes:
        member: Its path in the wheel.
        size_bytes: Its size, the same on disk.
        sha256: Of its bytes in the wheel.
        installed_sha256: Of its bytes on disk: those of a library that had to be made loadable differ.
    """

    member: str
    size_bytes: int
    sha256: str
    installed_sha256: str

    @property
    def name(self) -> str:
        """Its file name, on disk as in the wheel."""
        return self.member.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that holds TensorFlow's C library.

    Attributes:
        filename: ``{project}-{version}-{python}-{abi}-{platform}.whl``, as PEP 427 has it.
        size_bytes: Its size.
        sha256: Of its bytes.
        framework: ``libtensorflow_framework``, which the other library needs.
        c_api: The library that holds the C API.
    """

    filename: str
    size_bytes: int
    sha256: str
    framework: LibraryFile
    c_api: LibraryFile

    @property
    def project(self) -> str:
        """The project's name, as requirements write it."""
        return self._part(0).replace("_", "-")

    @property
    def version(self) -> str:
        """TensorFlow's version."""
        return self._part(1)

    @property
    def python(self) -> str:
        """The tag of the Python it was made for: ``cp36``."""
        return self._part(2)

    @property
    def abi(self) -> str:
        """The tag of that Python's ABI: ``cp36m``."""
        return self._part(3)

    @property
    def platform(self) -> str:
        """The tag of its platform: ``manylinux1_x86_64``."""
        return self._part(4)

    @property
    def files(self) -> tuple[LibraryFile, ...]:
        """The libraries that are installed out of it."""
        return self.framework, self.c_api

    @property
    def installed_bytes(self) -> int:
        """What they take on disk."""
        return sum(file.size_bytes for file in self.files)

    def _part(self, index: int) -> str:
        return self.filename.removesuffix(".whl").split("-")[index]


@dataclass(frozen=True, slots=True)
class Processor:
    """A TensorFlow that serves models.

    Attributes:
        name: EAS's name for it, or ``installed``.
        tensorflow: Its version; of the installed one, empty where there is none.
        device: ``cpu`` or ``gpu``: what it is built for.
        wheel: What it is installed from; none for the installed one.
        cuda: The libraries of CUDA that it needs to use a card, the driver's first.
        links_cuda: It does not load at all without them.
        cuda_advice: How to get them.
    """

    name: str
    tensorflow: str
    device: str
    wheel: Wheel | None = None
    cuda: tuple[str, ...] = ()
    links_cuda: bool = False
    cuda_advice: str = ""

    @property
    def minor(self) -> tuple[int, int]:
        """The version without its patch: ``(1, 15)``; ``(0, 0)`` where there is none."""
        parts = self.tensorflow.split(".")
        return (int(parts[0]), int(parts[1])) if len(parts) > 1 else (0, 0)

    def refusal(self, system: str, machine: str) -> str:
        """Why it cannot be had on a platform; empty where it can.

        Args:
            system: As ``platform.system()`` says it.
            machine: As ``platform.machine()`` says it.

        >>> find_processor("tensorflow_cpu_1.15").refusal("Darwin", "arm64")
        "TensorFlow 1.15's wheels are for Linux on x86-64; this is macOS on arm64"
        >>> find_processor("tensorflow_cpu_1.15").refusal("Linux", "x86_64")
        ''
        """
        if self.wheel is None or (system == _SYSTEM and machine.lower() in _MACHINES):
            return ""
        major, minor = self.minor
        here = f"{_SYSTEM_NAMES.get(system, system)} on {machine}"
        return f"TensorFlow {major}.{minor}'s wheels are for Linux on x86-64; this is {here}"


def find_processor(name: str) -> Processor:
    """What is known of a processor.

    Args:
        name: One of ``PROCESSORS``, or ``installed``.

    Raises:
        UsageError: There is none of that name.
    """
    if name == INSTALLED:
        return _installed()
    if name not in _CATALOGUE:
        raise UsageError(f"no processor is named {name!r}", hint=nearest(name, (*PROCESSORS, INSTALLED)))
    return _CATALOGUE[name]


def select_processors(patterns: Iterable[str]) -> tuple[Processor, ...]:
    """Processors as users name them, in EAS's order.

    Args:
        patterns: Names, or patterns as the shell has them: ``tensorflow_cpu_*``; these and ``all`` stand for EAS's
            alone.

    Raises:
        UsageError: A pattern fits none.

    >>> [each.tensorflow for each in select_processors(["*_cpu_1.*"])]
    ['1.12.3', '1.14.0', '1.15.5']
    """
    wanted: set[str] = set()
    for name in patterns:
        pattern = "*" if name == ALL else name
        fitting = [INSTALLED] if pattern == INSTALLED else fnmatch.filter(PROCESSORS, pattern)
        if not fitting:
            raise UsageError(f"no processor is named {pattern!r}", hint=nearest(pattern, (*PROCESSORS, INSTALLED)))
        wanted.update(fitting)
    return tuple(find_processor(name) for name in (*PROCESSORS, INSTALLED) if name in wanted)


def all_processors() -> tuple[Processor, ...]:
    """Those of EAS in its order, then the installed TensorFlow.

    >>> [each.name for each in all_processors()][0::11]
    ['tensorflow_cpu_1.12', 'installed']
    """
    return (*_CATALOGUE.values(), _installed())


def _installed() -> Processor:
    """The TensorFlow installed in this Python; without a version where there is none."""
    found = installed_tensorflow()
    if found is None:
        return Processor(INSTALLED, "", "cpu")
    build = _DATA["installed_cuda"].get(found.cuda.partition(".")[0], {})
    return Processor(
        INSTALLED,
        found.version,
        "gpu" if found.cuda else "cpu",
        cuda=tuple(name.format(cudnn=found.cudnn.partition(".")[0]) for name in build.get("cuda", ())),
        cuda_advice=build.get("cuda_advice", ""),
    )


def _processor(entry: dict[str, Any]) -> Processor:
    given = entry["wheel"]
    wheel = Wheel(**{**given, "framework": _file(given["framework"]), "c_api": _file(given["c_api"])})
    return Processor(
        entry["name"],
        wheel.version,
        entry["device"],
        wheel,
        cuda=tuple(entry.get("cuda", ())),
        links_cuda=entry.get("links_cuda", False),
        cuda_advice=entry.get("cuda_advice", ""),
    )


def _file(entry: dict[str, Any]) -> LibraryFile:
    return LibraryFile(**{"installed_sha256": entry["sha256"], **entry})


_DATA = tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8"))
_CATALOGUE = {entry["name"]: _processor(entry) for entry in _DATA["processor"]}
PROCESSORS = tuple(_CATALOGUE)
"""The names of EAS's processors, in its order."""
