"""A SavedModel as a source: what it gives by itself is what its lowered form is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfkit.arrays import Array
from tfkit.eas.structure import is_internal
from tfkit.errors import InputError, ModelError, TensorFlowError, VerdictError
from tfkit.export.frameworks import first_line
from tfkit.export.report import Source
from tfkit.export.selfcheck import Limits, Sample, SourceRuns
from tfkit.graph.domains import input_domains
from tfkit.inputs import InputOption
from tfkit.inputs.samples import SampleMaker
from tfkit.runtime import LoadedModel, Runtime
from tfkit.savedmodel.files import BINARY_NAME, TEXT_NAME, find_model_file
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.savedmodel.signatures import check_dense
from tfkit.tensors import DEFAULT_SIGNATURE, Signature


def is_saved_model(path: Path) -> bool:
    """Whether there is a SavedModel at a path: a folder with one, or its file."""
    return any((path / name).is_file() for name in (BINARY_NAME, TEXT_NAME)) or path.name in (BINARY_NAME, TEXT_NAME)


@dataclass(frozen=True, slots=True)
class SavedModelSource:
    """A SavedModel, and the signatures of it that are exported.

    Attributes:
        path: Its folder.
        tags: Its tag set.
        signatures: By name.
    """

    path: Path
    tags: tuple[str, ...]
    signatures: Mapping[str, Signature]

    @classmethod
    def read(cls, path: Path, tags: Sequence[str], signature: str | None) -> SavedModelSource:
        """Reads the signatures.

        Raises:
            ModelError: There is no SavedModel, or a damaged one.
            SignatureError: It has no such signature or tag set.
        """
        found = {name: each for name, each in read_signatures(path, tags).items() if not is_internal(name)}
        if signature is not None:
            chosen = find_signature(found, signature)
            found = {chosen.name: chosen}
        if not found:
            raise ModelError(f"{path} has no signature: there is nothing to ask it")
        return cls(find_model_file(path).parent, tuple(tags), found)

    @property
    def main(self) -> Signature:
        """The signature that the report is about: the default one, else the first."""
        return self.signatures.get(DEFAULT_SIGNATURE) or next(iter(self.signatures.values()))

    def describe(self) -> Source:
        """What it is, for the report."""
        with find_model_file(self.path).open("rb") as file:
            return Source("SavedModel", self.path.name, hashlib.file_digest(file, "sha256").hexdigest())

    def draw(
        self, options: Sequence[InputOption], arrays: Mapping[str, Array], seed: int, limits: Limits
    ) -> tuple[dict[str, tuple[Sample, ...]], tuple[str, ...]]:
        """Runs the SavedModel in the installed TensorFlow, on samples for each signature.

        Returns:
            The samples by signature, and notes; a signature that gives nothing to compare is noted.

        Raises:
            VerdictError: No signature gives anything to compare.
        """
        samples: dict[str, tuple[Sample, ...]] = {}
        notes: list[str] = []
        with Runtime(device="cpu") as runtime:
            model = runtime.load(self.path, self.tags)
            for name, signature in self.signatures.items():
                try:
                    samples[name], found = self._draw(model, signature, options, arrays, seed, limits)
                except (InputError, TensorFlowError, VerdictError) as error:
                    if name == self.main.name:
                        raise
                    notes.append(f"signature {name!r} was not compared: {first_line(error)}")
                else:
                    notes.extend(found)
        return samples, tuple(notes)

    def _draw(
        self,
        model: LoadedModel,
        signature: Signature,
        options: Sequence[InputOption],
        arrays: Mapping[str, Array],
        seed: int,
        limits: Limits,
    ) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
        check_dense(signature)
        names = {spec.name for spec in signature.inputs}

        def run(inputs: dict[str, Array]) -> dict[str, Array]:
            try:
                return model.predict(inputs, signature=signature.name)
            except TensorFlowError as error:
                raise InputError(
                    f"{self.path}: the model itself fails on an input: {first_line(error)}",
                    hint="Give real samples (--input NAME=@FILE.npy), or export with --no-verify, which is recorded.",
                ) from error

        maker = SampleMaker(
            signature,
            input_domains(self.path, signature, self.tags),
            options=[option for option in options if option.name in names],
            arrays={name: array for name, array in arrays.items() if name in names},
            seed=seed,
        )
        runs = SourceRuns(signature, run, maker, limits)
        return runs.draw(), runs.notes
