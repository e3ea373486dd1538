"""A SavedModel as a source: what it gives by itself is what its lowered form is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfkit import __version__
from tfkit.arrays import Array
from tfkit.eas.structure import is_internal
from tfkit.errors import InputError, ModelError, TensorFlowError, UsageError
from tfkit.export.live.frameworks import first_line
from tfkit.export.report import Source
from tfkit.export.sources.base import Answer, PlainModel, SourceOptions
from tfkit.runtime import Runtime
from tfkit.savedmodel.files import find_model_file
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.tensors import Signature


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
    def read(cls, path: Path, options: SourceOptions) -> SavedModelSource:
        """Reads the signatures.

        Raises:
            ModelError: There is no SavedModel, or a damaged one.
            SignatureError: It has no such signature or tag set.
        """
        if options.rename:
            raise UsageError("a SavedModel's inputs and outputs keep their names: --rename is for Keras models")
        known = read_signatures(path, options.tags)
        found = {name: each for name, each in known.items() if not is_internal(name)}
        if options.signature is not None:
            chosen = find_signature(found, options.signature)
            found = {chosen.name: chosen}
        if not found:
            raise ModelError(f"{path} has no signature: there is nothing to ask it")
        return cls(find_model_file(path).parent, options.tags, found)

    def describe(self) -> Source:
        """What it is, for the report."""
        with find_model_file(self.path).open("rb") as file:
            return Source("SavedModel", self.path.name, hashlib.file_digest(file, "sha256").hexdigest())

    def write(self, folder: Path) -> PlainModel:
        """Itself: there is nothing to write."""
        del folder
        return PlainModel(
            self.path, self.signatures, lambda: run_saved_model(self.path, self.tags), self.tags,
            versions={"tfkit": __version__},
        )  # fmt: skip


@contextmanager
def run_saved_model(path: Path, tags: tuple[str, ...]) -> Iterator[Answer]:
    """Answers with what a SavedModel gives in the installed TensorFlow."""
    with Runtime(device="cpu") as runtime:
        model = runtime.load(path, tags)

        def answer(name: str, inputs: dict[str, Array]) -> dict[str, Array]:
            try:
                return model.predict(inputs, signature=name)
            except TensorFlowError as error:
                raise InputError(
                    f"{path}: the model itself fails on an input: {first_line(error)}",
                    hint="Give real samples (--input NAME=@FILE.npy), or export with --no-verify, which is recorded.",
                ) from error

        yield answer
