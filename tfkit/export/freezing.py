"""The values of a SavedModel's variables, as TensorFlow itself restores them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from tfkit import proto
from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.errors import ModelError
from tfkit.graph.nodes import Tensor
from tfkit.lower.facts import Facts
from tfkit.lower.flat import FlatModel, FlatSignature
from tfkit.lower.freeze import freeze, read_each, variables_of
from tfkit.lower.signatures import ChosenSignature, read_chosen
from tfkit.lower.target import Target
from tfkit.lower.write import write_flat
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import Runtime
from tfkit.tensors import DType

_READ = "values"
# What a serialized graph may take, with something left for the graph itself.
_MOST_BYTES = 2**31 - (64 << 20)


def variable_values(path: Path, tags: Collection[str], signatures: Iterable[str | ChosenSignature]) -> dict[str, Array]:
    """The values of the variables that some signatures of a SavedModel need, by the names of their nodes.

    Raises:
        ModelError: They are too large for a graph, or are not there.
    """
    return _values(read_chosen(path, tags, signatures))


def frozen(model: FlatModel) -> FlatModel:
    """A model with constants for its variables.

    Raises:
        ModelError: They are too large for a graph, are not there, or the model changes them.
    """
    values, model = _values(model.copy()), model.copy()
    freeze(model, values)
    return model


def _values(model: FlatModel) -> dict[str, Array]:
    """The values of a model's variables; it is fit for nothing else afterwards."""
    if model.restore is None:
        return {}
    _check_size(model)
    reads = read_each(model)
    return tensor_values(model, reads) if reads else {}


def tensor_values(model: FlatModel, tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """The values that some tensors of a model have when it is loaded; it is fit for nothing else afterwards."""
    message = proto.message("tensorflow.SignatureDef")(method_name="tensorflow/serving/predict")
    facts, keys = Facts(model.graph), {f"value_{index}": name for index, name in enumerate(tensors)}
    for key, name in keys.items():
        message.outputs[key].dtype = facts.dtype(tensors[name])
    model.signatures = {_READ: FlatSignature(message, {}, {key: tensors[name] for key, name in keys.items()})}
    model.prune()
    with tempfile.TemporaryDirectory(prefix="tfkit-") as folder, Runtime(device="cpu") as runtime:
        write_flat(model, Target(INSTALLED), Path(folder))
        found = runtime.load(folder).predict({}, signature=_READ)
    return {name: found[key] for key, name in keys.items()}


def _check_size(model: FlatModel) -> None:
    size = 0
    for node in variables_of(model).values():
        dtype = NUMPY_DTYPES.get(DType(node.type_attr("dtype")))
        sizes = [dim.size for dim in node.attrs["shape"].shape.dim]
        size += math.prod(sizes) * dtype.itemsize if dtype is not None and min(sizes, default=0) >= 0 else 0
    if size > _MOST_BYTES:
        raise ModelError(
            f"{model.path}: its variables take {size} bytes, and a graph can hold {_MOST_BYTES} at most",
            hint="Export it as a SavedModel without --freeze: variables of any size stay a checkpoint.",
        )
