"""What a SavedModel is made of, without TensorFlow: ``inspect_model`` and its report."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.structure import shape_list
from tfkit.errors import SignatureError
from tfkit.savedmodel.checkpoint import Variable, check_variables, read_index
from tfkit.savedmodel.files import BINARY_NAME, TEXT_NAME, find_model_file, readable
from tfkit.savedmodel.reader import MetaGraph, find_metagraph, find_signature, read_metagraphs
from tfkit.tensors import Signature, TensorSpec

_ASSETS, _EXTRA_ASSETS = "assets", "assets.extra"


@dataclass(frozen=True, slots=True)
class FileSize:
    """A file beside the graph: its path in its folder, and its size."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What a SavedModel is made of.

    Attributes:
        file: The file that holds its graphs.
        file_bytes: The size of that file.
        folder_bytes: The size of the whole folder; that of the file if it stands alone.
        metagraphs: Its graphs, each with its tags, signatures, and the TensorFlow that wrote it.
        variables: Its variables, by name.
        assets: Files of the folder ``assets``, which graphs read when they are loaded.
        extra_assets: Files of the folder ``assets.extra``, which TensorFlow ignores: warm-up requests, evidence.
    """

    file: Path
    file_bytes: int
    folder_bytes: int
    metagraphs: tuple[MetaGraph, ...]
    variables: tuple[Variable, ...]
    assets: tuple[FileSize, ...]
    extra_assets: tuple[FileSize, ...]

    @property
    def variables_bytes(self) -> int:
        """What all variables take together."""
        return sum(variable.size_bytes for variable in self.variables)

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit inspect --all`` prints it."""
        return {
            "assets_extra": [_file_dict(each) for each in self.extra_assets],
            "file": str(self.file),
            "file_bytes": self.file_bytes,
            "folder_bytes": self.folder_bytes,
            "metagraphs": [self._metagraph_dict(each) for each in self.metagraphs],
            "variables": {
                "count": len(self.variables),
                "items": [_variable_dict(each) for each in self.variables],
                "size_bytes": self.variables_bytes,
            },
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it: its signatures."""
        return "".join(each._repr_html_() for graph in self.metagraphs for each in graph.signatures.values())

    def _metagraph_dict(self, metagraph: MetaGraph) -> dict[str, Any]:
        asset_sizes = {each.name: each.size_bytes for each in self.assets}
        return {
            "assets": [
                {"filename": each.filename, "size_bytes": asset_sizes.get(each.filename), "tensor": each.tensor}
                for each in metagraph.assets
            ],
            "default_signature": _default_name(metagraph),
            "graph": _graph_dict(metagraph),
            "signatures": [_signature_dict(each) for each in metagraph.signatures.values()],
            "tags": list(metagraph.tags),
            "tensorflow_git_version": metagraph.tensorflow_git_version,
            "tensorflow_version": metagraph.tensorflow_version,
        }


def inspect_model(path: str | Path, *, tags: Collection[str] | None = None) -> ModelReport:
    """Reports what a SavedModel is made of, without TensorFlow and without reading tensors.

    Args:
        path: A SavedModel's folder, or its ``saved_model.pb`` or ``saved_model.pbtxt``.
        tags: Report only the graph that has exactly these tags.

    Raises:
        ModelError: There is no SavedModel at ``path``, or a damaged one, or its variables are missing or cut off
            (only where ``path`` is a ``saved_model.pb`` itself may they be missing).
        MissingError: A file may not be read.
    """
    file = find_model_file(path)
    metagraphs = read_metagraphs(file, graph=True)
    if tags is not None:
        metagraphs = (find_metagraph(metagraphs, tags, path),)
    file_bytes = file.stat().st_size
    if file.name not in (BINARY_NAME, TEXT_NAME):
        return ModelReport(file, file_bytes, file_bytes, metagraphs, variables=(), assets=(), extra_assets=())
    folder = file.parent
    needed = Path(path).is_dir() and any(each.restore_op for each in metagraphs)
    with readable(folder):
        prefix = check_variables(folder, needed=needed)
        return ModelReport(
            file=file,
            file_bytes=file_bytes,
            folder_bytes=sum(each.size_bytes for each in _files(folder)),
            metagraphs=metagraphs,
            variables=read_index(prefix) if prefix else (),
            assets=tuple(_files(folder / _ASSETS)),
            extra_assets=tuple(_files(folder / _EXTRA_ASSETS)),
        )


def _files(folder: Path) -> Iterator[FileSize]:
    """Every file of a folder and of the folders in it, by name; nothing if there is no such folder."""
    if not folder.is_dir():
        return
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            yield FileSize(str(file.relative_to(folder)), file.lstat().st_size)


def _raise(error: OSError) -> None:
    raise error


def _default_name(metagraph: MetaGraph) -> str | None:
    try:
        return find_signature(metagraph.signatures).name
    except SignatureError:
        return None


def _graph_dict(metagraph: MetaGraph) -> dict[str, Any] | None:
    graph = metagraph.graph
    if graph is None:
        return None
    return {
        "functions": graph.functions,
        "min_consumer": graph.min_consumer,
        "ops": graph.ops,
        "producer": graph.producer,
        "size_bytes": metagraph.graph_bytes,
    }


def _signature_dict(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": [_spec_dict(each) for each in signature.inputs],
        "method": signature.method,
        "name": signature.name,
        "outputs": [_spec_dict(each) for each in signature.outputs],
    }


def _spec_dict(spec: TensorSpec) -> dict[str, Any]:
    """An item of the structure JSON with its tensor, and with its rank: 0 for a scalar, null for an unknown one."""
    return {
        "name": spec.name,
        "rank": None if spec.shape is None else len(spec.shape),
        "shape": shape_list(spec.shape),
        "tensor": spec.tensor,
        "type": spec.dtype.proto_name,
    }


def _variable_dict(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "shape": shape_list(variable.shape),
        "size_bytes": variable.size_bytes,
        "type": variable.dtype.proto_name,
    }


def _file_dict(file: FileSize) -> dict[str, Any]:
    return {"name": file.name, "size_bytes": file.size_bytes}
