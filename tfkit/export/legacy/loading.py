"""Builds a model of Keras 2 in the library that computes what it computed, and puts every weight into its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfkit.arrays import Array
from tfkit.errors import ModelError, TfkitError
from tfkit.export.legacy.h5_file import TOP_LEVEL, H5File, WeightEntry
from tfkit.export.legacy.layers import old_layers
from tfkit.export.legacy.library import as_keras_3
from tfkit.export.legacy.model import import_tf_keras
from tfkit.export.live.budget import Budget
from tfkit.export.live.frameworks import Frameworks, first_line, quiet_logs

_SHOWN = 10

# Makes a layer's weights, as they are in the file, what the layer of today takes.
_Convert = Callable[[Any, list[Array]], list[Array]]


def build_in_keras_3(frameworks: Frameworks, file: H5File, config: Mapping[str, Any]) -> Any:
    """A model that Keras 3 computes as the old Keras did, with its weights.

    Raises:
        ModelError: Keras cannot build it, or a weight has no place.
    """
    model = make_in_keras_3(frameworks, file, config)
    _land(file, model, lambda _, values: values)
    return model


def make_in_keras_3(frameworks: Frameworks, file: H5File, config: Mapping[str, Any]) -> Any:
    """The same model without its weights; the file says how many there may be.

    Raises:
        ModelError: Keras cannot build it.
    """
    keras = frameworks.keras
    budget = Budget(file.path, file.size_bytes)

    def zeros(shape: Sequence[int], dtype: Any = None) -> Any:
        budget.spend(tuple(shape), 4)
        return frameworks.tf.zeros(shape, dtype or "float32")

    def build() -> Any:
        made = as_keras_3(config, zeros)
        kind = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
        return kind.from_config(made["config"])

    return _built(file, f"Keras {keras.__version__}", build)


def build_in_tf_keras(
    frameworks: Frameworks, file: H5File, config: Mapping[str, Any], custom: Mapping[str, Any]
) -> Any:
    """A model in tf-keras, the last Keras 2, with its weights.

    Raises:
        MissingError: tf-keras cannot be imported.
        ModelError: It cannot build the model, or a weight has no place.
    """
    model = make_in_tf_keras(frameworks, file, config, custom)
    from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

    def convert(layer: Any, values: list[Array]) -> list[Array]:
        return list(preprocess_weights_for_loading(layer, values, file.keras_version or "2", file.backend))

    _land(file, model, convert)
    for layer in model._flatten_layers():  # noqa: SLF001  # tf-keras has no public way to nested layers
        layer.finalize_state()
    return model


def make_in_tf_keras(frameworks: Frameworks, file: H5File, config: Mapping[str, Any], custom: Mapping[str, Any]) -> Any:
    """The same model without its weights; the file says how many there may be.

    Raises:
        MissingError: tf-keras cannot be imported.
        ModelError: It cannot build the model.
    """
    tf_keras = import_tf_keras()
    from tf_keras.src.saving.serialization_lib import SafeModeScope

    # Legacy files are read without importing what they name; code in them was allowed by then, or is not there.
    kind = tf_keras.Sequential if config["class_name"] == "Sequential" else tf_keras.Model

    def build() -> Any:
        budget = Budget(file.path, file.size_bytes)
        with budget.kept(frameworks), SafeModeScope(safe_mode=False):
            old = old_layers(frameworks.tf, tf_keras, config, file.keras_version)
            return kind.from_config(dict(config["config"]), custom_objects=old | dict(custom))

    return _built(file, f"tf-keras {tf_keras.__version__}", build)


def _built(file: H5File, library: str, build: Callable[[], Any]) -> Any:
    try:
        with quiet_logs():
            return build()
    except TfkitError:
        raise
    except Exception as error:
        wrote = f"Keras {file.keras_version}" if file.keras_version else "an unknown Keras"
        raise ModelError(
            f"{library} cannot build the model of {file.path}: {first_line(error)}",
            hint=f"The file was written by {wrote}. If it loads there, save it there as a SavedModel and export that.",
        ) from error


def _land(file: H5File, model: Any, convert: _Convert) -> None:
    """Gives each layer its weights, by its name.

    Raises:
        ModelError: A layer has none in the file, or the file some for no layer, or they do not fit.
    """
    layers = {layer.name: _variables(layer) for layer in model.layers}
    own = [each for name in ("_trainable_weights", "_non_trainable_weights") for each in getattr(model, name, ())]
    missing = [name for name, variables in layers.items() if variables and not file.layers.get(name)]
    if missing:
        which = "which has some" if len(missing) == 1 else "which have some"
        raise ModelError(f"{file.path} holds no weights of {_layers(missing)}, {which} in its configuration")
    unknown = [name for name, entries in file.layers.items() if entries and name != TOP_LEVEL and name not in layers]
    if unknown:
        which = "which is not" if len(unknown) == 1 else "which are not"
        raise ModelError(f"{file.path} holds weights of {_layers(unknown)}, {which} in its configuration")
    objects = {layer.name: layer for layer in model.layers}
    for name, entries in file.layers.items():
        variables = own if name == TOP_LEVEL else layers.get(name)
        if variables is None or (not entries and not variables):
            continue
        if len(entries) != len(variables):
            raise ModelError(
                f"{file.path} holds {len(entries)} weights of layer {name!r}, and its configuration has "
                f"{len(variables)}"
            )
        values = _in_order(entries, file.read(name), variables)
        if name != TOP_LEVEL:
            values = _converted(file, objects[name], values, convert)
        _assign(file, name, variables, values)


def _layers(names: Sequence[str]) -> str:
    """Layers for a message, of many the first."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"layer{'s' if len(names) > 1 else ''} {', '.join(map(repr, names[:_SHOWN]))}{more}"


def _variables(layer: Any) -> list[Any]:
    """A layer's weights in the order of these files."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _in_order(entries: Sequence[WeightEntry], values: Sequence[Array], variables: Sequence[Any]) -> list[Array]:
    """Weights in the order of the variables: by name where the names are the same, else as they are in the file."""
    by_name = dict(zip((entry.name for entry in entries), values, strict=True))
    names = [str(variable.name) for variable in variables]
    if len(by_name) == len(names) and set(names) == set(by_name):
        return [by_name[name] for name in names]
    return list(values)


def _converted(file: H5File, layer: Any, values: list[Array], convert: _Convert) -> list[Array]:
    try:
        return convert(layer, values)
    except (ValueError, IndexError, AssertionError) as error:
        shapes = ", ".join(str(list(value.shape)) for value in values)
        raise ModelError(
            f"{file.path}: the weights of layer {layer.name!r} do not fit it: {first_line(error)} (shapes {shapes})"
        ) from error


def _assign(file: H5File, name: str, variables: Sequence[Any], values: Sequence[Array]) -> None:
    if len(values) != len(variables):
        raise ModelError(
            f"{file.path}: layer {name!r} takes {len(variables)} weights, and the file holds {len(values)}"
        )
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise ModelError(
                f"{file.path}: a weight of layer {name!r} has shape {list(value.shape)}, and its configuration makes "
                f"it {list(variable.shape)} ({variable.name})"
            )
        dtype = variable.dtype
        variable.assign(value.astype(getattr(dtype, "as_numpy_dtype", dtype)))
