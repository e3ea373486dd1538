"""A frozen graph as a source: a GraphDef alone, its variables turned to constants."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.export.graphs.serving import GRAPH_OPTIONS, naming, serve_graph
from tfkit.export.graphs.state import gather_state, variables_of
from tfkit.export.graphs.written import GraphModel
from tfkit.export.report import Source
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.graph.closure import needed_by
from tfkit.savedmodel.files import DAMAGED_HINT, open_message
from tfkit.savedmodel.frozen import VARIABLES_HINT, is_frozen_graph

GRAPH_SUFFIXES = (".pb", ".pbtxt")


@dataclass(frozen=True, slots=True)
class FrozenGraphSource:
    """A graph whose variables are constants.

    Attributes:
        path: Its file.
        sha256: Of the file.
        model: What it becomes.
    """

    path: Path
    sha256: str
    model: GraphModel

    @classmethod
    def read(cls, path: Path, options: SourceOptions) -> FrozenGraphSource:
        """Reads the graph, and finds what is to be served.

        Raises:
            ModelError: The file is damaged, or its graph has variables after all.
            SignatureError: A tensor is not there, or what is meant is not clear.
            UsageError: An option means nothing here.
        """
        options.allow("a frozen graph", *GRAPH_OPTIONS)
        if not is_frozen_graph(path):
            raise ModelError(f"{path} holds no graph: expected a GraphDef", hint=DAMAGED_HINT)
        with open_message(path) as message:  # of a text file the binary form
            content = message.data[:]
        try:
            graph_def = proto.message("tensorflow.GraphDef").FromString(content)
        except DecodeError as error:
            raise ModelError(
                f"{path} ({len(content)} bytes) is no graph, or a damaged one: {error}", hint=DAMAGED_HINT
            ) from None
        with naming(path):
            served = serve_graph(graph_def, options, ops=proto.message("tensorflow.OpList")(), signatures={})
            roots = [tensor.node for each in served.signatures.values() for tensor in each.outputs.values()]
            if variables := variables_of(needed_by(roots)):
                names = ", ".join(sorted(node.name for node in variables)[:5])
                raise ModelError(
                    f"the graph has {len(variables)} variables without values ({names}): it is not frozen",
                    hint=f"{VARIABLES_HINT} With its .meta file, tfkit export takes the checkpoint itself.",
                )
            state = gather_state(served.graph, roots, restore_op="", asset_paths=(), folder=path.parent, index={})
        return cls(path, hashlib.sha256(content).hexdigest(), GraphModel(path, served, state, {}))

    def describe(self) -> Source:
        """What it is, for the report."""
        return Source("frozen graph", self.path.name, self.sha256)

    def write(self, folder: Path) -> PlainModel:
        """Writes it as a SavedModel without variables."""
        return self.model.write(folder)
