"""What every source has in common: the SavedModel that it becomes, and the samples that it answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tfkit.arrays import Array
from tfkit.compat.compare import Limits
from tfkit.compat.drawing import Runner
from tfkit.compat.recorded import Case
from tfkit.errors import InputError, TensorFlowError, TfkitError, UsageError, VerdictError
from tfkit.export.live.frameworks import first_line
from tfkit.export.names import check_signature_name
from tfkit.export.report import Source
from tfkit.export.selfcheck import Given, draw_samples
from tfkit.export.shapes import check_input_shapes
from tfkit.graph.domains import input_domains
from tfkit.inputs.samples import SampleMaker
from tfkit.lower.flat import FlatModel
from tfkit.lower.signatures import ChosenSignature
from tfkit.savedmodel.signatures import check_dense
from tfkit.tensors import DEFAULT_SIGNATURE, SERVE_TAG, Shape, Signature

# The options that only some sources know, as the command line calls them.
_OPTIONS = {
    "tags": "--tags",
    "merge": "--merge",
    "input_tensors": "--input-tensor",
    "output_tensors": "--output-tensor",
    "fixed": "--set",
    "input_shapes": "--input-shape",
    "architecture": "--model",
    "custom_objects": "--custom-objects",
    "allow_code": "--allow-code",
}
# Answers a signature's inputs, by the names of the signature.
Answer = Callable[[str, dict[str, Array]], dict[str, Array]]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user said of the source.

    Attributes:
        signature: The signature's name; of a SavedModel the one to keep.
        rename: New names of inputs and outputs by those of the model.
        tags: The tag set of a SavedModel; ``None``: ``serve``, or else the only one there is.
        merge: The signatures of a SavedModel that are made one, under the name ``signature``.
        arrays: Samples by input name, which also tell what a subclassed model takes.
        input_shapes: Shapes of inputs that the model leaves open, without the batch, by name; see ``export.shapes``.
        input_tensors: Tensors of a graph without signatures that are its inputs, by the names of the inputs.
        output_tensors: The same for its outputs.
        fixed: Values of its placeholders that no request says.
        architecture: What builds the model of weights: ``FILE.py:NAME``, or Keras's ``to_json`` in ``FILE.json``.
        custom_objects: A Python file with the classes and functions that a model's file needs.
        allow_code: Whether code that a model's file holds may run.
    """

    signature: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] | None = None
    merge: tuple[str, ...] = ()
    arrays: Mapping[str, Array] = field(default_factory=dict)
    input_shapes: Mapping[str, Shape] = field(default_factory=dict)
    input_tensors: Mapping[str, str] = field(default_factory=dict)
    output_tensors: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = ""
    custom_objects: Path | None = None
    allow_code: bool = False

    @classmethod
    def read(
        cls,
        arrays: Mapping[str, Array],
        *,
        signature: str | None = None,
        rename: Mapping[str, str] | None = None,
        tags: Sequence[str] | None = None,
        merge: Sequence[str] = (),
        input_tensors: Mapping[str, str] | None = None,
        output_tensors: Mapping[str, str] | None = None,
        fixed: Mapping[str, Any] | None = None,
        input_shapes: Mapping[str, Shape] | None = None,
        architecture: str | None = None,
        custom_objects: str | os.PathLike[str] | None = None,
        allow_code: bool = False,
    ) -> SourceOptions:
        """Takes the options as ``export_model`` does.

        Raises:
            UsageError: One of them is not possible.
        """
        if signature is not None:
            check_signature_name(signature)
        return cls(
            signature=signature,
            rename=rename or {},
            tags=None if tags is None else tuple(tags),
            merge=tuple(merge),
            arrays=arrays,
            input_tensors=input_tensors or {},
            output_tensors=output_tensors or {},
            fixed=fixed or {},
            input_shapes=check_input_shapes(input_shapes or {}),
            architecture=architecture or "",
            custom_objects=None if custom_objects is None else Path(custom_objects),
            allow_code=allow_code,
        )

    def allow(self, what: str, *names: str) -> None:
        """Refuses options that would mean nothing for a source, so that none is ignored.

        Args:
            what: What the source is, for people: ``a SavedModel``.
            *names: Those that it knows, beside what every source knows.

        Raises:
            UsageError: Another one is given.
        """
        for name, option in _OPTIONS.items():
            if name not in names and getattr(self, name) not in (None, (), {}, False, ""):
                known = ", ".join(_OPTIONS[each] for each in names)
                raise UsageError(f"{option} means nothing for {what}", hint=f"It takes {known}." if known else "")


