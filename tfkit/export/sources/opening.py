"""Tells what a source is, and opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfkit.export.legacy.h5_file import is_h5
from tfkit.export.sources.base import ModelSource, SourceOptions
from tfkit.export.sources.frozen_graph import GRAPH_SUFFIXES, FrozenGraphSource
from tfkit.export.sources.keras import KERAS_SUFFIX, KerasSource
from tfkit.export.sources.keras_h5 import KerasH5Source
from tfkit.export.sources.live import LiveSource
from tfkit.export.sources.saved_model import SavedModelSource
from tfkit.export.sources.tf1_checkpoint import Tf1Checkpoint
from tfkit.export.sources.weights import open_weights, refuse_weights
from tfkit.savedmodel.checkpoint_files import find_graph_checkpoint
from tfkit.savedmodel.files import is_saved_model


def open_source(model: Any, options: SourceOptions) -> ModelSource:
    """The source that a path leads to, or that a live object is; of a file it has been read what needs no TensorFlow.

    Raises:
        ModelError: There is none, or a damaged one.
        TfkitError: As the source says.
    """
    if not isinstance(model, str | os.PathLike):
        return LiveSource(model, options)
    path = Path(model)
    if is_saved_model(path):
        return SavedModelSource.read(path, options)
    if path.suffix in GRAPH_SUFFIXES:
        return FrozenGraphSource.read(path, options)
    if options.architecture and path.suffix != KERAS_SUFFIX:
        return open_weights(path, options)
    if (checkpoint := find_graph_checkpoint(path)) is not None:
        return Tf1Checkpoint.read(checkpoint, options)
    refuse_weights(path)
    if is_h5(path):
        return KerasH5Source.read(path, options)
    return KerasSource.read(path, options)
