"""A ``.keras`` file of Keras 2 as a source: tf.keras 2.12 to 2.15 wrote the new format before there was a Keras 3.

Its archive is laid out as that of Keras 3, and what its configuration says is in Keras 2's words. So the model is read
and built as one in HDF5 is, in tf-keras, which computes it as it was; weights and vocabularies come from the archive.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfkit import __version__
from tfkit.errors import ModelError
from tfkit.export.legacy.config import read_config
from tfkit.export.legacy.h5_file import H5File, WeightEntry
from tfkit.export.legacy.loading import make_in_tf_keras
from tfkit.export.legacy.model import LegacyModel, import_tf_keras
from tfkit.export.legacy.shapes import settle_shapes
from tfkit.export.live.frameworks import first_line, import_frameworks, quiet_logs
from tfkit.export.live.keras_config import CustomPart, check_allow_code
from tfkit.export.live.keras_file import ASSETS, WEIGHTS, KerasFile, unpacked_weights
from tfkit.export.live.user_code import UserFile, code_notes, custom_objects
from tfkit.export.report import Source
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.export.sources.traced import write_traced
from tfkit.export.weights.keras_h5 import load_new_layout


@dataclass(frozen=True, slots=True)
class Keras2Source:
    """A model of Keras 2 in a ``.keras`` file.

    Attributes:
        file: What is in it, but for its weights: as a file in HDF5 would declare it.
        config: Its configuration in the form of ``legacy.config``.
        options: What the user said of it.
        parts: What in it needs code of its author.
        custom: The user's file that defines such parts.
    """

    file: H5File
    config: Mapping[str, Any]
    options: SourceOptions
    parts: tuple[CustomPart, ...]
    custom: UserFile | None

    @classmethod
    def read(cls, archive: KerasFile, options: SourceOptions, custom: UserFile | None) -> Keras2Source:
        """Checks the configuration of an archive that was read through.

        Args:
            archive: The archive.
            options: What the user said of it.
            custom: The file of ``--custom-objects``.

        Raises:
            ModelError: It is damaged, or needs code that it does not hold.
            UsageError: An option does not fit it.
        """
        options.allow("a .keras file of Keras 2", "input_shapes", "custom_objects", "allow_code")
        config, parts = read_config(
            archive.path, archive.config, (), custom_objects=custom is not None, allow_code=options.allow_code
        )
        check_allow_code(archive.path, parts, allow_code=options.allow_code)
        weights: dict[str, tuple[WeightEntry, ...]] = {"": (WeightEntry("", "", (), archive.weights_bytes),)}
        file = H5File(archive.path, archive.sha256, archive.keras_version, "tensorflow", config, weights)
        settle_shapes(file, config, options.input_shapes)
        return cls(file, config, options, parts, custom)

    def describe(self) -> Source:
        """What it is, for the report."""
        return Source("keras file", self.file.path.name, self.file.sha256, self.file.keras_version)

    def write(self, folder: Path) -> PlainModel:
        """Loads the model in tf-keras, traces it and writes it.

        Raises:
            ModelError: It cannot be loaded, traced or written.
            InputError: The user's file fails, or lacks what the model needs.
            SignatureError: A rename does not fit it.
        """
        frameworks = import_frameworks()
        version = import_tf_keras().__version__  # before the user's file registers what it has with it
        with custom_objects(self.file.path, self.custom, self.parts) as custom:
            model = make_in_tf_keras(frameworks, self.file, self.config, custom)
            self._load(model, folder)
            plain = write_traced(frameworks, LegacyModel(frameworks, model), folder, self.options)
        loaded = f"loaded with tf-keras {version}: Keras {self.file.keras_version} wrote it"
        return replace(
            plain,
            notes=(loaded, *code_notes(self.file.path, self.custom, allow_code=self.options.allow_code), *plain.notes),
            versions={"tfkit": __version__, "tf-keras": version, "tensorflow": frameworks.tf.__version__},
        )

    def _load(self, model: Any, scratch: Path) -> None:
        """Gives the model what the archive holds beside its configuration."""
        path = self.file.path
        _load_assets(path, model, scratch)
        with unpacked_weights(path, scratch) as weights:
            if weights is None:
                raise ModelError(f"{path} holds no {WEIGHTS}: expected weights in HDF5, as Keras 2 writes them")
            load_new_layout(model, weights, scratch)
        for layer in model._flatten_layers():  # noqa: SLF001  # tf-keras has no public way to nested layers
            layer.finalize_state()


def _load_assets(path: Path, model: Any, scratch: Path) -> None:
    """Gives lookup layers the vocabularies that they learned."""
    from tf_keras.src.saving import saving_lib

    with tempfile.TemporaryDirectory(dir=scratch) as folder, zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{ASSETS}/")]
        if not names:
            return
        archive.extractall(folder, names)  # names and sizes were checked
        store = saving_lib.DiskIOStore(str(Path(folder) / ASSETS), mode="r")
        try:
            with quiet_logs():
                saving_lib._load_state(  # noqa: SLF001  # its public functions take archives of its own alone
                    model, weights_store=None, assets_store=store, inner_path="", visited_trackables=set()
                )
        except Exception as error:
            raise ModelError(f"{path}: its {ASSETS} do not fit the model: {first_line(error)}") from error
