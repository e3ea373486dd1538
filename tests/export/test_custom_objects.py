"""Files whose models need code: --custom-objects gives classes and functions, --allow-code runs what a file holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.export.test_weights import export
from tfkit.errors import InputError, ModelError, UsageError
from tfkit.runtime import Runtime
from tfkit.savedmodel.reader import read_signatures

PARTS = """
import keras

@keras.saving.register_keras_serializable("mine")
class Wave(keras.layers.Layer):
    def call(self, x):
        return keras.ops.sin(x)

class Plain(keras.layers.Layer):
    def call(self, x):
        return x + 0.5

@keras.saving.register_keras_serializable("mine")
def swoosh(x):
    return x * keras.ops.sigmoid(x)

def double(x):
    return x * 2.0
"""
UNREGISTERED = PARTS.replace('@keras.saving.register_keras_serializable("mine")\n', "")
EXPECTED = {"inputs": [[0.1, -0.2], [0.3, 0.4]]}


def save(kind, path, parts):
    """Runs in the process that holds Keras: a model with parts of its author; what it gives for some inputs."""
    import keras

    from tfkit.export.live.user_code import UserFile

    with UserFile.read(parts, "--custom-objects").running() as module:
        layers = [
            keras.Input((2,)), keras.layers.Dense(3, activation=module.swoosh, name="first"),
            keras.layers.Dense(3, activation=module.double), module.Wave(name="wave"), module.Plain(),
        ]  # fmt: skip
        if kind == "lambda":
            layers = [keras.Input((2,)), keras.layers.Dense(3), keras.layers.Lambda(lambda x: x * 3.0, name="thrice")]
        model = keras.Sequential(layers)
        if kind == "json":
            model.save_weights(path)
            path.with_suffix(".json").write_text(model.to_json())
        else:
            model.save(path)
        return np.asarray(model(np.asarray(EXPECTED["inputs"], np.float32)))


@pytest.fixture
def parts(tmp_path) -> Path:
    path = tmp_path / "parts.py"
    path.write_text(PARTS)
    return path


def check(folder, expected):
    (signature,) = read_signatures(folder).values()
    with Runtime(device="cpu") as runtime:
        inputs = {signature.inputs[0].name: np.asarray(EXPECTED["inputs"], np.float32)}
        (came,) = runtime.load(folder).predict(inputs, signature=signature.name).values()
    np.testing.assert_allclose(came, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("given", [PARTS, UNREGISTERED])
def test_classes_and_functions_of_the_users_file_are_offered(tmp_path, in_keras, parts, given):
    """Also by their plain names, where they were registered once and are not now."""
    expected = in_keras(save, "custom", tmp_path / "m.keras", parts)
    parts.write_text(given)
    report = in_keras(export, tmp_path / "m.keras", tmp_path / "m", custom_objects=parts)
    check(tmp_path / "m", expected)
    assert report.notes[0] == f"{parts} was run: your own code is part of the model"


def test_json_takes_them_as_well(tmp_path, in_keras, parts):
    expected = in_keras(save, "json", tmp_path / "m.weights.h5", parts)
    options = {"architecture": str(tmp_path / "m.weights.json"), "custom_objects": parts}
    in_keras(export, tmp_path / "m.weights.h5", tmp_path / "m", **options)
    check(tmp_path / "m", expected)
    with pytest.raises(ModelError, match="needs code of its author: function"):
        in_keras(export, tmp_path / "m.weights.h5", tmp_path / "n", architecture=options["architecture"])


@pytest.mark.parametrize(
    ("given", "error", "problem", "hint"),
    [
        (PARTS.replace("class Wave", "class Waves"), InputError, r"'wave' of class Wave .*does not define it", "Waves"),
        ("x = 1\n", InputError, r"does not define it: expected", ""),
        ("def broken(:\n", InputError, r"parts\.py, line 1: invalid syntax", ""),
        ("raise RuntimeError('no')\n", InputError, r"parts\.py, line 1: RuntimeError: no", ""),
        (PARTS.replace("return x + 0.5", "raise ValueError('mine')"), ModelError, "cannot load", ""),
    ],
)  # fmt: skip
def test_what_the_users_file_lacks_is_named(tmp_path, in_keras, parts, given, error, problem, hint):
    in_keras(save, "custom", tmp_path / "m.keras", parts)
    parts.write_text(given)
    with pytest.raises(error, match=problem) as caught:
        in_keras(export, tmp_path / "m.keras", tmp_path / "out" / "m", custom_objects=parts)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_code_in_a_file_runs_only_with_allow_code(tmp_path, in_keras, parts):
    expected = in_keras(save, "lambda", tmp_path / "m.keras", parts)
    for options in ({}, {"custom_objects": parts}):
        with pytest.raises(ModelError, match=r"Python code .* in layer 'thrice'") as caught:
            in_keras(export, tmp_path / "m.keras", tmp_path / "m", **options)
        assert "--allow-code" in caught.value.hint
    report = in_keras(export, tmp_path / "m.keras", tmp_path / "m", allow_code=True)
    check(tmp_path / "m", expected)
    assert report.notes[0] == "m.keras holds Python code, which was run: --allow-code"


def test_options_that_a_file_does_not_need_are_refused(tmp_path, in_keras, parts):
    sample = Path(__file__).parents[2] / "sample_models" / "digits_mlp.keras"
    with pytest.raises(UsageError, match=r"--allow-code means nothing for .*: it holds no Python code"):
        in_keras(export, sample, tmp_path / "m", allow_code=True)
    with pytest.raises(UsageError, match=r"--custom-objects means nothing for .*: it needs no"):
        in_keras(export, sample, tmp_path / "m", custom_objects=parts)


def test_a_function_of_the_system_is_no_part_of_a_model(tmp_path, in_keras, parts):
    """A configuration that names any function of Python gets none but those of the user's file."""
    in_keras(save, "json", tmp_path / "m.weights.h5", parts)
    path = tmp_path / "m.weights.json"
    text = path.read_text().replace('"mine>swoosh"', '"system"').replace('"module": "builtins"', '"module": "os"')
    path.write_text(json.dumps(json.loads(text)))
    with pytest.raises(InputError, match=r"function system .*does not define it"):
        in_keras(export, tmp_path / "m.weights.h5", tmp_path / "m", architecture=str(path), custom_objects=parts)