@dataclass(frozen=True, slots=True)
class PlainModel:
    """A source as a SavedModel of the TensorFlow that wrote it, before it is lowered.

    Attributes:
        folder: The SavedModel's folder.
        signatures: Those to export, by name.
        answer: Opens what gives the right answers: the source itself, for as long as the block lasts.
        tags: The SavedModel's tag set.
        chosen: What the signatures are made of, where they are not just the SavedModel's own.
        renamed: New names by those of the source.
        own_names: New names of the inputs by the source's own, by which samples may be given.
        notes: What the user should know.
        versions: Versions of what wrote it.
        flat: The same as a graph, where it was made of one; otherwise it is read from the folder.
    """

    folder: Path
    signatures: Mapping[str, Signature]
    answer: Callable[[], AbstractContextManager[Answer]]
    tags: tuple[str, ...] = (SERVE_TAG,)
    chosen: tuple[ChosenSignature, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    own_names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    flat: FlatModel | None = None

    @property
    def main(self) -> Signature:
        """The signature that the report is about: the default one, else the first."""
        return self.signatures.get(DEFAULT_SIGNATURE) or next(iter(self.signatures.values()))

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """The source, for as long as the block lasts, as what others are compared with."""
        with self.answer() as answer:

            def run(signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
                try:
                    return answer(signature, dict(inputs))
                except TfkitError:
                    raise
                except Exception as error:  # TensorFlow's and Keras's Python raise anything
                    raise TensorFlowError(first_line(error)) from error

            yield run

    def draw(self, given: Given, limits: Limits) -> tuple[dict[str, tuple[Case, ...]], tuple[str, ...]]:
        """Samples for each signature, answered by the source, and notes; one that cannot be compared is noted.

        Raises:
            InputError: The source itself fails on the main signature's samples.
            SignatureError: An input is given that no signature has.
            VerdictError: The main signature gives nothing to compare.
        """
        samples: dict[str, tuple[Case, ...]] = {}
        notes: list[str] = []
        with self.runner() as run:
            for name in self.signatures:
                try:
                    samples[name], found = self._draw(name, run, given, limits)
                except (InputError, TensorFlowError, VerdictError) as error:
                    if name == self.main.name:
                        raise
                    notes.append(f"signature {name!r} was not compared: {first_line(error)}")
                else:
                    notes.extend(found)
        return samples, tuple(notes)

    def _draw(self, name: str, run: Runner, given: Given, limits: Limits) -> tuple[tuple[Case, ...], tuple[str, ...]]:
        signature = self.signatures[name]
        check_dense(signature)
        options, arrays = (
            list(given.options),
            {self.own_names.get(key, key): each for key, each in given.arrays.items()},
        )
        if len(self.signatures) > 1:  # each is given its own
            known = {spec.name for spec in signature.inputs}
            options = [option for option in options if option.name in known]
            arrays = {key: array for key, array in arrays.items() if key in known}
        maker = SampleMaker(
            signature,
            input_domains(self.folder, signature, self.tags),
            options=options,
            arrays=arrays,
            seed=given.seed,
        )
        return draw_samples(run, signature, maker, limits)


class ModelSource(Protocol):
    """A model wherever it was trained."""

    def describe(self) -> Source:
        """What it is, for the report."""

    def write(self, folder: Path) -> PlainModel:
        """Makes a SavedModel of it.

        Args:
            folder: An empty folder to write into; a source that is one already writes nothing.

        Raises:
            TfkitError: It cannot be made one; says why and what to do.
        """
