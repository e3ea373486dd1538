"""Weights without a model as a source: the user's code, or Keras's JSON, builds the model that they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfkit.errors import InputError, ModelError
from tfkit.export.legacy.h5_file import H5File, is_h5, read_h5
from tfkit.export.live.frameworks import Frameworks, first_line, import_frameworks, quiet_logs
from tfkit.export.live.objects import describe, live_kind, live_models
from tfkit.export.report import Source
from tfkit.export.sources.base import ModelSource, PlainModel, SourceOptions
from tfkit.export.sources.keras_h5 import KerasH5Source
from tfkit.export.sources.traced import write_models
from tfkit.export.weights.architecture import CodeArchitecture, JsonArchitecture, read_architecture
from tfkit.export.weights.keras_h5 import (
    SHARDED_ENDING,
    check_new_layout,
    is_new_layout,
    load_new_layout,
    load_old_layout,
)
from tfkit.export.weights.named_checkpoint import load_names
from tfkit.export.weights.object_checkpoint import OBJECT_GRAPH, load_objects
from tfkit.savedmodel.checkpoint import Variable, check_complete, read_index
from tfkit.savedmodel.checkpoint_files import CheckpointFiles, find_checkpoint

_SHOWN = 10
_OPTIONS = ("architecture", "custom_objects", "allow_code")
_MODEL_HINT = (
    "Name what builds the model: --model FILE.py:build, a function without arguments in your own code that returns it"
)


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Weights, and what builds the model for them.

    Attributes:
        path: The file, or a checkpoint's index.
        weights: A file of Keras 2, the path of one of Keras 3, or a checkpoint.
        architecture: What builds the model.
        options: What the user said of it.
        note: Why this checkpoint was taken, where there were others.
    """

    path: Path
    weights: H5File | Path | CheckpointFiles
    architecture: CodeArchitecture | JsonArchitecture
    options: SourceOptions
    note: str = ""

    def describe(self) -> Source:
        """What it is, for the report."""
        kind = "checkpoint" if isinstance(self.weights, CheckpointFiles) else "weights"
        version = self.weights.keras_version if isinstance(self.weights, H5File) else ""
        with self.path.open("rb") as file:
            return Source(kind, self.path.name, hashlib.file_digest(file, "sha256").hexdigest(), version)

    def write(self, folder: Path) -> PlainModel:
        """Builds the model, loads the weights, traces and writes it.

        Raises:
            InputError: The user's code fails, or builds no model.
            ModelError: The weights do not fit it, or it cannot be traced or written.
            SignatureError: A rename does not fit it.
        """
        frameworks = import_frameworks()  # before the user's code imports Keras, on whatever backend
        with self.architecture.built(frameworks, self.path.stat().st_size) as model:
            _build(frameworks, model, self.options)
            notes = self._load(frameworks, model, folder)
            models = live_models(frameworks, model, self.options.signature, self.options.arrays)
            plain = write_models(frameworks, models, folder, self.options)
        own = (self.architecture.note, self.note, *notes)
        return replace(plain, notes=(*(each for each in own if each), *plain.notes))

    def _load(self, frameworks: Frameworks, model: Any, scratch: Path) -> Sequence[str]:
        if isinstance(self.weights, CheckpointFiles):
            return _load_checkpoint(frameworks, model, self.weights)
        if live_kind(frameworks, model) not in ("keras model", "tf-keras model"):
            raise InputError(
                f"{self.path} holds weights of a Keras model, and {self.architecture.path} gave {describe(model)}"
            )
        if isinstance(self.weights, H5File):
            return load_old_layout(model, self.weights)
        load_new_layout(model, self.weights, scratch)
        return ()


