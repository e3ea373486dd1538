"""Where the C library of a processor lies once it is installed, and whether it is whole."""

from __future__ import annotations

import hashlib
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from tfkit.errors import MissingError, UsageError
from tfkit.processors.catalogue import INSTALLED, LibraryFile, Processor, Wheel, find_processor
from tfkit.processors.home import tfkit_home
from tfkit.processors.installed import installed_tensorflow

# libtensorflow_framework and the library that holds the C API, in the wheels of current TensorFlows.
_INSTALLED_NAMES = {
    "Linux": ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"),
    "Darwin": ("libtensorflow_framework.2.dylib", "libtensorflow_cc.2.dylib"),
}


@dataclass(frozen=True, slots=True)
class LibraryPaths:
    """The two files of a TensorFlow's C library."""

    framework: Path
    c_api: Path


def find_library(processor: str = INSTALLED) -> LibraryPaths:
    """The C library of a processor, found without loading it.

    Args:
        processor: One of EAS's processors, or ``installed``.

    Raises:
        UsageError: No processor has that name.
        MissingError: It is not installed, is damaged, or cannot be had on this platform.
    """
    if processor == INSTALLED:
        return _installed_library()
    return check_library(find_processor(processor))


def runtimes_folder() -> Path:
    """Where runtimes are installed, each in a folder of its processor's name."""
    return tfkit_home() / "runtimes"


def library_paths(processor: Processor) -> LibraryPaths:
    """Where the C library of one of EAS's processors lies, if it is installed."""
    folder = runtimes_folder() / processor.name
    wheel = wheel_of(processor)
    return LibraryPaths(folder / wheel.framework.name, folder / wheel.c_api.name)


def wheel_of(processor: Processor) -> Wheel:
    """What a processor is installed from.

    Raises:
        UsageError: It is the installed TensorFlow, which pip installs and removes.
    """
    if processor.wheel is None:
        raise UsageError(
            f"{processor.name!r} is the TensorFlow in this Python, not a runtime that tfkit installs",
            hint="python -m pip installs and removes it.",
        )
    return processor.wheel


def check_platform(processor: Processor) -> None:
    """Raises ``MissingError`` where no wheel of a processor's TensorFlow is for this platform."""
    if refusal := processor.refusal(platform.system(), platform.machine()):
        raise MissingError(refusal, hint=f"Use the processor {INSTALLED!r} here, or a Linux machine.")


def check_library(processor: Processor, *, thorough: bool = False) -> LibraryPaths:
    """Makes sure that the library of one of EAS's processors is there and whole.

    Args:
        processor: One of EAS's.
        thorough: Read both files and compare their checksums, not only their sizes: a second or two.

    Raises:
        MissingError: It is not installed, is damaged, or cannot be had on this platform.
    """
    check_platform(processor)
    install = f"tfkit runtime install {processor.name}"
    paths = library_paths(processor)
    if not paths.c_api.parent.is_dir():
        raise MissingError(f"{processor.name} is not installed in {runtimes_folder()}", hint=f"Run: {install}")
    wheel = wheel_of(processor)
    for path, file in ((paths.framework, wheel.framework), (paths.c_api, wheel.c_api)):
        if damage := _damage(path, file, thorough=thorough):
            raise MissingError(f"{path}: {damage}", hint=f"Run: {install} --force")
    return paths


def is_installed(processor: Processor) -> bool:
    """Whether the library of one of EAS's processors is there and whole, by its files' sizes."""
    try:
        check_library(processor)
    except MissingError:
        return False
    return True


def _damage(path: Path, file: LibraryFile, *, thorough: bool) -> str:
    if not path.is_file():
        return "not there, though the runtime was installed"
    size = path.stat().st_size
    if size != file.size_bytes:
        return f"damaged: {size} bytes, not the {file.size_bytes} that were installed"
    if thorough:
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != file.installed_sha256:
            return f"damaged: its SHA-256 is {found}, not {file.installed_sha256}"
    return ""


def _installed_library() -> LibraryPaths:
    found = installed_tensorflow()
    if found is None:
        raise MissingError(
            f"TensorFlow is not installed in {sys.prefix}", hint="Install it there: python -m pip install tensorflow"
        )
    names = _INSTALLED_NAMES.get(platform.system())
    if names is None:
        raise MissingError(
            f"tfkit does not know TensorFlow's C library for {platform.system()}",
            hint="It runs TensorFlow's wheels for Linux and macOS: serve in a Linux machine.",
        )
    paths = LibraryPaths(found.folder / names[0], found.folder / names[1])
    for path in (paths.framework, paths.c_api):
        if not path.exists():
            raise MissingError(
                f"{path}: not found, though TensorFlow is installed in {found.folder}",
                hint="Install a wheel of TensorFlow that has it: python -m pip install --force-reinstall tensorflow",
            )
    return paths
