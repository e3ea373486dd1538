"""Downloads a wheel with pip, as a subprocess: it knows the user's index, mirrors, proxy and credentials."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from tfkit.errors import InputError, MissingError, TfkitError
from tfkit.processors.catalogue import Wheel
from tfkit.processors.libraries import runtimes_folder

Progress = Callable[[str, int, int], None]
"""Is told a step (``download``, ``unpack``, ``wait``), the bytes done and the bytes in all, 0 where unknown."""

# With --progress-bar=raw, pip 24.1 and newer.
_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")
_SHOWN_LINES, _SHOWN_COLUMNS = 6, 200
_STOP_S = 5.0
_SAID, _LOG = "pip.stderr", "pip.log"

# What pip logs when it fails, in the order in which to look: without a network it also says that nothing matches.
_NO_SPACE = re.compile(r"no space left|disk quota exceeded|file too large", re.IGNORECASE)
_WRONG_HASH = re.compile(r"do not match the hashes", re.IGNORECASE)
_NO_WHEEL = re.compile(r"wheel .* is invalid", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"connection error|connection broken|connection aborted|max retries exceeded|timed out|proxyerror"
    r"|problem confirming the ssl certificate|network is unreachable|incompleteread|incomplete-download",
    re.IGNORECASE,
)
_NOT_THERE = re.compile(r"no matching distribution found|could not find a version", re.IGNORECASE)
_OLD_PIP = re.compile(r"no such option|invalid choice: 'raw'")


def fetch_wheel(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    """Has pip download a wheel.

    Args:
        wheel: Which.
        folder: An empty folder, for the wheel and for what pip needs meanwhile.
        progress: Is told how far it is.

    Returns:
        The wheel, in the folder; its checksum is not compared here.

    Raises:
        MissingError: There is no pip, no network, no room, or the index has no such wheel.
        InputError: The index says itself that the file is not the one it lists.
    """
    if find_spec("pip") is None:
        raise MissingError(
            f"downloading needs pip, which is not installed in {sys.prefix}",
            hint="Install it there (uv pip install pip), or fetch the wheel elsewhere and use --from.",
        )
    progress("download", 0, wheel.size_bytes)
    code = _run_pip(wheel, folder, progress)
    path = folder / wheel.filename
    if code == 0 and path.is_file():
        return path
    said, log = ((folder / name).read_text(encoding="utf-8", errors="replace") for name in (_SAID, _LOG))
    if code == 0:
        said = f"pip downloaded {', '.join(each.name for each in folder.glob('*.whl')) or 'nothing'}"
    raise _failure(wheel, code, said, log)


def download_command(wheel: Wheel, folder: Path | str) -> list[str]:
    """The arguments with which pip downloads exactly this wheel, whatever it runs on."""
    return [
        "download",
        "--no-deps",
        "--only-binary=:all:",
        f"--implementation={wheel.python[:2]}",
        f"--python-version={wheel.python[2:]}",
        f"--abi={wheel.abi}",
        f"--platform={wheel.platform}",
        f"--dest={folder}",
        f"{wheel.project}=={wheel.version}",
    ]


def _run_pip(wheel: Wheel, folder: Path, progress: Progress) -> int:
    """Runs pip to its end; however this ends, pip does not go on. Returns its exit code."""
    # pip unpacks in its temporary folder, and /tmp may be small. Constraints are about the user's environment, which
    # this wheel is not for. The runtime that is kept is the cache: one of pip's own would take as much again.
    environment = {**os.environ, "TMPDIR": str(folder), "PIP_CONSTRAINT": ""}
    options = ("--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar=raw")
    (folder / _LOG).touch()  # a pip that does not get far does not write one
    # -P: not a pip.py or random.py of the current folder.
    command = [sys.executable, "-P", "-m", "pip", *download_command(wheel, folder), *options, f"--log={folder / _LOG}"]
    with (
        (folder / _SAID).open("wb") as said,
        # Should this process be killed, pip ends when it next tells its progress.
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=environment
        ) as process,
    ):
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            for line in process.stdout:
                if found := _PROGRESS.match(line):
                    progress("download", int(found[1]), int(found[2]) or wheel.size_bytes)
            return process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def _failure(wheel: Wheel, code: int, said: str, log: str) -> TfkitError:
    """What went wrong, by what pip wrote to the terminal and to its log."""
    what = f"{wheel.project} {wheel.version} cannot be downloaded"
    lines = [line.strip()[:_SHOWN_COLUMNS] for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "WARNING:"))] or lines
    words = "\n".join(f"  {line}" for line in errors[-_SHOWN_LINES:])
    elsewhere = "fetch the wheel on another machine and use --from DIR"
    if _NO_SPACE.search(log):
        return no_space(wheel, downloaded=True)
    if _WRONG_HASH.search(log):
        return InputError(f"{what}: the index's file is not the one that it lists\n{words}", hint="Try another index.")
    if _NO_WHEEL.search(said):
        return InputError(
            f"{what}: {wheel.filename}, as the index gives it, is no wheel or a damaged one",
            hint=f"Try another index; or {elsewhere}.",
        )
    if _NO_NETWORK.search(log):
        return MissingError(
            f"{what}: the package index cannot be reached\n{words}",
            hint=f"Check the network, and the index and proxy of `python -m pip config list`; or {elsewhere}.",
        )
    if _OLD_PIP.search(said):
        return MissingError(f"{what}: pip is too old\n{words}", hint="python -m pip install --upgrade pip")
    if _NOT_THERE.search(said) or code == 0:
        return MissingError(
            f"{what}: the package index does not have {wheel.filename}\n{words}",
            hint=f"Set an index that has it (PIP_INDEX_URL); or {elsewhere}.",
        )
    return MissingError(
        f"{what}: pip ended with code {code}\n{words}", hint=f"Put right what pip says; or {elsewhere}."
    )


def room_for(wheel: Wheel, *, downloaded: bool) -> int:
    """The bytes that an install takes while it lasts: what is unpacked, and the wheel where it has to be fetched."""
    return wheel.installed_bytes + (wheel.size_bytes if downloaded else 0)


def no_space(wheel: Wheel, *, downloaded: bool) -> MissingError:
    """The error for a disk that has no room for what is unpacked from a wheel, and for the wheel if it is fetched."""
    meanwhile = f"{room_for(wheel, downloaded=True) / 1e6:.0f} MB meanwhile and " if downloaded else ""
    return MissingError(
        f"{runtimes_folder()}: no room to install {wheel.project} {wheel.version}, which takes {meanwhile}"
        f"{wheel.installed_bytes / 1e6:.0f} MB{' in the end' if downloaded else ''}",
        hint="Make room there, or set TFKIT_HOME to a folder on another disk.",
    )
