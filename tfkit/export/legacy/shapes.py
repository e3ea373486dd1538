"""What a model of Keras 2 takes: from its configuration, and from the user where that leaves it open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tfkit.errors import ModelError, UsageError, nearest
from tfkit.export.legacy.config import inputs_of
from tfkit.export.legacy.h5_file import H5File
from tfkit.export.shapes import ONLY_INPUT
from tfkit.tensors import Shape

# One item of an input beyond this is no input: what is computed of it would fill the memory.
_MOST_VALUES = 1 << 28


def settle_shapes(file: H5File, config: dict[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Puts the user's shapes into a configuration in the form of ``legacy_config``.

    Raises:
        ModelError: Nothing says what the model takes, or the file says something impossible.
        UsageError: A shape is given for no input, or for one that has another.
    """
    if config["class_name"] == "Sequential" and not inputs_of(config):
        _add_input(file, config, shapes)
        shapes = {}
    inputs = {each["config"]["name"]: each["config"] for each in inputs_of(config)}
    if ONLY_INPUT in shapes and len(inputs) > 1:
        raise UsageError(
            f"--input-shape names no input, and {file.path} has {len(inputs)}",
            hint=f"Say which it is: --input-shape NAME=SIZES. Inputs: {', '.join(inputs)}",
        )
    for name, shape in shapes.items():
        if name != ONLY_INPUT and name not in inputs:
            raise UsageError(f"--input-shape: {file.path} has no input {name!r}", hint=nearest(name, inputs))
        _narrow(file, inputs[name] if name else next(iter(inputs.values())), shape)
    for name, each in inputs.items():
        _check_size(file, name, each.get("batch_input_shape"))


def _add_input(file: H5File, config: dict[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Gives a Sequential model the input layer that it lacks."""
    layers = config["config"]["layers"]
    if not layers:
        raise ModelError(f"{file.path} is a Sequential model without layers: there is nothing to export")
    first = layers[0]
    name = f"{first['config']['name']}_input"
    unknown = [given for given in shapes if given not in (ONLY_INPUT, name)]
    if unknown:
        raise UsageError(f"--input-shape: {file.path} has no input {unknown[0]!r}: its only one is {name}")
    if not shapes:
        weights = file.layers.get(first["config"]["name"], ())
        kernel = f", whose first weight is {weights[0].name} of shape {list(weights[0].shape)}" if weights else ""
        raise ModelError(
            f"{file.path} does not say what its model takes; its first layer is {first['class_name']} "
            f"{first['config']['name']!r}{kernel}",
            hint="Say it with --input-shape, without the batch: --input-shape 224,224,3 (? leaves a size open).",
        )
    (shape,) = shapes.values()
    inner = {"batch_input_shape": [None, *shape], "dtype": "float32", "name": name}
    layers.insert(0, {"class_name": "InputLayer", "config": inner})


def _narrow(file: H5File, config: dict[str, Any], shape: Shape) -> None:
    """Fixes sizes that an input leaves open."""
    own = config["batch_input_shape"]
    fits = len(own) == len(shape) + 1 and all(
        old is None or new is None or old == new for old, new in zip(own[1:], shape, strict=True)
    )
    if not fits:
        raise UsageError(
            f"--input-shape {_shown(shape)}: input {config['name']!r} of {file.path} is {_shown(own[1:])} in the model",
            hint="Only sizes that the model leaves open can be given.",
        )
    config["batch_input_shape"] = [
        own[0],
        *(old if new is None else new for old, new in zip(own[1:], shape, strict=True)),
    ]


def _check_size(file: H5File, name: str, shape: Any) -> None:
    sizes = [] if not isinstance(shape, list | tuple) else [each for each in shape if each is not None]
    if not isinstance(shape, list | tuple) or any(not isinstance(each, int) or each < 0 for each in sizes):
        raise ModelError(f"{file.path}: input {name!r} has shape {shape!r}: expected sizes")
    if math.prod(sizes) > _MOST_VALUES:
        raise ModelError(f"{file.path}: input {name!r} has shape {list(shape)}: expected at most {_MOST_VALUES} values")


def _shown(shape: Any) -> str:
    return ",".join("?" if each is None else str(each) for each in shape) or "()"
