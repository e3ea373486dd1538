"""What every source has in common: the SavedModel that it becomes, and the samples that it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tfkit.arrays import Array
from tfkit.errors import InputError, TensorFlowError, VerdictError
from tfkit.export.live.frameworks import first_line
from tfkit.export.report import Source
from tfkit.export.selfcheck import Given, Limits, Sample, SourceRuns
from tfkit.graph.domains import input_domains
from tfkit.inputs.samples import SampleMaker
from tfkit.lower.signatures import ChosenSignature
from tfkit.savedmodel.signatures import check_dense
from tfkit.tensors import DEFAULT_SIGNATURE, SERVE_TAG, Signature

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
    """

    signature: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] | None = None
    merge: tuple[str, ...] = ()
    arrays: Mapping[str, Array] = field(default_factory=dict)


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

    @property
    def main(self) -> Signature:
        """The signature that the report is about: the default one, else the first."""
        return self.signatures.get(DEFAULT_SIGNATURE) or next(iter(self.signatures.values()))

    def draw(self, given: Given, limits: Limits) -> tuple[dict[str, tuple[Sample, ...]], tuple[str, ...]]:
        """Samples for each signature, answered by the source, and notes; one that cannot be compared is noted.

        Raises:
            InputError: The source itself fails on the main signature's samples.
            SignatureError: An input is given that no signature has.
            VerdictError: The main signature gives nothing to compare.
        """
        samples: dict[str, tuple[Sample, ...]] = {}
        notes: list[str] = []
        with self.answer() as answer:
            for name in self.signatures:
                try:
                    samples[name], found = self._draw(name, answer, given, limits)
                except (InputError, TensorFlowError, VerdictError) as error:
                    if name == self.main.name:
                        raise
                    notes.append(f"signature {name!r} was not compared: {first_line(error)}")
                else:
                    notes.extend(found)
        return samples, tuple(notes)

    def _draw(
        self, name: str, answer: Answer, given: Given, limits: Limits
    ) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
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
        runs = SourceRuns(signature, lambda inputs: answer(name, inputs), maker, limits)
        return runs.draw(), runs.notes


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
