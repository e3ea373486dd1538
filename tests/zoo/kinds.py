"""Kinds of models, and what they are made of; needs TensorFlow."""

from __future__ import annotations

import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.old_tensorflow.recorded import Case
from tfkit.arrays import Array, string_array

FAMILIES = (
    "dense", "convolutions", "images", "sequences", "attention", "preprocessing", "operations", "control_flow",
    "strings", "indexing", "sparse", "signals", "sources", "applications", "real",
)  # fmt: skip
BATCH_SIZES = (1, 5)
# The largest relative errors that are right: of float32; about ten units of the last place of float16 and of bfloat16.
FLOAT32, FLOAT16, BFLOAT16 = 1e-5, 5e-3, 4e-2
# Where everything random comes from: the same for a kind whichever others are made.
RANDOM = np.random.RandomState(0)

Values = Callable[[int], Array]


@dataclass(frozen=True)
class Run:
    """What a signature is asked."""

    inputs: dict[str, Array]
    signature: str = "serving_default"


@dataclass(frozen=True)
class Made:
    """A model.

    Attributes:
        save: Writes the SavedModel.
        runs: What it is asked.
        check: Looks at what came out, where there is something else to compare it with.
    """

    save: Callable[[Path], None]
    runs: list[Run]
    check: Callable[[Sequence[Case]], None] = lambda _: None


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Attributes:
        name: Its function's name.
        family: The file that it is in.
        what: Its function's docstring.
        build: Makes one.
        big: Whether only the whole zoo has it.
        tolerance: The largest relative error that is right.
    """

    name: str
    family: str
    what: str
    build: Callable[[], Made]
    big: bool
    tolerance: float


KINDS: dict[str, Kind] = {}


def kind(
    build: Callable[[], Made] | None = None,
    *,
    big: bool = False,
    name: str = "",
    tolerance: float = FLOAT32,
) -> Callable[..., Any]:
    """Marks a function as a kind of model."""

    def mark(build: Callable[[], Made]) -> Callable[[], Made]:
        known = name or build.__name__
        family = build.__module__.rpartition(".")[2]
        KINDS[known] = Kind(known, family, (build.__doc__ or "").strip().rstrip("."), build, big, tolerance)
        return build

    return mark if build is None else mark(build)


def given(signature: str = "serving_default", batches: Sequence[int] = BATCH_SIZES, **inputs: Values) -> list[Run]:
    """A run at each batch size."""
    return [Run({name: values(size) for name, values in inputs.items()}, signature) for size in batches]


def normal(*shape: int, scale: float = 1.0, dtype: Any = np.float32) -> Values:
    """Normally distributed numbers, of that shape for each example."""
    return lambda size: (RANDOM.standard_normal((size, *shape)) * scale).astype(dtype)


def uniform(low: float, high: float, *shape: int, dtype: Any = np.float32) -> Values:
    """Numbers in a range."""
    return lambda size: RANDOM.uniform(low, high, (size, *shape)).astype(dtype)


def integers(low: int, high: int, *shape: int, dtype: Any = np.int32) -> Values:
    """Whole numbers from ``low``, below ``high``."""
    return lambda size: RANDOM.randint(low, high, (size, *shape)).astype(dtype)


def rows(*values: Any, dtype: Any = None) -> Values:
    """Those examples: the first ones of a larger batch, the last one where the batch is of one."""
    return lambda size: as_array([values[-1]] if size == 1 else [values[at % len(values)] for at in range(size)], dtype)


def always(value: Any, dtype: Any = None) -> Values:
    """The same whatever the batch size."""
    return lambda size: as_array(value, dtype)


def as_array(value: Any, dtype: Any = None) -> Array:
    """An array as runtimes take it."""
    array = np.asarray(value, dtype)
    if array.dtype.kind in "SUO":
        return string_array(np.asarray(value, object))
    return array if dtype is not None or array.dtype.kind != "f" else array.astype(np.float32)


def weights(*shape: int, scale: float = 1.0) -> tf.Variable:
    """A variable of random numbers."""
    return tf.Variable((RANDOM.standard_normal(shape) * scale).astype(np.float32))


def keras_model(model: keras.Model, runs: list[Run]) -> Made:
    """A Keras model as Keras exports it, with weights and statistics as training would leave them: all different."""
    randomise(model)
    return Made(lambda folder: model.export(folder, verbose=False), runs)


def layered(shape: Sequence[int | None], layers: Iterable[Any], runs: list[Run], dtype: str = "float32") -> Made:
    """A stack of layers."""
    return keras_model(keras.Sequential([keras.Input(shape, dtype=dtype, name="x"), *layers]), runs)


def functional(inputs: Any, outputs: Any, runs: list[Run]) -> Made:
    """A functional Keras model."""
    return keras_model(keras.Model(inputs, outputs), runs)


def randomise(model: keras.Model) -> None:
    """Gives different values to weights that start out all the same, and embeddings of a size that matters."""
    for weight in model.weights:
        name = weight.path.rpartition("/")[2]
        if name.endswith(("variance", "gamma", "scale")):
            weight.assign(RANDOM.uniform(0.6, 1.4, weight.shape))
        elif name.endswith(("mean", "beta", "bias", "alpha")):
            weight.assign(RANDOM.standard_normal(weight.shape) * 0.2)
        elif name == "embeddings":
            weight.assign(RANDOM.standard_normal(weight.shape))


def spec(dtype: str = "float32", *shape: int | None) -> tf.TensorSpec:
    """What a function takes: any number of examples of that shape."""
    return tf.TensorSpec([None, *shape], dtype)


def function(
    serve: Callable[..., Mapping[str, Any]], specs: Sequence[tf.TensorSpec], runs: list[Run], *, keep: Any = ()
) -> Made:
    """A function of TensorFlow 2; ``keep`` are the variables and tables that it uses."""
    holder = tf.Module()
    holder.kept = keep
    holder.serve = tf.function(serve, input_signature=specs)
    return Made(lambda folder: save_module(holder, folder, serving_default=holder.serve), runs)


def save_module(holder: tf.Module, folder: Path, **signatures: Any) -> None:
    """Saves a module."""
    tf.saved_model.save(holder, str(folder), signatures=signatures)
