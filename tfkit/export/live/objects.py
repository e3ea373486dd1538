"""Tells what an object in this process is, and makes live models of it: one a signature."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tfkit.arrays import Array
from tfkit.errors import ModelError, UsageError
from tfkit.export.legacy.model import LegacyModel, plain_layers
from tfkit.export.live.frameworks import Frameworks
from tfkit.export.live.functions import FunctionModel, function_name, is_function, module_models, sample_spec
from tfkit.export.live.keras_model import KerasModel
from tfkit.export.live.model import LiveModel
from tfkit.tensors import DEFAULT_SIGNATURE


def live_models(
    frameworks: Frameworks, thing: Any, signature: str | None, samples: Mapping[str, Array]
) -> Mapping[str, LiveModel]:
    """The live models that an object holds, by signature.

    Args:
        frameworks: The imported Keras and TensorFlow.
        thing: A Keras model, a ``tf.Module``, a ``tf.function`` or a ``ConcreteFunction``.
        signature: The signature's name; of a module with several functions the one to take.
        samples: Arrays by input: they say what something takes that does not say so itself.

    Raises:
        UsageError: It is none of these.
        ModelError: It does not say what it takes, or cannot be served.
        SignatureError: It has no function of that name.
    """
    kind = live_kind(frameworks, thing)
    if kind == "keras model":
        return {signature or DEFAULT_SIGNATURE: KerasModel(frameworks, thing, samples)}
    if kind == "tf-keras model":
        return {signature or DEFAULT_SIGNATURE: _legacy_model(frameworks, thing, samples)}
    if kind == "tf.function":
        model = FunctionModel(frameworks, thing, function_name(thing), samples=samples)
        return {signature or DEFAULT_SIGNATURE: model}
    if kind == "tf.Module":
        return module_models(frameworks, thing, signature, samples)
    raise UsageError(
        f"expected a path, a Keras model, a tf.Module or a tf.function, and got {describe(thing)}",
        hint="A layer becomes a model with keras.Sequential([keras.Input(...), layer]); "
        "a function of Python with @tf.function(input_signature=[...]).",
    )


def _legacy_model(frameworks: Frameworks, model: Any, samples: Mapping[str, Array]) -> LiveModel:
    """A model of tf-keras; one that says nothing of its inputs is traced as TensorFlow's functions are."""
    if model.inputs:
        return LegacyModel(frameworks, model)
    tf, arguments = frameworks.tf, inspect.signature(model.call).parameters
    known = _first_call(model) if not samples else None
    if known is not None:

        def call_as_before(*tensors: Any) -> Any:
            with plain_layers(model):
                return model(*tensors, training=False)

        function = tf.function(call_as_before, input_signature=known)
        return FunctionModel(frameworks, function, str(model.name), holder=model)
    if samples and set(samples) <= set(arguments):
        first = next(iter(arguments))
        specs = {name: sample_spec(frameworks, name, array) for name, array in samples.items()}

        def call(**given: Any) -> Any:
            with plain_layers(model):
                return model(given.pop(first), **given, training=False)

        function = tf.function(call).get_concrete_function(**specs)
        return FunctionModel(frameworks, function, str(model.name), holder=model)
    raise ModelError(
        f"model {model.name!r} of tf-keras does not say what it takes",
        hint="Call it once on real data before exporting it, or give samples by the arguments of its call: "
        f"tfkit.export_model(model, FOLDER, inputs={{{next(iter(arguments), 'x')!r}: array}}).",
    )


def _first_call(model: Any) -> Sequence[Any] | None:
    """What a model of tf-keras was called with first; ``None`` if it was not, or with what no signature can say."""
    try:
        known = model.save_spec()
    except ValueError:  # it was called with variables
        return None
    return None if known is None or known[1] else known[0]


def live_kind(frameworks: Frameworks, thing: Any) -> str:
    """``keras model``, ``tf-keras model``, ``tf.function`` or ``tf.Module``; empty for anything else."""
    if isinstance(thing, frameworks.keras.Model):
        return "keras model"
    if is_legacy_model(thing):
        return "tf-keras model"
    if is_function(frameworks, thing):
        return "tf.function"
    return "tf.Module" if isinstance(thing, frameworks.tf.Module) else ""


def is_legacy_model(thing: Any) -> bool:
    """Whether something is a model of tf-keras, which is Keras 2 for today's TensorFlow."""
    legacy = sys.modules.get("tf_keras")
    return legacy is not None and isinstance(thing, legacy.Model)


def live_name(thing: Any) -> str:
    """What an object is called in a report."""
    name = getattr(thing, "name", None)
    return str(name) if isinstance(name, str) else function_name(thing)


def describe(thing: Any) -> str:
    """What an object is, for messages."""
    if thing is None:
        return "None"
    return f"an object of {type(thing).__module__}.{type(thing).__qualname__}"
