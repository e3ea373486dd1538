"""Tells what a source is, and opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfkit.export.live.keras_file import read_keras_file
from tfkit.export.sources.base import ModelSource, SourceOptions
from tfkit.export.sources.keras import KerasSource
from tfkit.export.sources.saved_model import SavedModelSource
from tfkit.savedmodel.files import is_saved_model


def open_source(model: Any, options: SourceOptions) -> ModelSource:
    """The source that a path leads to, or that a live object is; of a file it has been read what needs no TensorFlow.

    Raises:
        ModelError: There is none, or a damaged one.
        TfkitError: As the source says.
    """
    if not isinstance(model, str | os.PathLike):
        return KerasSource(options, model=model)
    path = Path(model)
    if is_saved_model(path):
        return SavedModelSource.read(path, options)
    return KerasSource(options, file=read_keras_file(path))
