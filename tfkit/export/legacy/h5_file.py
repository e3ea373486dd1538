"""Keras's old HDF5 files, read as what they may be: data from strangers.

Keras 2 writes, and Keras 3 still does (``keras/src/legacy/saving/legacy_h5_format.py``):

    attributes            keras_version, backend, model_config and training_config (JSON)
    model_weights/        attributes layer_names; a group a layer
      LAYER/              attribute weight_names; a dataset a weight, whose name may contain slashes
    optimizer_weights/    which nothing here reads

A file of weights alone has the groups of the layers, and ``layer_names``, at its root. Of all that HDF5 can do Keras
uses plain groups and plain datasets. Whatever leads out of the file, or would unpack to more than it can hold, is
refused before a value is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.errors import InputError, MissingError, ModelError
from tfkit.export.legacy.h5_probe import survives

MAGIC = b"\x89HDF\r\n\x1a\n"
TOP_LEVEL = "top_level_model_weights"  # weights that the model itself holds, since tf.keras 2.6
_CONFIG = "model_config"
_WEIGHTS = "model_weights"
_MAX_JSON_BYTES = 256 << 20
# Weights shrink little; what unpacks to more than this is made to fill the memory.
_MAX_EXPANSION = 100
_EXPANSION_FLOOR_BYTES = 1 << 30
_NUMBER_KINDS = "fiub"
_DAMAGE_HINT = "Was it downloaded or copied completely? Save the model again."


@dataclass(frozen=True, slots=True)
class WeightEntry:
    """One weight of a layer.

    Attributes:
        name: As it was called in the old Keras, such as ``dense_1/kernel:0``.
        path: Where in the file it is.
        shape: Its shape.
        size_bytes: Its size in memory.
    """

    name: str
    path: str
    shape: tuple[int, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class H5File:
    """A file that was checked.

    Attributes:
        path: Where it is.
        sha256: Of the whole file.
        keras_version: The Keras that wrote it; empty if it does not say.
        backend: What that Keras ran on; empty if it does not say.
        config: The model's configuration; ``None`` in a file of weights alone.
        layers: The weights of each layer, in the file's order.
    """

    path: Path
    sha256: str
    keras_version: str
    backend: str
    config: Any
    layers: dict[str, tuple[WeightEntry, ...]]

    @property
    def size_bytes(self) -> int:
        """What the weights take in memory."""
        return sum(each.size_bytes for weights in self.layers.values() for each in weights)

    def read(self, layer: str) -> list[Array]:
        """The weights of a layer, in the file's order.

        Raises:
            ModelError: They are damaged.
        """
        with opened_h5(self.path) as file:
            return [np.asarray(file[each.path][()]) for each in self.layers[layer]]


def is_h5(path: Path) -> bool:
    """Whether a file begins as an HDF5 file does."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_h5(path: Path) -> H5File:
    """Reads what a file declares, and no weight.

    Raises:
        ModelError: It is damaged, holds nothing of Keras, or something that no Keras writes.
        MissingError: It may not be read.
    """
    with opened_h5(path) as file:
        config = _read_config(path, file)
        group = file
        if config is not None or file.get(_WEIGHTS, getlink=True) is not None:
            group = _step(path, file, _WEIGHTS)
        layers = _read_layers(path, group)
        version, backend = (_text(file, name) or _text(group, name) for name in ("keras_version", "backend"))
    found = H5File(path, _sha256(path), version, backend, config, layers)
    size = path.stat().st_size
    if found.size_bytes > max(_MAX_EXPANSION * size, _EXPANSION_FLOOR_BYTES):
        raise ModelError(
            f"{path} has {size} bytes and declares weights of {found.size_bytes}: Keras writes no such file"
        )
    return found


@contextmanager
def opened_h5(path: Path) -> Iterator[Any]:
    """The file, to read; what goes wrong meanwhile is damage."""
    import h5py

    try:
        problem = survives(path)
        if problem:
            raise _damaged(path, problem)
        with h5py.File(path, "r") as file:
            yield file
    except PermissionError as error:
        raise MissingError(f"{path} may not be read: {error.strerror}") from None
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}: expected a Keras model in HDF5") from None
    except OSError as error:
        if error.errno is not None and "HDF5" not in str(error) and "(" not in str(error):
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
        raise _damaged(path, str(error)) from None
    except (RuntimeError, ValueError, KeyError, TypeError, OverflowError, UnicodeDecodeError) as error:
        # HDF5's own complaints, by what h5py makes of them.
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, why: str) -> ModelError:
    lines = why.strip().splitlines() or ["it is no HDF5"]
    return ModelError(f"{path} is damaged: {lines[0]}", hint=_DAMAGE_HINT)


