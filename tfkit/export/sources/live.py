"""A live object as a source: a Keras model, a ``tf.Module``, a ``tf.function``; it answers for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfkit.export.live.frameworks import import_frameworks
from tfkit.export.live.objects import live_kind, live_models, live_name
from tfkit.export.report import Source
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.export.sources.traced import write_models


class LiveSource:
    """An object in this process.

    Args:
        thing: The object.
        options: What the user said of it.

    Raises:
        UsageError: An option is given that means nothing for it.
    """

    def __init__(self, thing: Any, options: SourceOptions) -> None:
        options.allow("a live model")
        self._thing = thing
        self._options = options

    def describe(self) -> Source:
        """What it is, for the report."""
        frameworks = import_frameworks()
        kind = live_kind(frameworks, self._thing)
        version = frameworks.keras.__version__ if kind == "keras model" else ""
        return Source(kind, live_name(self._thing), keras_version=version)

    def write(self, folder: Path) -> PlainModel:
        """Traces and writes it.

        Raises:
            ModelError: It cannot be traced or written.
            SignatureError: A rename does not fit it, or it has no such function.
            UsageError: It is no model, or does not say what it takes.
        """
        frameworks = import_frameworks()
        models = live_models(frameworks, self._thing, self._options.signature, self._options.arrays)
        return write_models(frameworks, models, folder, self._options)
