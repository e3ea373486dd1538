"""A ``.keras`` file as a source: Keras itself answers for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tfkit.errors import UsageError
from tfkit.export.live.frameworks import import_frameworks
from tfkit.export.live.keras_config import check_allow_code
from tfkit.export.live.keras_file import KerasFile, read_keras_file, unpacked_weights
from tfkit.export.live.keras_model import KerasModel, load_model
from tfkit.export.live.user_code import UserFile, code_notes, custom_objects
from tfkit.export.report import Source
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.export.sources.keras_2 import Keras2Source
from tfkit.export.sources.traced import write_traced
from tfkit.export.weights.keras_h5 import check_h5_weights

KERAS_SUFFIX = ".keras"


@dataclass(frozen=True, slots=True)
class KerasSource:
    """A Keras 3 model in a file.

    Attributes:
        file: The file.
        options: What the user said of it.
        custom: The user's file that defines what the model's file needs.
    """

    file: KerasFile
    options: SourceOptions
    custom: UserFile | None

    @classmethod
    def read(cls, path: Path, options: SourceOptions) -> KerasSource | Keras2Source:
        """Checks a file, and the one that defines what it needs; runs nothing.

        Returns:
            The file as a source; one of Keras 2 is read as that Keras means it.

        Raises:
            ModelError: It is no model, is damaged, or needs code of its author that is not given.
            UsageError: An option is given that means nothing for it.
            InputError: The user's file is no Python.
        """
        options.allow("a .keras file", "input_shapes", "custom_objects", "allow_code")
        custom = None if options.custom_objects is None else UserFile.read(options.custom_objects, "--custom-objects")
        file = read_keras_file(path, custom_objects=custom is not None, allow_code=options.allow_code)
        if file.config is not None:
            return Keras2Source.read(file, options, custom)
        options.allow("a .keras file", "custom_objects", "allow_code")
        check_allow_code(path, file.custom_parts, allow_code=options.allow_code)
        if custom is not None and all(part.is_code for part in file.custom_parts):
            raise UsageError(f"--custom-objects means nothing for {path}: it needs no class or function of its author")
        return cls(file, options, custom)

    def describe(self) -> Source:
        """What it is, for the report."""
        return Source("keras file", self.file.path.name, self.file.sha256, self.file.keras_version)

    def write(self, folder: Path) -> PlainModel:
        """Loads, traces and writes the model.

        Raises:
            ModelError: It cannot be loaded, traced or written.
            InputError: The user's file fails, or lacks what the model needs.
            SignatureError: A rename does not fit it.
            UsageError: It does not say what it takes.
        """
        with unpacked_weights(self.file.path, folder) as weights:
            if weights is not None:
                check_h5_weights(weights)
        frameworks = import_frameworks()  # before the user's file imports Keras, on whatever backend
        with custom_objects(self.file.path, self.custom, self.file.custom_parts) as custom:
            live = load_model(frameworks, self.file, custom, allow_code=self.options.allow_code)
            model = KerasModel(frameworks, live, self.options.arrays)
            plain = write_traced(frameworks, model, folder, self.options)
        notes = code_notes(self.file.path, self.custom, allow_code=self.options.allow_code)
        return replace(plain, notes=(*notes, *plain.notes))
