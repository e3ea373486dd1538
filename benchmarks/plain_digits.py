"""The digits MLP written out operation by operation, its weights as constants: every TensorFlow since 1.12 loads it.

What Keras exports needs a TensorFlow of today, and the same model has to run in all that are compared.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tfkit.proto import message
from tfkit.tensors import DEFAULT_SIGNATURE, PREDICT_METHOD, SERVE_TAG, DType

_GRAPH_VERSION = 27  # TensorFlow 1.12's
_LAYERS = (("dense", "Relu"), ("dense_1", "Relu"), ("dense_2", "Softmax"))


def write(source: Path, folder: Path) -> Path:
    """Writes the model of ``digits_mlp.keras`` into a folder: images float32[?, 784] -> scores float32[?, 10]."""
    model = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = model.meta_graphs.add()
    metagraph.meta_info_def.tags.append(SERVE_TAG)
    graph = metagraph.graph_def
    graph.versions.producer = _GRAPH_VERSION
    shape = _node(graph, "images", "Placeholder", [], "dtype").attr["shape"].shape
    shape.dim.add(size=-1)
    shape.dim.add(size=784)
    last = "images"
    for name, (weights, bias), activation in _layers(source):
        for part, values in (("weights", weights), ("bias", bias)):
            _constant(graph, f"{name}/{part}", values)
        _node(graph, f"{name}/product", "MatMul", [last, f"{name}/weights"])
        _node(graph, f"{name}/sum", "BiasAdd", [f"{name}/product", f"{name}/bias"])
        _node(graph, f"{name}/{activation}", activation, [f"{name}/sum"])
        last = f"{name}/{activation}"
    signature = metagraph.signature_def[DEFAULT_SIGNATURE]
    signature.method_name = PREDICT_METHOD
    for place, name, tensor, width in (
        (signature.inputs, "images", "images", 784),
        (signature.outputs, "scores", last, 10),
    ):
        place[name].name, place[name].dtype = f"{tensor}:0", int(DType.FLOAT)
        for size in (-1, width):
            place[name].tensor_shape.dim.add(size=size)
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def _layers(source: Path) -> list[tuple[str, list[NDArray[np.float32]], str]]:
    with zipfile.ZipFile(source) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        return [(name, [file[f"layers/{name}/vars/{index}"][()] for index in (0, 1)], op) for name, op in _LAYERS]


def _node(graph: Any, name: str, op: str, inputs: list[str], dtype_attr: str = "T") -> Any:
    node = graph.node.add(name=name, op=op, input=inputs)
    node.attr[dtype_attr].type = int(DType.FLOAT)
    return node


def _constant(graph: Any, name: str, values: NDArray[np.float32]) -> None:
    tensor = _node(graph, name, "Const", [], "dtype").attr["value"].tensor
    tensor.dtype = int(DType.FLOAT)
    tensor.tensor_content = values.astype("<f4").tobytes()
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
