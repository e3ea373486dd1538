"""What a path holds, told without importing Keras: a model that can be loaded safely, or a clear reason why not.

A ``.keras`` file is a zip archive of ``config.json`` (the architecture), ``metadata.json``, ``model.weights.h5`` and
``assets/``, as ``keras/src/saving/saving_lib.py`` writes it. Reading all of it here first finds damage in a moment,
before TensorFlow is imported.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tfkit.errors import InputError, MissingError, ModelError
from tfkit.export.live.keras_config import CustomPart, find_custom_parts, list_parts

_CONFIG = "config.json"
_METADATA = "metadata.json"
_KERAS_2 = "2."
WEIGHTS = "model.weights.h5"
ASSETS = "assets"
_WEIGHTS = (WEIGHTS, "model.weights.npz")
_MAX_JSON_BYTES = 256 << 20
# A file of weights shrinks little; what unpacks to more than this is made to fill the memory.
_MAX_EXPANSION = 100
_EXPANSION_FLOOR_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 20
_ENCRYPTED_FLAG = 1

_EXPECTED = "expected a Keras file (.keras, .h5), a SavedModel, a frozen graph (.pb) or a checkpoint"
_CUSTOM_HINT = (
    "A file does not hold such classes and functions. Give the Python file that defines them, which is run: "
    "--custom-objects FILE.py. Or load it in Python, where they are, and export the live model:\n"
    "    model = keras.saving.load_model({name!r}, custom_objects={{...}})\n"
    "    tfkit.export_model(model, 'build/model')"
)
_CODE_HINT = (
    "Such code can do anything that a program can. --allow-code runs it: only for files whose author you trust. "
    "Or export the live model in Python: tfkit.export_model(model, 'build/model')."
)


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A ``.keras`` file that was read through.

    Attributes:
        path: Where it is.
        sha256: Of the whole file.
        keras_version: The Keras that wrote it; empty if it does not say.
        custom_parts: What in it needs code of its author; of Keras 2 that is told by ``legacy.config``.
        config: Its configuration, where Keras 2 wrote it.
        weights_bytes: What its weights have in the file.
    """

    path: Path
    sha256: str
    keras_version: str
    custom_parts: tuple[CustomPart, ...] = ()
    config: Any = None
    weights_bytes: int = 0


