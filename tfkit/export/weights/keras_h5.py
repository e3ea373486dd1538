"""Puts a HDF5 file's weights into a live Keras model, and makes sure that all of them land.

There are two layouts. Keras 2's ``save_weights`` (see ``h5_file``) lists layers, and is loaded by their order, or by
their names where the model has the same ones. Keras 3's ``.weights.h5`` has a path for each weight that follows from
the model alone (``keras/src/saving/saving_lib.py``): what the model itself would write is what has to be in the file.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tfkit.arrays import Array
from tfkit.errors import ModelError
from tfkit.export.legacy.cudnn import from_cudnn
from tfkit.export.legacy.h5_file import TOP_LEVEL, H5File, WeightEntry, check_dataset, check_links, opened_h5
from tfkit.export.live.frameworks import first_line, quiet_logs
from tfkit.export.live.objects import is_legacy_model
from tfkit.export.weights.landing import Landing, assign, layer_weights, shown, variable_name

SHARDED_ENDING = ".weights.json"
_ENDING = ".weights.h5"
# What a compiled model keeps beside its weights.
_TRAINING = ("optimizer", "metrics", "_metrics", "_compile_metrics", "_loss_tracker", "loss_tracker")
_MAX_JSON_BYTES = 64 << 20
_MAX_EXPANSION = 100
_EXPANSION_FLOOR_BYTES = 1 << 30

_Shape = tuple[int, ...]
# Makes a layer's weights, as they are in the file, what the layer of today takes.
_Convert = Callable[[Any, Sequence[Array]], list[Array]]


def is_new_layout(path: Path) -> bool:
    """Whether a HDF5 file has the weights as Keras 3 lays them out.

    Raises:
        ModelError: It is damaged.
    """
    with opened_h5(path) as file:
        names = set(file.attrs) | set(file)
        return not {"layer_names", "layer_names0", "model_weights", "model_config"} & names


def check_new_layout(path: Path) -> None:
    """Checks what a file of Keras 3, or the list of a sharded one, declares; reads no weight.

    Raises:
        ModelError: It is damaged, holds no weights, or something that no Keras writes.
    """
    if not _all_datasets(path):
        raise ModelError(f"{path} holds no weights: expected a file of Keras's save_weights")


def check_h5_weights(path: Path) -> None:
    """Checks what the weights inside a ``.keras`` file declare, of which there may be none; reads none.

    Raises:
        ModelError: The file is damaged, or holds something that no Keras writes.
    """
    _datasets(path)


def load_new_layout(model: Any, path: Path, scratch: Path) -> None:
    """Loads weights as Keras 3 lays them out, of a HDF5 file or of a sharded one.

    Args:
        model: A model of Keras 3 or of tf-keras.
        path: The file.
        scratch: A folder with room for another such file.

    Raises:
        ModelError: They do not fit the model.
    """
    found = _all_datasets(path)
    with tempfile.TemporaryDirectory(dir=scratch) as folder, quiet_logs():
        try:
            own = Path(folder) / f"own{_ENDING}"
            model.save_weights(str(own))
            _compare(found, _all_datasets(own)).check(path)
            own.unlink()
            given = path.absolute()
            if not path.name.endswith(SHARDED_ENDING):  # Keras goes by the name
                given = Path(folder) / f"given{_ENDING}"
                given.symlink_to(path.absolute())
            model.load_weights(str(given))
        except (ValueError, TypeError, KeyError, RuntimeError, OSError) as error:
            raise ModelError(f"Keras cannot load the weights of {path}: {first_line(error)}") from error


def load_old_layout(model: Any, file: H5File) -> tuple[str, ...]:
    """Loads weights as Keras 2 lays them out.

    Returns:
        What the user should know.

    Raises:
        ModelError: They do not fit the model.
    """
    places = _places(model)
    entries = {name: weights for name, weights in file.layers.items() if weights}
    by_name = set(places) == set(entries)
    pairs = [(name, name) for name in places]
    if not by_name:
        if len(places) != len(entries) or (TOP_LEVEL in places) != (TOP_LEVEL in entries):
            _differ_by_name(places, entries).check(file.path)
        pairs = list(zip(places, entries, strict=True))
    convert = _converter(model, file)
    landing, values = Landing(), []
    for own, saved in pairs:
        layer, variables = places[own]
        values.append(_fitted(file, saved, layer, variables, convert, landing))
    landing.check(file.path)
    for (own, _), arrays in zip(pairs, values, strict=True):
        for variable, array in zip(places[own][1], arrays, strict=True):
            assign(variable, array)
    for layer, _ in places.values():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return () if by_name else (f"layers were matched with those of {file.path.name} by their order, not by name",)


def _places(model: Any) -> dict[str, tuple[Any, list[Any]]]:
    """The layers that have weights, by name; and what the model itself holds."""
    places = {layer.name: (layer, layer_weights(layer)) for layer in model.layers}
    held = {id(variable) for _, variables in places.values() for variable in variables}
    own = [variable for variable in layer_weights(model) if id(variable) not in held]
    return {name: place for name, place in (places | {TOP_LEVEL: (model, own)}).items() if place[1]}


def _differ_by_name(
    places: Mapping[str, tuple[Any, list[Any]]], entries: Mapping[str, Sequence[WeightEntry]]
) -> Landing:
    return Landing(
        [_of_layer(name, [each.shape for each in entries[name]]) for name in entries if name not in places],
        [_of_layer(name, [each.shape for each in places[name][1]]) for name in places if name not in entries],
    )


def _of_layer(name: str, shapes: Iterable[Sequence[int]]) -> str:
    return f"layer {name!r} {' '.join(str(list(shape)) for shape in shapes)}"


def _converter(model: Any, file: H5File) -> _Convert:
    if is_legacy_model(model):
        from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

        return lambda layer, values: list(
            preprocess_weights_for_loading(layer, list(values), file.keras_version or "2", file.backend)
        )
    return lambda layer, values: from_cudnn(
        type(layer).__name__, values, [tuple(each.shape) for each in layer_weights(layer)]
    )


def _fitted(
    file: H5File, saved: str, layer: Any, variables: Sequence[Any], convert: _Convert, landing: Landing
) -> list[Array]:
    """A layer's weights as it takes them; what does not fit is told to ``landing``."""
    arrays = file.read(saved)
    if saved != TOP_LEVEL:
        try:
            arrays = convert(layer, arrays)
        except (ValueError, IndexError, AssertionError):  # tf-keras refuses what has other shapes
            arrays = file.read(saved)
    names = [entry.name.removesuffix(":0") for entry in file.layers[saved]]
    if len(arrays) != len(variables):
        landing.misfits.append(
            f"{_of_layer(saved, [each.shape for each in arrays])} in the file, "
            f"{_of_layer(layer.name, [each.shape for each in variables])} in the model"
        )
        return []
    for index, (variable, array) in enumerate(zip(variables, arrays, strict=True)):
        if tuple(variable.shape) != array.shape:
            name = names[index] if len(names) == len(arrays) else saved
            landing.misfits.append(
                f"{shown(name, array.shape)} in the file, {shown(variable_name(variable), variable.shape)} in the model"
            )
    return arrays


