"""A live model as a source: it is traced into a SavedModel, and answers for it by being called eagerly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tfkit import __version__
from tfkit.arrays import Array
from tfkit.errors import SignatureError, UsageError
from tfkit.export.legacy.model import import_tf_keras
from tfkit.export.live.frameworks import Frameworks
from tfkit.export.live.model import LiveModel
from tfkit.export.live.objects import is_legacy_model
from tfkit.export.live.traced import TracedModel, write_signatures
from tfkit.export.names import check_renames
from tfkit.export.sources.base import Answer, PlainModel, SourceOptions
from tfkit.graph.domains import taken_as_integers
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.tensors import DEFAULT_SIGNATURE, Signature


def write_traced(frameworks: Frameworks, model: LiveModel, folder: Path, options: SourceOptions) -> PlainModel:
    """Writes a live model as a SavedModel with one signature.

    Raises:
        ModelError: It cannot be traced or written.
        SignatureError: A rename does not fit it.
        UsageError: It does not say what it takes.
    """
    return write_models(frameworks, {options.signature or DEFAULT_SIGNATURE: model}, folder, options)


def write_models(
    frameworks: Frameworks, models: Mapping[str, LiveModel], folder: Path, options: SourceOptions
) -> PlainModel:
    """Writes live models that share what they hold as the signatures of a SavedModel.

    Raises:
        ModelError: One cannot be traced or written.
        SignatureError: A rename fits none of them.
        UsageError: One does not say what it takes.
    """
    traced = {name: TracedModel(frameworks, model, options.rename) for name, model in models.items()}
    for old, new in options.rename.items():
        _check_rename(old, new, models, traced)
    write_signatures(frameworks, next(iter(models.values())).name, traced, folder)
    written = read_signatures(folder)
    signatures = {name: find_signature(written, name) for name in models}
    for name, model in models.items():
        if model.assumed_dtype:
            _refuse_integers(folder, signatures[name], model)
            warnings.warn("; ".join(model.notes), stacklevel=6)
    return PlainModel(
        folder=folder,
        signatures=signatures,
        answer=lambda: _answers(models, traced),
        renamed={old: new for each in traced.values() for old, new in each.names.items() if old != new},
        own_names={old: new for each in traced.values() for old, new in each.input_names.items()},
        notes=tuple(note for note in dict.fromkeys((frameworks.note, *_notes(models))) if note),
        versions=_versions(frameworks, models),
    )


def _check_rename(old: str, new: str, models: Mapping[str, LiveModel], traced: Mapping[str, TracedModel]) -> None:
    """Checks that a rename fits one of the models at least."""
    failures = []
    for name, model in models.items():
        try:
            check_renames(model.input_ports, traced[name].output_ports, {old: new})
        except SignatureError as error:
            failures.append(error)
        else:
            return
    raise failures[0]


@contextmanager
def _answers(models: Mapping[str, LiveModel], traced: Mapping[str, TracedModel]) -> Iterator[Answer]:
    def answer(name: str, inputs: dict[str, Array]) -> dict[str, Array]:
        names = traced[name]
        outputs = models[name].predict([inputs[final] for final in names.input_names.values()])
        return {names.output_names[own]: array for own, array in outputs.items()}

    with ExitStack() as stack:
        for each in traced.values():
            stack.enter_context(each.state_kept())
        yield answer


def _versions(frameworks: Frameworks, models: Mapping[str, LiveModel]) -> dict[str, str]:
    """The versions of what the models live in."""
    keras = {"keras": frameworks.keras.__version__}
    if any(is_legacy_model(model.trackable) for model in models.values()):
        keras = {"tf-keras": import_tf_keras().__version__}
    return {"tfkit": __version__, **keras, "tensorflow": frameworks.tf.__version__}


def _notes(models: Mapping[str, LiveModel]) -> list[str]:
    return [note for model in models.values() for note in model.notes]


def _refuse_integers(folder: Path, signature: Signature, model: LiveModel) -> None:
    """Refuses inputs that were assumed to be floats and that the graph makes whole numbers of."""
    for name in taken_as_integers(folder, signature):
        raise UsageError(
            f"input {name!r}: model {model.name!r} does not say its dtype, and makes whole numbers of it: "
            f"{model.assumed_dtype} would be a guess",
            hint="Say what the model takes with samples: tfkit.export_model(model, FOLDER, inputs={'x': array}).",
        )
