"""``.keras`` files that tf.keras wrote before Keras 3: their words mean what they meant in Keras 2."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.export.test_keras_h5 import check_recorded
from tests.old_sources.keras.recorded import FOLDER, OldModel
from tfkit.errors import ModelError, UsageError
from tfkit.export import export_model
from tfkit.export.sources.base import SourceOptions
from tfkit.export.sources.keras import KerasSource

NEW_FORMAT = tuple(
    OldModel(file.parent.name, file.stem) for file in sorted(FOLDER.glob("*/*.keras"))
)  # each beside the HDF5 file of the same model, for which runs are recorded
ACTIVATIONS = FOLDER / "tf_keras_2.15" / "activations.keras"


def exported(file: Path, folder: Path, **options):
    return export_model(file, folder, verify=False, **options).notes


@pytest.mark.parametrize("old", NEW_FORMAT, ids=str)
def test_a_file_in_the_new_format_gives_what_it_gave(tmp_path, in_keras, runtime, old):
    notes = in_keras(exported, old.file.with_suffix(".keras"), tmp_path / "out")
    assert any(note.startswith("loaded with tf-keras") and "Keras 2.15.0 wrote it" in note for note in notes)
    check_recorded(runtime, tmp_path / "out", old)


def save_vocabulary(path: Path) -> list:
    import tf_keras

    words = tf_keras.layers.TextVectorization(output_sequence_length=3)
    words.adapt(np.array(["a b c", "c b", "c"]))
    model = tf_keras.Sequential([tf_keras.Input((1,), dtype="string", name="text"), words])
    model.save(path)
    return model(np.array([["b a"], ["c zz"]])).numpy().tolist()


def test_a_vocabulary_that_was_learned_comes_along(tmp_path, in_keras, runtime):
    expected = in_keras(save_vocabulary, tmp_path / "words.keras")
    in_keras(exported, tmp_path / "words.keras", tmp_path / "out")
    came = runtime.load(tmp_path / "out").predict({"text": np.array([[b"b a"], [b"c zz"]], dtype=object)})
    assert next(iter(came.values())).tolist() == expected


def changed(path: Path, change) -> Path:
    """The same file with another configuration."""
    with zipfile.ZipFile(ACTIVATIONS) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return path


def second_layer(**values):
    def change(config) -> None:
        config["config"]["layers"][1] |= values

    return change


def units(number: int):
    def change(config) -> None:
        config["config"]["layers"][1]["config"]["units"] = number

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (second_layer(module="my", class_name="Own"), "of class Own"),
        (
            second_layer(class_name="Lambda", config={"name": "twice", "function": {}}),
            "Python code .* in layer 'twice'",
        ),
        (second_layer(class_name="TFOpLambda", config={"name": "w", "function": "io.write_file"}), "does more than"),
        (lambda config: config.update(class_name="Own"), "builds itself"),
        (lambda config: config.update(config=[]), "damaged"),
    ],
)
def test_what_needs_code_is_refused_before_anything_is_loaded(tmp_path, change, problem):
    with pytest.raises(ModelError, match=problem):
        KerasSource.read(changed(tmp_path / "m.keras", change), SourceOptions())


@pytest.mark.parametrize(
    ("number", "problem"), [(10**9, "asks for a weight"), (7, r"m\.keras \(model\.weights\.h5\) do not fit")]
)
def test_weights_that_do_not_fit_are_named(tmp_path, in_keras, number, problem):
    file = changed(tmp_path / "m.keras", units(number))
    with pytest.raises(ModelError, match=problem):
        in_keras(exported, file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_code_that_nothing_needs_is_refused():
    with pytest.raises(UsageError, match="--allow-code means nothing"):
        KerasSource.read(ACTIVATIONS, SourceOptions(allow_code=True))
