"""A Keras model as export sees it: named inputs with dtype and shape, and a call that gives named outputs.

Names are those of the model: the keys of dictionaries, else the names of the input layers and of the layers that make
the outputs. What its author did not name, Keras numbers by what else the process has made (``keras_tensor_17`` in a
notebook, ``input_layer`` once it was saved); such inputs are called ``keras_tensor``, ``keras_tensor_1``, ... by their
place, so that a live model and its file give the same signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tfkit.arrays import Array
from tfkit.errors import ModelError, TfkitError, UsageError
from tfkit.export.live.budget import Budget
from tfkit.export.live.frameworks import Frameworks, check_backend, first_line, quiet_logs
from tfkit.export.live.keras_calls import CallPlan, plan_call
from tfkit.export.live.keras_file import KerasFile
from tfkit.export.live.model import ModelOutput, as_array, check_dense
from tfkit.export.names import Port, is_scope_name, scope_name, unique_names
from tfkit.tensors import DType, TensorSpec

# What Keras calls the class of such layers, which is not public: since 3.9, and before.
_DATA_LAYERS = ("DataLayer", "TFDataLayer")
_AUTOMATIC_NAME = re.compile(r"(keras_tensor|input_layer)(_\d+)?")


class KerasModel:
    """A live Keras model.

    Args:
        frameworks: The imported Keras and TensorFlow.
        model: The model.
        samples: Arrays by input name: they say what a subclassed model takes, which does not say so itself.

    Raises:
        UsageError: It is no Keras 3 model.
        ModelError: What it takes is not known, or cannot be served.
    """

    def __init__(self, frameworks: Frameworks, model: Any, samples: Mapping[str, Array] | None = None) -> None:
        keras = frameworks.keras
        if not isinstance(model, keras.Model):
            kind = f"{type(model).__module__}.{type(model).__qualname__}"
            raise UsageError(
                f"expected a path or a Keras 3 model, and got an object of {kind}",
                hint="A layer becomes a model with keras.Sequential([keras.Input(...), layer]).",
            )
        check_backend(keras)
        self._frameworks = frameworks
        self._model = model
        self._plan: CallPlan = plan_call(keras, model, samples or {})
        self.notes = self._plan.notes
        names = unique_names(_input_name(index, name) for index, name in enumerate(self._plan.names))
        self.input_ports = tuple(Port(name, aliases) for name, aliases in zip(names, self._plan.aliases, strict=True))
        self.input_specs = tuple(
            TensorSpec(name, _dtype(spec.dtype, name), spec.shape)
            for name, spec in zip(names, self._plan.specs, strict=True)
        )

    @property
    def name(self) -> str:
        """The model's own name."""
        return str(self._model.name)

    @property
    def assumed_dtype(self) -> str:
        """The dtype that the inputs are taken to have, where the model does not say it; else empty."""
        return self._plan.assumed_dtype

    @property
    def trackable(self) -> Any:
        """The Keras model, to find what it holds."""
        return self._model

    def call(self, tensors: Sequence[Any]) -> tuple[ModelOutput, ...]:
        """Calls the model as in inference; tensors are in the order of ``input_specs``.

        Raises:
            ModelError: An output is no dense tensor.
        """
        tf = self._frameworks.tf
        result = self._plan.call(tensors)
        leaves = [
            (path, leaf) for path, leaf in self._frameworks.keras.tree.flatten_with_path(result) if leaf is not None
        ]
        names = unique_names(_output_names(leaves, self._plan.output_names))
        known = self._plan.output_shapes if len(self._plan.output_shapes) == len(leaves) else [None] * len(leaves)
        for name, (_, leaf) in zip(names, leaves, strict=True):
            check_dense(tf, name, leaf)
        return tuple(
            ModelOutput(Port(name, (*_layer_alias(self._plan.output_names, index), f"output_{index}")), leaf, shape)
            for index, (name, (_, leaf), shape) in enumerate(zip(names, leaves, known, strict=True))
        )

    @contextmanager
    def graph_scopes(self) -> Iterator[None]:
        """Lets the model be traced whatever it and its layers are called.

        Keras opens a scope by the name of each layer, and graphs take no spaces and no letters but ASCII in one: such
        layers have another name in the block.
        """
        renamed = {layer: layer.name for layer in self._layers() if not is_scope_name(layer.name)}
        for layer, name in renamed.items():
            layer.name = scope_name(name)
        try:
            yield
        finally:
            for layer, name in renamed.items():
                layer.name = name

    def predict(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Calls the model on arrays in the order of ``input_specs``; outputs by their own names.

        Eagerly, but where that is not what Keras's own ``predict`` gives; see ``_casts_in_graphs``.
        """
        tf = self._frameworks.tf

        def call(*tensors: Any) -> dict[str, Any]:
            return {output.port.name: tf.convert_to_tensor(output.tensor) for output in self.call(tensors)}

        tensors = [tf.convert_to_tensor(array) for array in arrays]
        with quiet_logs():
            if self._casts_in_graphs():
                with self.graph_scopes():
                    outputs = tf.function(call, autograph=False)(*tensors)
            else:
                outputs = call(*tensors)
        return {name: as_array(tensor) for name, tensor in outputs.items()}

    def _casts_in_graphs(self) -> bool:
        """Whether the model treats whole numbers otherwise in a graph than when it is called.

        Keras's layers for pictures make floats of them in a graph, ``predict``'s too, and eagerly round back to the
        numbers that came, whatever dtype they declare.
        """
        numbers = [spec for spec in self.input_specs if not (spec.dtype.is_float or spec.dtype is DType.STRING)]
        return bool(numbers) and any(
            each.__name__ in _DATA_LAYERS for layer in self._layers() for each in type(layer).__mro__
        )

    def _layers(self) -> Sequence[Any]:
        return list(self._model._flatten_layers())  # noqa: SLF001  # Keras has no public way to nested layers


def load_model(
    frameworks: Frameworks,
    file: KerasFile,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    allow_code: bool = False,
) -> Any:
    """Loads a ``.keras`` file that was checked.

    Args:
        frameworks: The imported Keras and TensorFlow.
        file: The file.
        custom_objects: The classes and functions that it needs, by the names that it has for them.
        allow_code: Run the code that it holds.

    Raises:
        ModelError: Keras cannot load it, or it holds no model.
    """
    try:
        with quiet_logs(), Budget(file.path, file.weights_bytes).kept(frameworks):
            model = frameworks.keras.saving.load_model(
                file.path, custom_objects=custom_objects, compile=False, safe_mode=not allow_code
            )
    except TfkitError:
        raise
    except Exception as error:
        wrote = f"Keras {file.keras_version}" if file.keras_version else "an unknown Keras"
        raise ModelError(
            f"Keras {frameworks.keras.__version__} cannot load {file.path}: {first_line(error)}",
            hint=f"The file was written by {wrote}. If it loads there, save it again, or export it in Python with "
            "tfkit.export_model(model, FOLDER).",
        ) from error
    if not isinstance(model, frameworks.keras.Model):
        raise ModelError(f"{file.path} holds a {type(model).__name__}: expected a model")
    return model


def _input_name(index: int, name: str) -> str:
    if _AUTOMATIC_NAME.fullmatch(name):
        return f"keras_tensor_{index}" if index else "keras_tensor"
    return name


def _output_names(leaves: Sequence[tuple[Sequence[Any], Any]], layer_names: Sequence[str]) -> list[str]:
    """The keys that lead to an output; else the layer that makes it; else ``output``, or ``output_0`` and so on."""
    names = []
    for index, (path, _) in enumerate(leaves):
        if any(isinstance(part, str) for part in path):
            names.append("_".join(str(part) for part in path))
        elif len(layer_names) == len(leaves):
            names.append(layer_names[index])
        else:
            names.append("output" if len(leaves) == 1 else f"output_{index}")
    return names


def _layer_alias(layer_names: Sequence[str], index: int) -> tuple[str, ...]:
    return (layer_names[index],) if index < len(layer_names) else ()


def _dtype(name: str, port: str) -> DType:
    try:
        dtype = DType.parse(name)
    except ValueError:
        raise ModelError(f"input {port!r} has dtype {name}, which no request can hold") from None
    return dtype
