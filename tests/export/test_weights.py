"""Weights that old versions saved, with the code or the JSON of their models: the recorded outputs come out of it.

``tests/old_sources/weights`` holds the weights, the code and what wrote them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.old_tensorflow.recorded import read_arrays
from tests.runtimes import installed_runtime
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import Runtime
from tfkit.savedmodel.reader import read_signatures

FOLDER = Path(__file__).parents[1] / "old_sources" / "weights"
NETS = FOLDER / "nets.py"
OLD = ("tensorflow_cpu_1.15", "tensorflow_cpu_2.7")
CHECKPOINTS = {"cnn": "training", "words": "words/weights", "subclassed": "subclassed", "module": "module/net.index"}


def recorded(version: str, model: str):
    """The inputs and outputs that were recorded there."""
    arrays = read_arrays(json.loads((FOLDER / "fixtures" / version / "recorded.json").read_text())[model])
    return arrays["inputs"], arrays["outputs"]


def export(*args, **options):
    """Runs in the process that holds Keras."""
    from tfkit.export import export_model

    return export_model(*args, **options)


def export_for(path, output, processors, **options):
    """Runs in the process that holds Keras."""
    from tfkit.export import export_everywhere

    return export_everywhere(path, output, processors=processors, **options)


def check(folder: Path, version: str, model: str, processor: str = INSTALLED) -> None:
    inputs, outputs = recorded(version, model)
    (signature,) = read_signatures(folder).values()
    with Runtime(processor, device="cpu") as runtime:
        (came,) = runtime.load(folder).predict({signature.inputs[0].name: inputs}, signature=signature.name).values()
    np.testing.assert_allclose(came, outputs, rtol=1e-5, atol=1e-6)


def h5_cases():
    for version in ("keras_2.2.4", "tf_2.3", "tf_2.7", "tf_2.15"):
        folder = FOLDER / "fixtures" / version
        for model in ("cnn", "words"):
            for ending in (".h5", ".weights.h5") if version == "tf_2.15" else (".h5",):
                for code in (f"{NETS}:{model}", f"{NETS}:{model}_legacy", str(folder / f"{model}.json")):
                    name = f"{version}-{model}{ending}-{code.rpartition('/')[2]}"
                    yield pytest.param(version, model, folder / f"{model}{ending}", code, id=name)


@pytest.mark.parametrize(("version", "model", "path", "code"), list(h5_cases()))
def test_a_file_of_weights_gives_what_was_recorded(tmp_path, in_keras, version, model, path, code):
    report = in_keras(export, path, tmp_path / "m", architecture=code)
    check(tmp_path / "m", version, model)
    assert report.check.outputs
    if ".py" in code:
        assert f"{NETS} was run: your own code built the model" in report.notes


def checkpoint_cases():
    for version in ("tf_2.3", "tf_2.7", "tf_2.15"):
        for model, place in CHECKPOINTS.items():
            for function in (model,) if model == "module" else (model, f"{model}_legacy"):
                yield pytest.param(version, model, place, function, id=f"{version}-{function}")


@pytest.mark.parametrize(("version", "model", "place", "function"), list(checkpoint_cases()))
def test_an_object_based_checkpoint_gives_what_was_recorded(tmp_path, in_keras, version, model, place, function):
    path = FOLDER / "fixtures" / version / place
    report = in_keras(export, path, tmp_path / "m", architecture=f"{NETS}:{function}")
    check(tmp_path / "m", version, model)
    assert report.source.kind == "checkpoint"
    if model == "cnn":
        assert "of the checkpoint 'model' was taken; left out: step" in report.notes


def test_a_checkpoint_goes_with_json_of_its_model(tmp_path, in_keras):
    folder = FOLDER / "fixtures" / "tf_2.3"
    in_keras(export, folder / "training" / "ckpt-12", tmp_path / "m", architecture=str(folder / "cnn.json"))
    check(tmp_path / "m", "tf_2.3", "cnn")


@pytest.mark.network
@pytest.mark.parametrize(
    ("version", "model", "place", "function"),
    [
        ("keras_2.2.4", "words", "words.h5", "words"),
        ("keras_2.2.4", "cnn", "cnn.h5", "cnn_legacy"),
        ("tf_2.15", "cnn", "cnn.weights.h5", "cnn"),
        ("tf_2.3", "cnn", "training", "cnn"),
        ("tf_2.7", "words", "words/weights", "words"),
        ("tf_2.15", "subclassed", "subclassed", "subclassed_legacy"),
        ("tf_2.3", "module", "module/net", "module"),
    ],
)
def test_they_give_it_on_old_processors_too(tmp_path, in_keras, version, model, place, function):
    for processor in OLD:
        installed_runtime(processor)
    path = FOLDER / "fixtures" / version / place
    report = in_keras(export_for, path, tmp_path / "m", OLD, architecture=f"{NETS}:{function}")
    assert not report.failed
    for processor in OLD:
        check(tmp_path / "m" / processor, version, model, processor)
