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


def write_traced(frameworks: Frameworks, model: KerasModel, folder: Path, options: SourceOptions) -> PlainModel:
    """Writes a live model as a SavedModel; the model itself answers for it."""
    traced = TracedModel(frameworks, model, options.rename)
    name = options.signature or DEFAULT_SIGNATURE
    traced.write(folder, name)
    signature = find_signature(read_signatures(folder), name)
    if model.assumed_dtype:
        _refuse_integers(folder, signature, model)
        warnings.warn("; ".join(model.notes), stacklevel=5)

    def call(_: str, inputs: dict[str, Array]) -> dict[str, Array]:
        outputs = model.predict([inputs[final] for final in traced.input_names.values()])
        return {traced.output_names[own]: array for own, array in outputs.items()}

    @contextmanager
    def answer() -> Iterator[Answer]:
        with traced.state_kept():
            yield call

    return PlainModel(
        folder=folder,
        signatures={name: signature},
        answer=answer,
        renamed={old: new for old, new in (traced.input_names | traced.output_names).items() if old != new},
        own_names=traced.input_names,
        compute_dtype=model.compute_dtype,
        notes=tuple(note for note in (frameworks.note, *model.notes) if note),
        versions={
            "tfkit": __version__, "keras": frameworks.keras.__version__, "tensorflow": frameworks.tf.__version__,
        },
    )  # fmt: skip


def _refuse_integers(folder: Path, signature: Signature, model: KerasModel) -> None:
    """Refuses inputs that were assumed to be floats and that the graph makes whole numbers of."""
    for name in taken_as_integers(folder, signature):
        raise UsageError(
            f"input {name!r}: model {model.name!r} does not say its dtype, and makes whole numbers of it: "
            f"{model.assumed_dtype} would be a guess",
            hint="Say what the model takes with samples: tfkit.export_model(model, FOLDER, inputs={'x': array}).",
        )