def open_weights(path: Path, options: SourceOptions) -> ModelSource:
    """The source that weights and ``--model`` are together; runs nothing.

    Raises:
        ModelError: There are no weights, or damaged ones.
        InputError: What ``--model`` names is no code and no JSON.
        UsageError: An option means nothing here.
    """
    options.allow("weights", *_OPTIONS)
    architecture = read_architecture(options.architecture, options.custom_objects, allow_code=options.allow_code)
    checkpoint = find_checkpoint(path)
    if checkpoint is not None:
        check_complete(checkpoint.prefix)
        return WeightsSource(checkpoint.index, checkpoint, architecture, options, checkpoint.note)
    if path.name.endswith(SHARDED_ENDING) and path.is_file():
        check_new_layout(path)
        return WeightsSource(path, path, architecture, options)
    if not is_h5(path):
        raise _no_weights(path)
    if is_new_layout(path):
        check_new_layout(path)
        return WeightsSource(path, path, architecture, options)
    file = read_h5(path)
    if isinstance(architecture, JsonArchitecture) and architecture.keras_version:
        return KerasH5Source.read(path, replace(options, architecture=""), architecture.raw)
    return WeightsSource(path, file, architecture, options)


def refuse_weights(path: Path) -> None:
    """Refuses weights without a model, and says what is in them.

    Raises:
        ModelError: The path leads to weights or to a checkpoint.
    """
    checkpoint = find_checkpoint(path)
    if checkpoint is not None:
        raise ModelError(
            f"{checkpoint.prefix} is a checkpoint, which is weights without a model: "
            f"{_list_variables(read_index(checkpoint.prefix))}",
            hint=f"{_MODEL_HINT}. A TensorFlow 1 checkpoint has its model in {checkpoint.meta.name}, if you have that.",
        )
    is_sharded = path.name.endswith(SHARDED_ENDING) and path.is_file()
    if is_sharded or (is_h5(path) and is_new_layout(path)):
        raise ModelError(
            f"{path} holds weights without a model", hint=f"{_MODEL_HINT}; or Keras's JSON of it, --model FILE.json."
        )


def _build(frameworks: Frameworks, model: Any, options: SourceOptions) -> None:
    """Calls a Keras model that was never called on samples, if there are any: it has no variables before."""
    if live_kind(frameworks, model) not in ("keras model", "tf-keras model") or model.built:
        return
    if not options.arrays:
        raise InputError(
            f"model {model.name!r} is not built: it has no variables yet to put weights into",
            hint="Call it once in the function that makes it, for example model(tf.zeros((1, 4))).",
        )
    arrays = [frameworks.tf.convert_to_tensor(array) for array in options.arrays.values()]
    try:
        with quiet_logs():
            model(arrays[0] if len(arrays) == 1 else dict(zip(options.arrays, arrays, strict=True)))
    except Exception as error:
        raise InputError(f"model {model.name!r} fails on the samples that were given: {first_line(error)}") from error


def _load_checkpoint(frameworks: Frameworks, model: Any, files: CheckpointFiles) -> Sequence[str]:
    try:
        reader = frameworks.tf.train.load_checkpoint(files.prefix)
        has_objects = reader.has_tensor(OBJECT_GRAPH)
    except (frameworks.tf.errors.OpError, RuntimeError, ValueError) as error:
        raise ModelError(f"{files.prefix} cannot be read: {first_line(error)}") from error
    load = load_objects if has_objects else load_names
    return load(frameworks, model, reader, files.prefix)


def _list_variables(variables: Sequence[Variable]) -> str:
    shown = [f"{each.name.removesuffix('/.ATTRIBUTES/VARIABLE_VALUE')} {each.shape}" for each in variables]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"{len(shown)} variables: {', '.join(shown[:_SHOWN])}{more}"


def _no_weights(path: Path) -> ModelError:
    expected = "expected weights in HDF5 or a checkpoint, which --model goes with"
    if not path.exists():
        return ModelError(f"there is no file or checkpoint {path}: {expected}")
    if path.is_dir():
        return ModelError(f"{path} is a folder without a checkpoint: {expected}")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        return ModelError(f"{path} cannot be read: {error.strerror or error}")
    return ModelError(f"{path} {f'starts with the bytes {start!r}' if start else 'is empty'}: {expected}")
