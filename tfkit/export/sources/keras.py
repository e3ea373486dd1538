"""A Keras model as a source, live or in a file: Keras itself answers for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfkit import __version__
from tfkit.arrays import Array
from tfkit.errors import UsageError
from tfkit.export.live.frameworks import Frameworks, import_frameworks
from tfkit.export.live.keras_file import KerasFile
from tfkit.export.live.keras_model import KerasModel, load_model
from tfkit.export.live.traced import TracedModel
from tfkit.export.report import Source
from tfkit.export.sources.base import Answer, PlainModel, SourceOptions
from tfkit.graph.domains import taken_as_integers
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.tensors import DEFAULT_SIGNATURE, Signature


class KerasSource:
    """A Keras 3 model.

    Args:
        options: What the user said of it.
        model: The live model,
        file: or the file that holds it.
    """

    def __init__(self, options: SourceOptions, *, model: Any = None, file: KerasFile | None = None) -> None:
        self._options = options
        self._model = model
        self._file = file

    def describe(self) -> Source:
        """What it is, for the report."""
        if self._file is not None:
            return Source("keras file", self._file.path.name, self._file.sha256, self._file.keras_version)
        keras = import_frameworks().keras
        return Source("keras model", str(self._model.name), keras_version=keras.__version__)

    def write(self, folder: Path) -> PlainModel:
        """Traces and writes the model.

        Raises:
            ModelError: It cannot be loaded, traced or written.
            SignatureError: A rename does not fit it.
            UsageError: It is no Keras model, or does not say what it takes.
        """
        frameworks = import_frameworks()
        live = load_model(frameworks, self._file) if self._file else self._model
        model = KerasModel(frameworks, live, self._options.arrays)
        return write_traced(frameworks, model, folder, self._options)
