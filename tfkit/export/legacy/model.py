"""A model in tf-keras, the last Keras 2, as export sees it: as that Keras names and calls it.

Names are those of the input layers and of the layers that make the outputs, which the old files hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tfkit.arrays import Array
from tfkit.errors import MissingError, ModelError
from tfkit.export.live.frameworks import Frameworks, quiet_logs
from tfkit.export.live.model import ModelOutput, as_array, check_dense
from tfkit.export.names import Port, is_scope_name, scope_name, unique_names
from tfkit.tensors import DType, Shape, TensorSpec

_CUDNN_FLAG = "_could_use_gpu_kernel"  # tf_keras/src/layers/rnn/lstm.py, gru.py
_FUSED_FLAG = "_fused"  # tf_keras/src/layers/normalization/layer_normalization.py


def import_tf_keras() -> Any:
    """tf-keras, imported when a model needs it.

    Raises:
        MissingError: It cannot be imported.
    """
    try:
        with quiet_logs():
            import tf_keras
    except ImportError as error:
        raise MissingError(
            f"this model needs tf-keras, the last Keras 2, which cannot be imported: {error}",
            hint="tfkit is installed with it; tfkit doctor says what is installed.",
        ) from error
    return tf_keras


class LegacyModel:
    """A live model of tf-keras that knows what it takes.

    Args:
        frameworks: The imported TensorFlow.
        model: The model.

    Raises:
        ModelError: It takes what no request can hold.
    """

    def __init__(self, frameworks: Frameworks, model: Any) -> None:
        self._tf = frameworks.tf
        self._model = model
        self._is_open = _learned_its_batch(model)
        names = unique_names(model.input_names)
        self.input_ports = tuple(Port(name) for name in names)
        self.input_specs = tuple(
            TensorSpec(name, _dtype(tensor, name), self._shape(tensor))
            for name, tensor in zip(names, model.inputs, strict=True)
        )
        note = "the batch size that the model was built with is left open"
        self.notes: tuple[str, ...] = (note,) if self._is_open else ()
        self.assumed_dtype = ""

    @property
    def name(self) -> str:
        """The model's own name."""
        return str(self._model.name)

    @property
    def trackable(self) -> Any:
        """The model, to find what it holds."""
        return self._model

    def call(self, tensors: Sequence[Any]) -> tuple[ModelOutput, ...]:
        """Calls the model as in inference; tensors are in the order of ``input_specs``.

        Raises:
            ModelError: An output is no dense tensor.
        """
        with plain_layers(self._model):
            result = self._model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        leaves = self._tf.nest.flatten(result)
        keys = sorted(result) if isinstance(result, Mapping) and len(result) == len(leaves) else None
        names = unique_names(keys or self._model.output_names)
        shapes = [self._shape(each) for each in self._tf.nest.flatten(self._model.outputs)]
        for name, leaf in zip(names, leaves, strict=True):
            check_dense(self._tf, name, leaf)
        return tuple(
            ModelOutput(Port(name, (layer, f"output_{index}")), leaf, shape)
            for index, (name, layer, leaf, shape) in enumerate(
                zip(names, self._model.output_names, leaves, shapes, strict=True)
            )
        )

    def _shape(self, tensor: Any) -> Shape:
        """The shape of an input or output, for batches of any size if that of the first call means nothing."""
        shape = tuple(tensor.shape)
        return (None, *shape[1:]) if self._is_open and shape else shape

    @contextmanager
    def graph_scopes(self) -> Iterator[None]:
        """Lets the model be traced whatever it and its layers are called."""
        layers = list(self._model._flatten_layers())  # noqa: SLF001  # tf-keras has no public way to nested layers
        renamed = {id(layer): (layer, layer.name) for layer in layers if not is_scope_name(layer.name)}
        for layer, name in renamed.values():
            layer._name = scope_name(name)  # noqa: SLF001  # of a layer the name is no public property to set
        try:
            yield
        finally:
            for layer, name in renamed.values():
                layer._name = name  # noqa: SLF001

    def predict(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Calls the model eagerly on arrays in the order of ``input_specs``; outputs by their own names."""
        with quiet_logs():
            outputs = self.call([self._tf.convert_to_tensor(array) for array in arrays])
        return {output.port.name: as_array(self._tf.convert_to_tensor(output.tensor)) for output in outputs}


@contextmanager
def plain_layers(model: Any) -> Iterator[None]:
    """Lets layers of tf-keras compute in the plain way, and in no faster one, in the block; the results are the same.

    LSTMs and GRUs are otherwise traced for cuDNN as well, with gradients, which takes many times as long and gives a
    graph to match. A LayerNormalization over several axes becomes nodes that TensorFlow's own optimizer merges wrongly.
    """
    layers = list(model._flatten_layers())  # noqa: SLF001  # tf-keras has no public way to nested layers
    changed = [(layer, _CUDNN_FLAG) for layer in layers if getattr(layer, _CUDNN_FLAG, False)]
    changed += [(layer, _FUSED_FLAG) for layer in layers if _is_fused(layer)]
    for layer, flag in changed:
        setattr(layer, flag, False)
    try:
        yield
    finally:
        for layer, flag in changed:
            setattr(layer, flag, True)


def _is_fused(layer: Any) -> bool:
    """Whether a layer is a LayerNormalization over several axes, computed as a batch normalization."""
    normalizes = isinstance(layer, import_tf_keras().layers.LayerNormalization)
    return normalizes and bool(getattr(layer, _FUSED_FLAG)) and len(layer.axis) > 1


def _learned_its_batch(model: Any) -> bool:
    """Whether the batch size is that of the first call: of a Sequential that nothing else told what it takes."""
    is_open = isinstance(model, import_tf_keras().Sequential) and not model._has_explicit_input_shape  # noqa: SLF001
    fixed = any(tuple(tensor.shape)[:1] != (None,) for tensor in model.inputs)
    return is_open and fixed and not any(getattr(layer, "stateful", False) for layer in model.layers)


def _dtype(tensor: Any, port: str) -> DType:
    try:
        return DType.parse(tensor.dtype.name)
    except ValueError:
        raise ModelError(f"input {port!r} has dtype {tensor.dtype.name}, which no request can hold") from None