def read_keras_file(path: Path, *, custom_objects: bool = False, allow_code: bool = False) -> KerasFile:
    """Checks a ``.keras`` file.

    Args:
        path: Where it is.
        custom_objects: It may need classes and functions that it does not hold.
        allow_code: It may hold Python code.

    Raises:
        ModelError: There is no file, it is something else, it is damaged, or it needs code of its author.
        MissingError: It may not be read.
    """
    try:
        _refuse_other_sources(path)
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            config = _read_json(path, archive, _CONFIG)
            metadata = _read_json(path, archive, _METADATA)
            if not (isinstance(config, dict) and isinstance(config.get("class_name"), str) and "config" in config):
                raise ModelError(f"{path} is damaged: its {_CONFIG} names no model")
            weights_bytes = sum(each.file_size for each in archive.infolist() if each.filename in _WEIGHTS)
            _read_through(archive)
        sha256 = _sha256(path)
    except PermissionError as error:
        raise MissingError(f"{path} may not be read: {error.strerror}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ModelError(
            f"{path} is damaged: {str(error) or 'its end is missing'}",
            hint="Was it downloaded or copied completely? Save the model again.",
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    version = version if isinstance(version, str) else ""
    if version.startswith(_KERAS_2):
        return KerasFile(path, sha256, version, config=config, weights_bytes=weights_bytes)
    custom = find_custom_parts(config)
    refuse_custom_parts(path, custom, custom_objects=custom_objects, allow_code=allow_code)
    return KerasFile(path, sha256, version, tuple(custom), weights_bytes=weights_bytes)


@contextmanager
def unpacked_weights(path: Path, scratch: Path) -> Iterator[Path | None]:
    """The HDF5 file in an archive that was checked; ``None`` if its weights are in another format.

    Args:
        path: The archive, which messages of errors in the block name.
        scratch: A folder with room for it.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder, zipfile.ZipFile(path) as archive:
        if WEIGHTS not in archive.namelist():
            yield None
            return
        weights = Path(archive.extract(WEIGHTS, folder))
        try:
            yield weights
        except ModelError as error:
            message = error.message.replace(str(weights), f"{path} ({WEIGHTS})")
            raise type(error)(message, hint=error.hint) from error


def refuse_custom_parts(path: Path, parts: Sequence[CustomPart], *, custom_objects: bool, allow_code: bool) -> None:
    """Refuses what a file needs of its author's code, unless the user gives it.

    Raises:
        ModelError: It needs such code, and it is not given.
    """
    refused = [part for part in parts if not (allow_code if part.is_code else custom_objects)]
    if refused:
        hints = [_CUSTOM_HINT.format(name=path.name)] if not all(part.is_code for part in refused) else []
        hints += [_CODE_HINT] if any(part.is_code for part in refused) else []
        raise ModelError(f"{path} needs code of its author: {list_parts(refused)}", hint="\n".join(hints))


def _refuse_other_sources(path: Path) -> None:
    """Raises ``ModelError`` unless the path is a zip archive called ``.keras``."""
    if not path.exists():
        raise ModelError(f"there is no file {path}: {_EXPECTED}")
    if path.is_dir():
        raise _describe_folder(path)
    if not path.is_file():
        raise ModelError(f"{path} is no regular file: {_EXPECTED}")
    with path.open("rb") as file:
        start = file.read(8)
    if not start.startswith(b"PK\x03\x04"):
        raise _describe_file(path, start)
    if path.suffix != ".keras":
        raise ModelError(
            f"{path} is a zip archive: {_EXPECTED}",
            hint="If Keras wrote it, rename it so that its name ends in .keras.",
        )


def _describe_folder(path: Path) -> ModelError:
    names = {each.name for each in path.iterdir()}
    if _CONFIG in names and names & set(_WEIGHTS):
        return ModelError(
            f"{path} is an unpacked Keras model: {_EXPECTED}",
            hint=f"Pack it again, without its folder: cd {path} && zip -r ../model.keras .",
        )
    return ModelError(f"{path} is a folder that holds no model: {_EXPECTED}")


def _describe_file(path: Path, start: bytes) -> ModelError:
    if path.suffix == ".index" or ".data-0" in path.name:
        return ModelError(
            f"{path} is part of a checkpoint that is not complete: {_EXPECTED}",
            hint="A checkpoint has an index and data files, with the same beginning of their names: copy all of them.",
        )
    if start[4:8] == b"TFL3":
        return ModelError(f"{path} is a TensorFlow Lite model: {_EXPECTED}", hint="Export the model it was made from.")
    came = f"starts with the bytes {start!r}" if start else "is empty"
    return ModelError(f"{path} is no model: it {came}; {_EXPECTED}")


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Checks names and declared sizes, before anything is unpacked."""
    members = archive.infolist()
    names = [member.filename for member in members]
    for name in (_CONFIG, _METADATA):
        if name not in names:
            raise ModelError(f"{path} is a zip archive without {name}: expected a Keras model")
    if not set(_WEIGHTS) & set(names):
        raise ModelError(f"{path} holds no weights: expected {_WEIGHTS[0]} in it", hint="Save the model again.")
    if len(set(names)) < len(names):
        raise ModelError(f"{path} holds two files of the same name: Keras writes no such archive")
    for member in members:
        parts = PurePosixPath(member.filename).parts
        if member.filename.startswith("/") or ".." in parts:
            raise ModelError(
                f"{path} holds {member.filename!r}, a path that leads out of it: Keras writes no such archive"
            )
        if member.flag_bits & _ENCRYPTED_FLAG:
            raise ModelError(f"{path} is encrypted: Keras writes no such archive")
    size = path.stat().st_size
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_MAX_EXPANSION * size, _EXPANSION_FLOOR_BYTES):
        raise ModelError(f"{path} has {size} bytes and would unpack to {unpacked}: Keras writes no such archive")


def _read_json(path: Path, archive: zipfile.ZipFile, name: str) -> Any:
    size = archive.getinfo(name).file_size
    if size > _MAX_JSON_BYTES:
        raise ModelError(f"{path} holds a {name} of {size} bytes: expected at most {_MAX_JSON_BYTES}")
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: its {name} is not JSON ({error})") from None


def _read_through(archive: zipfile.ZipFile) -> None:
    """Reads every member to its end, which compares the checksums."""
    for member in archive.infolist():
        with archive.open(member) as file:
            while file.read(_CHUNK_BYTES):
                pass


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
