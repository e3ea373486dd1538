"""A TensorFlow 1 checkpoint as a source: the graph from its ``.meta`` file, the variables as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.structure import is_internal
from tfkit.errors import ModelError
from tfkit.export.graphs.reading import graph_source, parse_graph
from tfkit.export.graphs.serving import GRAPH_OPTIONS, Ends, naming, serve_graph
from tfkit.export.graphs.state import gather_state, variables_of
from tfkit.export.graphs.written import GraphModel
from tfkit.export.report import Source
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.graph.closure import needed_by
from tfkit.savedmodel.checkpoint import Variable, read_index
from tfkit.savedmodel.checkpoint_files import CheckpointFiles
from tfkit.savedmodel.files import DAMAGED_HINT, is_text, map_file
from tfkit.savedmodel.text import parse_text

# Collections of TensorFlow 1 (tf.GraphKeys), each a list of the names of nodes or tensors.
_LOSSES, _UPDATES, _TRAIN, _ASSETS = "losses", "update_ops", "train_op", "asset_filepaths"


@dataclass(frozen=True, slots=True)
class Tf1Checkpoint:
    """A checkpoint whose graph lies beside it.

    Attributes:
        files: Where it is.
        model: What it becomes.
    """

    files: CheckpointFiles
    model: GraphModel

    @classmethod
    def read(cls, files: CheckpointFiles, options: SourceOptions) -> Tf1Checkpoint:
        """Reads the graph and the checkpoint's index, and finds what is to be served.

        Raises:
            ModelError: A file is missing or damaged, or the variables do not fit the graph.
            SignatureError: A tensor is not there, or what is meant is not clear.
            UsageError: An option means nothing here.
        """
        options.allow("a TensorFlow 1 checkpoint", *GRAPH_OPTIONS)
        metagraph = _read_graph(files.meta)
        with naming(files.meta):
            served = serve_graph(
                metagraph.graph_def,
                options,
                ops=metagraph.meta_info_def.stripped_op_list,
                signatures=_signatures(metagraph),
                losses=_collection(metagraph, _LOSSES),
                training=[*_collection(metagraph, _UPDATES), *_collection(metagraph, _TRAIN)],
            )
            index = _read_variables(files) if variables_of(needed_by(served.ends)) or files.index.exists() else {}
            state = gather_state(
                served.graph,
                served.ends,
                restore_op=metagraph.saver_def.restore_op_name.partition(":")[0],
                asset_paths=_collection(metagraph, _ASSETS),
                folder=files.folder,
                index=index,
            )
        model = GraphModel(
            files.meta, served, state, files.parts(), metagraph.meta_info_def.tensorflow_version, (files.note,)
        )
        return cls(files, model)

    def describe(self) -> Source:
        """What it is, for the report."""
        return graph_source("TensorFlow 1 checkpoint", self.files.stem or self.files.folder.name, self.files.meta)

    def write(self, folder: Path) -> PlainModel:
        """Writes it as a SavedModel."""
        return self.model.write(folder)


def _read_graph(file: Path) -> Any:
    """The ``MetaGraphDef`` that a saver writes, or that ``export_meta_graph(..., as_text=True)`` does."""
    with map_file(file) as data:
        metagraph = parse_graph("MetaGraphDef", file, parse_text(file, data[:]) if is_text(data) else data)
    if not metagraph.graph_def.node:
        raise ModelError(f"{file} holds no graph: expected the MetaGraphDef that a saver writes", hint=DAMAGED_HINT)
    return metagraph


def _read_variables(files: CheckpointFiles) -> Mapping[str, Variable]:
    """What the checkpoint holds; all of its shards are there."""
    if not files.index.exists() and (first := files.first_format()) is not None:
        raise ModelError(
            f"{first} is a checkpoint of the first format (V1), which SavedModels cannot hold",
            hint="Restore it in TensorFlow 1 and save it in the second: tf.train.Saver().save(session, PREFIX).",
        )
    return {variable.name: variable for variable in read_index(files.prefix, complete=True)}


def _collection(metagraph: Any, name: str) -> list[str]:
    """The names of the nodes in a collection."""
    if name not in metagraph.collection_def:
        return []
    return [text.partition(":")[0] for text in metagraph.collection_def[name].node_list.value]


def _signatures(metagraph: Any) -> dict[str, Ends]:
    """The signatures that the graph brings with it, those of single tensors."""
    found = {}
    for name, message in sorted(metagraph.signature_def.items()):
        inputs = {key: info.name for key, info in message.inputs.items()}
        outputs = {key: info.name for key, info in message.outputs.items()}
        if outputs and not is_internal(name) and all((*inputs.values(), *outputs.values())):
            found[name] = Ends(inputs, outputs, message.method_name)
    return found
