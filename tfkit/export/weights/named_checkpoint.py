"""Puts the variables of a checkpoint that has nothing but names, as TensorFlow 1 writes them, into a live model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tfkit.export.live.frameworks import Frameworks
from tfkit.export.weights.landing import Landing, assign, shown, variable_name
from tfkit.export.weights.object_checkpoint import model_variables, read_tensor

# What the optimizers of TensorFlow 1 keep, beside a variable or by itself.
_SLOT = re.compile(r"(.+)/(Adam|Adagrad|Adadelta|AdaMax|Ftrl|Momentum|RMSProp|Nadam|ExponentialMovingAverage)(_\d+)?")
_TRAINING = re.compile(r"(.+/)?(beta[12]_power(_\d+)?|global_step)")


def load_names(frameworks: Frameworks, model: Any, reader: Any, prefix: str) -> tuple[str, ...]:
    """Loads the variables of a checkpoint by their names.

    A variable of the model may be called after more than it was then: ``cnn/conv/kernel`` takes ``conv/kernel``.

    Args:
        frameworks: The imported Keras and TensorFlow.
        model: A model of Keras 3 or tf-keras, or a ``tf.Module``.
        reader: What TensorFlow reads the checkpoint with.
        prefix: The checkpoint, for messages.

    Returns:
        What the user should know.

    Raises:
        ModelError: The variables do not fit the model.
    """
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    left_out = {name for name in shapes if _is_training(name, shapes)}
    taken: dict[str, Any] = {}
    landing = Landing()
    for variable in model_variables(frameworks, model):
        own = variable_name(variable)
        parts = own.split("/")
        endings = ["/".join(parts[start:]) for start in range(len(parts))]
        name = next((each for each in endings if each in shapes and each not in taken), "")
        if not name:
            landing.only_in_model.append(shown(own, variable.shape))
        elif shapes[name] != tuple(variable.shape):
            landing.misfits.append(
                f"{shown(name, shapes[name])} in the file, {shown(own, variable.shape)} in the model"
            )
            taken[name] = variable
        else:
            taken[name] = variable
    landing.only_in_file += [shown(name, shapes[name]) for name in shapes if name not in taken and name not in left_out]
    landing.check(Path(prefix), "Its variables have names and nothing else: those of the model have to be the same.")
    for name, variable in taken.items():
        assign(variable, read_tensor(frameworks, reader, prefix, name))
    return ()


def _is_training(name: str, shapes: dict[str, tuple[int, ...]]) -> bool:
    slot = _SLOT.fullmatch(name)
    return bool(_TRAINING.fullmatch(name)) or (slot is not None and slot[1] in shapes)