def _read_config(path: Path, file: Any) -> Any:
    if _CONFIG not in file.attrs:
        return None
    text = _text(file, _CONFIG)
    if len(text) > _MAX_JSON_BYTES:
        raise ModelError(f"{path} holds a {_CONFIG} of {len(text)} bytes: expected at most {_MAX_JSON_BYTES}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: its {_CONFIG} is not JSON ({error})", hint=_DAMAGE_HINT) from None


def _text(group: Any, name: str) -> str:
    """An attribute as text; empty if there is none, or none of text."""
    if name not in group.attrs or group.attrs.get_id(name).shape not in ((), (1,)):
        return ""
    value = group.attrs[name]
    value = value.item() if isinstance(value, np.generic | np.ndarray) else value
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _names(path: Path, group: Any, name: str) -> list[str]:
    """An attribute that lists names; Keras splits long ones into ``name0``, ``name1`` and so on."""
    parts = [name] if name in group.attrs else []
    while not parts or parts != [name]:
        part = f"{name}{len(parts)}"
        if part not in group.attrs:
            break
        parts.append(part)
    if not parts:
        raise ModelError(f"{path} holds no list {name!r} in {group.name}: Keras writes no such file")
    found: list[str] = []
    for part in parts:
        for each in np.ravel(group.attrs[part]).tolist():
            if not isinstance(each, str | bytes):
                raise ModelError(f"{path}: {name!r} in {group.name} holds {each!r}: expected names")
            found.append(each.decode("utf-8") if isinstance(each, bytes) else each)
    return found


def _read_layers(path: Path, group: Any) -> dict[str, tuple[WeightEntry, ...]]:
    names = _names(path, group, "layer_names")
    if len(set(names)) < len(names):
        raise ModelError(f"{path} lists two layers of the same name: Keras writes no such file")
    if group.get(TOP_LEVEL, getlink=True) is not None:
        names.append(TOP_LEVEL)
    return {name: _read_weights(path, _step(path, group, name)) for name in names}


def _read_weights(path: Path, group: Any) -> tuple[WeightEntry, ...]:
    entries = []
    for name in _names(path, group, "weight_names"):
        dataset = _step(path, group, name, of_numbers=True)
        unpacked = max(math.prod(dataset.shape), math.prod(dataset.chunks or ()))
        size = unpacked * dataset.dtype.itemsize
        entries.append(WeightEntry(name, dataset.name, tuple(dataset.shape), size))
    return tuple(entries)


def _step(path: Path, group: Any, name: str, *, of_numbers: bool = False) -> Any:
    """What a name in a group leads to: a group, or a dataset of numbers; only links inside the file are followed."""
    import h5py

    found = group
    for part in name.split("/") if not name.startswith("/") else [name]:
        place = f"{found.name.rstrip('/')}/{part}"
        # The link itself is asked for: to ask whether what it leads to is there would follow it.
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            raise ModelError(f"{path} holds no {place}, which it lists: expected it to be there", hint=_DAMAGE_HINT)
        if not isinstance(link, h5py.HardLink) or part.startswith("/"):
            raise ModelError(f"{path}: {place} is a link to another place or file: Keras writes no such file")
        found = found[part]
    if not of_numbers:
        if not isinstance(found, h5py.Group):
            raise ModelError(f"{path}: {found.name} is no group: Keras writes no such file")
        return found
    if not isinstance(found, h5py.Dataset):
        raise ModelError(f"{path}: {found.name} is a {type(found).__name__.lower()}: expected a weight's values")
    check_dataset(path, found)
    return found


def check_links(path: Path, group: Any) -> None:
    """Checks that nothing in a group leads to another place or file.

    Raises:
        ModelError: Something does.
    """
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            place = f"{group.name.rstrip('/')}/{name}"
            raise ModelError(f"{path}: {place} is a link to another place or file: Keras writes no such file")


def check_dataset(path: Path, dataset: Any) -> None:
    """Checks that a dataset is numbers that lie in its file.

    Raises:
        ModelError: It is something else.
    """
    if dataset.is_virtual or dataset.external:
        raise ModelError(f"{path}: {dataset.name} has its values in another file: Keras writes no such file")
    if dataset.shape is None or not (dataset.dtype.kind in _NUMBER_KINDS or _is_short_float(dataset)):
        raise ModelError(f"{path}: {dataset.name} holds {dataset.dtype}: expected numbers")


def _is_short_float(dataset: Any) -> bool:
    """Whether it holds floats that HDF5 has no name for, bfloat16 for one, as Keras 3 writes them."""
    return dataset.dtype.kind == "V" and dataset.dtype.names is None and "dtype" in dataset.attrs


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
