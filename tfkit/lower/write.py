"""Writes a flat model as a SavedModel of TensorFlow 1's kind, which every TensorFlow since loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.graph.graph_def import serialize_nodes
from tfkit.lower.facts import SHAPES
from tfkit.lower.flat import FlatModel
from tfkit.proto.wire import write_varint
from tfkit.savedmodel.files import BINARY_NAME, link_or_copy
from tfkit.tensors import SERVE_TAG

_MAIN_OP, _ASSETS = "saved_model_main_op", "saved_model_assets"
_ASSET_TYPE = "type.googleapis.com/tensorflow.AssetFileDef"
_LARGEST_BYTES = 2**31 - 1
# SavedModel.saved_model_schema_version = 1; SavedModel.meta_graphs; MetaGraphDef.graph_def
_SCHEMA_VERSION, _META_GRAPHS_TAG, _GRAPH_DEF_TAG = b"\x08\x01", b"\x12", b"\x12"


class Version(Protocol):
    """The TensorFlow that a graph is for."""

    @property
    def graph_version(self) -> int:
        """The version of ``GraphDef`` that it writes."""

    @property
    def tensorflow(self) -> str:
        """What it calls itself: ``1.15.0``."""


def write_flat(model: FlatModel, version: Version, folder: Path) -> None:
    """Writes a model into a folder that is there; its variables and assets are linked, or copied where they cannot be.

    Raises:
        ModelError: The graph takes 2 GiB or more, which no message can hold.
        OSError: There is no space left, or no permission.
    """
    write_graph(model, version, folder)
    if model.restore is not None:
        _link_all(model.path / "variables", folder / "variables")
    for name in sorted(set(model.assets.values())):
        link_or_copy(model.path / "assets" / name, folder / "assets" / name)


def write_graph(model: FlatModel, version: Version, folder: Path, *, shapes: bool = False) -> None:
    """Writes ``saved_model.pb`` alone, without the variables and assets that go with it.

    Args:
        model: The model.
        version: The TensorFlow that its graph is for.
        folder: A folder that is there.
        shapes: Keep the notes of what shapes there are, for what reads the graph next.

    Raises:
        ModelError: The graph takes 2 GiB or more, which no message can hold.
        OSError: There is no space left, or no permission.
    """
    graph = [*serialize_nodes(model.graph, notes=(SHAPES,) if shapes else ()), _versions(version)]
    graph_bytes = sum(map(len, graph))
    around = _metagraph(model, version).SerializeToString(deterministic=True)
    head = _GRAPH_DEF_TAG + write_varint(graph_bytes)
    total = len(around) + len(head) + graph_bytes
    if total > _LARGEST_BYTES:
        raise ModelError(
            f"{model.path}: its graph takes {total} bytes when its functions are inlined: 2 GiB is the most"
        )
    with (folder / BINARY_NAME).open("wb") as file:
        file.write(_SCHEMA_VERSION + _META_GRAPHS_TAG + write_varint(total) + around + head)
        file.writelines(graph)


def _versions(version: Version) -> bytes:
    message = proto.message("tensorflow.GraphDef")()
    message.versions.producer = version.graph_version
    return bytes(message.SerializeToString())


def _metagraph(model: FlatModel, version: Version) -> Any:
    """All of a ``MetaGraphDef`` but the graph."""
    message = proto.message("tensorflow.MetaGraphDef")()
    message.meta_info_def.tags.append(SERVE_TAG)  # what services load
    message.meta_info_def.tensorflow_version = version.tensorflow
    for name, signature in model.signatures.items():
        written = message.signature_def[name]
        written.CopyFrom(signature.message)
        written.ClearField("defaults")  # of the newest TensorFlows alone
        for infos, tensors in ((written.inputs, signature.inputs), (written.outputs, signature.outputs)):
            for key, tensor in tensors.items():
                infos[key].name = f"{tensor.node.name}:{tensor.output}"
    if model.init:
        message.collection_def[_MAIN_OP].node_list.value.extend(node.name for node in model.init)
    if model.restore is not None and model.checkpoint is not None:
        message.saver_def.CopyFrom(model.saver)
        message.saver_def.restore_op_name = model.restore.name
        message.saver_def.filename_tensor_name = f"{model.checkpoint.node.name}:{model.checkpoint.output}"
        # Nothing saves, but it must not be empty.
        message.saver_def.save_tensor_name = message.saver_def.filename_tensor_name
    for node, filename in model.assets.items():
        asset = message.asset_file_def.add(filename=filename)
        asset.tensor_info.name = f"{node.name}:0"
        # TensorFlow 1.12 looks for assets here alone.
        message.collection_def[_ASSETS].any_list.value.add(type_url=_ASSET_TYPE, value=asset.SerializeToString())
    return message


def _link_all(source: Path, target: Path) -> None:
    for path in _files(source):
        link_or_copy(path, target / path.relative_to(source))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
