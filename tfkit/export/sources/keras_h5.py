"""A whole model in Keras's old HDF5 format as a source: Keras 3 or tf-keras answers for it, as the old Keras did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfkit import __version__
from tfkit.errors import ModelError
from tfkit.export.legacy.classes import CLASSES_OF_KERAS_3, CONVOLUTIONS
from tfkit.export.legacy.config import read_config, walk
from tfkit.export.legacy.h5_file import H5File, read_h5
from tfkit.export.legacy.library import reason_for_legacy
from tfkit.export.legacy.loading import build_in_keras_3, build_in_tf_keras
from tfkit.export.legacy.model import LegacyModel, import_tf_keras
from tfkit.export.legacy.shapes import settle_shapes
from tfkit.export.live.frameworks import Frameworks, import_frameworks
from tfkit.export.live.keras_config import CustomPart, check_allow_code, find_custom_parts
from tfkit.export.live.keras_file import KerasFile, refuse_custom_parts
from tfkit.export.live.keras_model import KerasModel, load_model
from tfkit.export.live.model import LiveModel
from tfkit.export.live.user_code import UserFile, code_notes, custom_objects
from tfkit.export.report import Source
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.export.sources.traced import write_traced

_FIRST_OF_KERAS_3 = 3
_TURNS_KERNELS = "theano"


@dataclass(frozen=True, slots=True)
class KerasH5Source:
    """A file that Keras 2, tf.keras or Keras 3 wrote with ``model.save("model.h5")``.

    Attributes:
        file: What is in it.
        config: Its model's configuration in the form of ``legacy.config``.
        reason: Why it needs tf-keras; empty if Keras 3 computes the same.
        options: What the user said of it.
        parts: What in it needs code of its author.
        custom: The user's file that defines such parts.
    """

    file: H5File
    config: Mapping[str, Any]
    reason: str
    options: SourceOptions
    parts: tuple[CustomPart, ...] = ()
    custom: UserFile | None = None

    @classmethod
    def read(cls, path: Path, options: SourceOptions, config: Any = None) -> KerasH5Source:
        """Checks a file: its configuration, and what it declares of weights.

        Args:
            path: The file.
            options: What the user said of it.
            config: The configuration, where it is not in the file.

        Raises:
            ModelError: It is damaged, was made to do harm, or needs code that it does not hold.
            UsageError: An option does not fit it.
        """
        options.allow("a model in HDF5", "input_shapes", "custom_objects", "allow_code")
        custom = None if options.custom_objects is None else UserFile.read(options.custom_objects, "--custom-objects")
        file = read_h5(path)
        file = file if config is None else replace(file, config=config)
        if file.config is None:
            raise ModelError(
                f"{path} holds weights alone, and no model: it has no attribute model_config",
                hint="Name what builds the model: --model FILE.py:build, a function of your own code that returns it, "
                "or Keras's JSON of it, --model FILE.json.",
            )
        if _major(file) >= _FIRST_OF_KERAS_3:
            return cls._read_new(file, options, custom)
        if _major(file) < 2 and file.keras_version:
            raise ModelError(f"{path} was written by Keras {file.keras_version}: load and save it in Keras 2 first")
        names = [name for name in file.layers if not name.startswith("top_level_model")]
        config, parts = read_config(
            path, file.config, names, custom_objects=custom is not None, allow_code=options.allow_code
        )
        check_allow_code(path, parts, allow_code=options.allow_code)
        settle_shapes(file, config, options.input_shapes)
        _refuse_turned_kernels(file, config)
        return cls(file, config, reason_for_legacy(config), options, parts, custom)

    @classmethod
    def _read_new(cls, file: H5File, options: SourceOptions, custom: UserFile | None) -> KerasH5Source:
        """A file that Keras 3 wrote in the old format: what it names is what Keras 3 means by it."""
        options.allow(f"a file of Keras {file.keras_version}", "custom_objects", "allow_code")
        parts = find_custom_parts(file.config, CLASSES_OF_KERAS_3)
        refuse_custom_parts(file.path, parts, custom_objects=custom is not None, allow_code=options.allow_code)
        check_allow_code(file.path, parts, allow_code=options.allow_code)
        return cls(file, {}, "", options, tuple(parts), custom)

    def describe(self) -> Source:
        """What it is, for the report."""
        return Source("keras h5 file", self.file.path.name, self.file.sha256, self.file.keras_version)

    def write(self, folder: Path) -> PlainModel:
        """Loads the model in the library that computes what the old Keras did, traces it and writes it.

        Raises:
            ModelError: It cannot be loaded, traced or written.
            SignatureError: A rename does not fit it.
        """
        frameworks = import_frameworks()
        if self.reason:
            import_tf_keras()  # before the user's file does, which then registers what it has with it
        with custom_objects(self.file.path, self.custom, self.parts) as objects:
            model, library, version = self._load(frameworks, objects)
            plain = write_traced(frameworks, model, folder, self.options)
        return replace(
            plain,
            notes=(
                f"loaded with {library} {version}" + (f": {self.reason}" if self.reason else ""),
                *code_notes(self.file.path, self.custom, allow_code=self.options.allow_code),
                *plain.notes,
            ),
            versions={"tfkit": __version__, library: version, "tensorflow": frameworks.tf.__version__},
        )

    def _load(self, frameworks: Frameworks, objects: Mapping[str, Any]) -> tuple[LiveModel, str, str]:
        """The live model, and the library that it is in."""
        if self.reason:
            model = build_in_tf_keras(frameworks, self.file, self.config, objects)
            return LegacyModel(frameworks, model), "tf-keras", import_tf_keras().__version__
        if self.config:
            model = build_in_keras_3(frameworks, self.file, self.config)
        else:
            size = self.file.size_bytes
            file = KerasFile(self.file.path, self.file.sha256, self.file.keras_version, self.parts, weights_bytes=size)
            model = load_model(frameworks, file, objects, allow_code=self.options.allow_code)
        return KerasModel(frameworks, model, self.options.arrays), "keras", frameworks.keras.__version__


def _major(file: H5File) -> int:
    """The first number of the Keras that wrote a file; 0 if it does not say."""
    number = file.keras_version.partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _refuse_turned_kernels(file: H5File, config: Mapping[str, Any]) -> None:
    """Refuses convolutions that Keras trained on Theano, which turns their kernels."""
    turned = [layer.name for layer in walk(config) if layer.class_name in CONVOLUTIONS]
    if file.backend == _TURNS_KERNELS and turned:
        raise ModelError(
            f"{file.path} was written by Keras on Theano, whose convolutions (layer {turned[0]!r}) turn their kernels",
            hint="Load it in Keras 2 on TensorFlow, which turns them back, and save it again.",
        )