def _compare(found: Mapping[str, _Shape], own: Mapping[str, _Shape]) -> Landing:
    return Landing(
        [shown(name, found[name]) for name in found if name not in own],
        [shown(name, own[name]) for name in own if name not in found],
        [
            f"{name} {list(found[name])} in the file, {list(own[name])} in the model"
            for name in found
            if name in own and found[name] != own[name]
        ],
    )


def _all_datasets(path: Path) -> dict[str, _Shape]:
    """The weights of a file, or of all shards that a list names, by their paths as Keras 3 has them."""
    files = _shards(path) if path.name.endswith(SHARDED_ENDING) else [path]
    found: dict[str, _Shape] = {}
    for file in files:
        found |= _datasets(file)
    return found


def _shards(path: Path) -> list[Path]:
    """The files that a list of shards names, all of them beside it."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError(f"{path} has more than {_MAX_JSON_BYTES} bytes: expected a list of files")
        config = json.loads(path.read_bytes())
        names = {
            name for files in config["weight_map"].values() for name in (files if isinstance(files, list) else [files])
        }
        if not all(isinstance(name, str) for name in names):
            raise TypeError("a file's name is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} is no list of sharded weights: {first_line(error)}") from None
    for name in sorted(names):
        if PurePosixPath(name).name != name or "\\" in name:
            raise ModelError(f"{path} names {name!r}, which is not beside it: Keras writes no such list")
        if not path.with_name(name).is_file():
            raise ModelError(f"{path} names {name}, which is not there", hint="Copy all files that belong to it.")
    return [path.with_name(name) for name in sorted(names)]


def _datasets(path: Path) -> dict[str, _Shape]:
    import h5py

    found: dict[str, _Shape] = {}
    size = 0

    def visit(name: str, thing: Any) -> None:
        nonlocal size
        place = name.replace("\\", "/").replace("_layer_checkpoint_dependencies", "layers")
        if isinstance(thing, h5py.Group):
            check_links(path, thing)
        if isinstance(thing, h5py.Dataset) and place.partition("/")[0] not in _TRAINING:
            check_dataset(path, thing)
            size += math.prod(thing.shape) * thing.dtype.itemsize
            found[place] = tuple(thing.shape)

    with opened_h5(path) as file:
        visit("", file)
        file.visititems(visit)  # each object once
    if size > max(_MAX_EXPANSION * path.stat().st_size, _EXPANSION_FLOOR_BYTES):
        raise ModelError(
            f"{path} has {path.stat().st_size} bytes and declares weights of {size}: Keras writes no such file"
        )
    return found
