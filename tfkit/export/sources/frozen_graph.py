"""A frozen graph as a source: a GraphDef alone, its variables turned to constants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.export.graphs.reading import graph_source, parse_graph
from tfkit.export.graphs.serving import GRAPH_OPTIONS, naming, serve_graph
from tfkit.export.graphs.state import gather_state, variables_of
from tfkit.export.graphs.written import GraphModel
from tfkit.export.report import Source
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.graph.closure import needed_by
from tfkit.savedmodel.files import open_message
from tfkit.savedmodel.frozen import VARIABLES_HINT, is_graph
from tfkit.savedmodel.kinds import not_a_graph

GRAPH_SUFFIXES = (".pb", ".pbtxt")


@dataclass(frozen=True, slots=True)
class FrozenGraphSource:
    """A graph whose variables are constants.

    Attributes:
        path: Its file.
        model: What it becomes.
    """

    path: Path
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
        with open_message(path) as message:  # of a text file the binary form
            if not is_graph(message):
                raise not_a_graph(path, message)
            graph_def = parse_graph("GraphDef", path, message.data)
        with naming(path):
            served = serve_graph(graph_def, options, ops=proto.message("tensorflow.OpList")(), signatures={})
            if variables := variables_of(needed_by(served.ends)):
                names = ", ".join(sorted(node.name for node in variables)[:5])
                raise ModelError(
                    f"the graph has {len(variables)} variables without values ({names}): it is not frozen",
                    hint=f"{VARIABLES_HINT} With its .meta file, tfkit export takes the checkpoint itself.",
                )
            state = gather_state(served.graph, served.ends, restore_op="", asset_paths=(), folder=path.parent, index={})
        return cls(path, GraphModel(path, served, state, {}))

    def describe(self) -> Source:
        """What it is, for the report."""
        return graph_source("frozen graph", self.path.name, self.path)

    def write(self, folder: Path) -> PlainModel:
        """Writes it as a SavedModel without variables."""
        return self.model.write(folder)
