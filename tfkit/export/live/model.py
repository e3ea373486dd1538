"""What a live model is to the rest of an export: named inputs with dtype and shape, and a call with named outputs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.errors import ModelError
from tfkit.export.names import Port
from tfkit.tensors import DType, Shape, TensorSpec


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """One output of a call.

    Attributes:
        port: Its name.
        tensor: What the model gave.
        shape: The shape that is known of it beside the tensor's own; ``None`` if none is.
    """

    port: Port
    tensor: Any
    shape: Shape | None


class LiveModel(Protocol):
    """A model in this process that can be called eagerly and be traced."""

    @property
    def name(self) -> str:
        """The model's own name, for messages."""

    @property
    def input_ports(self) -> tuple[Port, ...]:
        """Names of the inputs, in the order in which ``call`` takes tensors."""

    @property
    def input_specs(self) -> tuple[TensorSpec, ...]:
        """Dtype and shape of each."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how it is called."""

    @property
    def assumed_dtype(self) -> str:
        """The dtype that the inputs are taken to have, where the model does not say it; else empty."""

    @property
    def trackable(self) -> Any:
        """The object that holds what the model uses: variables and lookup tables."""

    def call(self, tensors: Sequence[Any]) -> tuple[ModelOutput, ...]:
        """Calls the model as in inference."""

    def predict(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Calls the model eagerly; outputs by their own names."""

    def graph_scopes(self) -> AbstractContextManager[None]:
        """Lets the model be traced whatever its parts are called."""


def check_dense(tf: Any, name: str, tensor: Any) -> None:
    """Checks that an output is something that a service can answer with.

    Raises:
        ModelError: It is a sparse or a ragged tensor.
    """
    if isinstance(tensor, tf.SparseTensor | tf.RaggedTensor):
        raise ModelError(
            f"output {name!r} is a {type(tensor).__name__}: a service answers with dense tensors only",
            hint="Make it dense in the model, with a keras.ops or tf function such as to_tensor or to_dense.",
        )


def as_array(tensor: Any) -> Array:
    """An eager tensor's values; a scalar string is an array as well."""
    value = tensor.numpy()
    if isinstance(value, np.ndarray):
        return value
    held = np.empty((), dtype=NUMPY_DTYPES[DType(tensor.dtype.as_datatype_enum)])
    held[()] = value
    return held
