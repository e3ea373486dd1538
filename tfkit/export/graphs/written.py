"""A graph that is cut down to what a service needs, written as a SavedModel; it answers for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit import __version__, proto
from tfkit.export.graphs.facts import as_shape
from tfkit.export.graphs.serving import ServedGraph
from tfkit.export.graphs.state import State
from tfkit.export.sources.base import PlainModel
from tfkit.export.sources.saved_model import run_saved_model
from tfkit.graph.attributes import shapes_value
from tfkit.lower.facts import SHAPES
from tfkit.lower.flat import FlatModel
from tfkit.lower.write import write_graph
from tfkit.savedmodel.files import link_or_copy
from tfkit.savedmodel.reader import read_signatures
from tfkit.tensors import SERVE_TAG


@dataclass(frozen=True, slots=True)
class GraphModel:
    """What a checkpoint or a frozen graph becomes.

    Attributes:
        path: The source.
        served: Its graph and signatures.
        state: What restores and fills it.
        variables: The checkpoint's files, by their endings.
        tensorflow: The TensorFlow that wrote the graph, as it calls itself; empty where that is not known.
        notes: What the user should know.
    """

    path: Path
    served: ServedGraph
    state: State
    variables: Mapping[str, Path]
    tensorflow: str = ""
    notes: tuple[str, ...] = ()

    @property
    def graph_version(self) -> int:
        """The version of ``GraphDef`` that the graph was written for."""
        return self.served.graph.producer

    def write(self, folder: Path) -> PlainModel:
        """Writes the SavedModel; variables and files are linked, or copied where they cannot be."""
        state = self.state
        saver: Any = proto.message("tensorflow.SaverDef")(version=2)
        model = FlatModel(
            folder, (SERVE_TAG,), self.tensorflow, self.served.graph, dict(self.served.signatures), list(state.init),
            state.restore, saver, state.checkpoint, dict(state.assets),
        )  # fmt: skip
        model.prune(pivots=False)
        _forget_notes(model)
        write_graph(model, self, folder, shapes=True)
        if state.restore is not None:
            for ending, path in self.variables.items():
                link_or_copy(path, folder / "variables" / f"variables{ending}")
        for name in state.assets.values():
            if not (folder / "assets" / name).exists():
                link_or_copy(state.files[name], folder / "assets" / name)
        return PlainModel(
            folder,
            read_signatures(folder),
            lambda: run_saved_model(folder, (SERVE_TAG,)),
            renamed=self.served.renamed,
            own_names=self.served.own_names,
            notes=(*self.notes, *self.served.notes, *state.notes(self.path.parent)),
            versions={"tfkit": __version__},
            flat=model,
        )


def _forget_notes(model: FlatModel) -> None:
    """Leaves of a graph what would be read of it if it were written: no calls that were inlined, no notes but shapes.

    Old versions noted shapes of a batch normalization's last outputs that new ones deny.
    """
    for node in model.graph.nodes.values():
        node.origin = node.pivot = None
        if any(name[0] == "_" and name != SHAPES for name in node.attrs):
            node.attrs = {name: value for name, value in node.attrs.items() if name[0] != "_" or name == SHAPES}
        if node.op.startswith("FusedBatchNorm") and SHAPES in node.attrs:
            noted = [as_shape(shape) for shape in node.attrs[SHAPES].list.shape]
            node.attrs = {**node.attrs, SHAPES: shapes_value((*noted[:1], *[None] * (len(noted) - 1)))}
