"""Graphs that others trained, from packages of the index, on the installed TensorFlow and on processors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.packages import unpacked
from tests.runtimes import installed_runtime
from tfkit.errors import SignatureError
from tfkit.export import export_model
from tfkit.runtime import Runtime

pytestmark = [pytest.mark.network, pytest.mark.slow]

PROCESSORS = ["installed", "tensorflow_cpu_1.15", "tensorflow_cpu_2.7"]
SCRIPT = Path(__file__).with_name("tensorflow_answers.py")


@pytest.fixture(scope="module")
def musicnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four taggers of music, trained with TensorFlow 1.11 and 1.12; their checkpoints have no name but endings."""
    return unpacked("musicnn==0.1.0", tmp_path_factory.mktemp("musicnn")) / "musicnn"


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 3-D U-Net that finds the brain in a head; its input hangs on a data set's iterator."""
    return unpacked("deepbrain==0.1", tmp_path_factory.mktemp("deepbrain")) / "deepbrain" / "models" / "graph.pb"


@pytest.fixture(scope="module")
def pitch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finder of notes in music, as TensorFlow 2.4 wrote it, and beside it as ONNX."""
    package = unpacked("basic-pitch==0.4.0", tmp_path_factory.mktemp("pitch"))
    return package / "basic_pitch" / "saved_models" / "icassp_2022" / "nmp"


def answers(folder: Path, graph: Path, output: str, **fed: Any) -> np.ndarray:
    """What TensorFlow itself computes."""
    np.savez(folder / "fed.npz", **fed)
    command = [sys.executable, SCRIPT, graph, folder / "fed.npz", folder / "came.npz", output]
    subprocess.run(command, check=True, timeout=240)
    return np.load(folder / "came.npz")[output]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("name", ["MTT_musicnn", "MTT_vgg", "MSD_musicnn", "MSD_vgg"])
def test_musicnn(musicnn: Path, name: str, processor: str, tmp_path: Path) -> None:
    if processor != "installed":
        installed_runtime(processor)
    sound = np.random.RandomState(1).uniform(0, 4, (2, 187, 96)).astype(np.float32)

    report = export_model(
        musicnn / name, tmp_path / "out", processor=processor, fixed={"Placeholder_2": False},
        rename={"Placeholder": "sound", "Sigmoid": "tags"}, inputs={"sound": sound},
    )  # fmt: skip

    assert "output 'Sigmoid' was found: model/Sigmoid:0 (Sigmoid)" in report.notes
    assert [str(spec) for spec in report.signature.outputs] == ["float32[?, 50]"]
    expected = answers(
        tmp_path, musicnn / name / ".meta", "model/Sigmoid:0",
        **{"model/Placeholder:0": sound, "model/Placeholder_2:0": np.array(False)},
    )  # fmt: skip
    with Runtime(processor) as runtime:
        came = runtime.load(tmp_path / "out").predict({"sound": sound})["tags"]
    np.testing.assert_allclose(came, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("processor", PROCESSORS)
def test_deepbrain(brain: Path, processor: str, tmp_path: Path) -> None:
    if processor != "installed":
        installed_runtime(processor)
    head = np.random.RandomState(1).uniform(0, 1, (1, 128, 128, 128, 1)).astype(np.float32)

    # The sigmoid of 1.x is right to 1e-7 of 1, however small the probability is.
    export_model(
        brain, tmp_path / "out", processor=processor, fixed={"training": False},
        output_tensors={"probability": "prob:0"}, inputs={"img": head}, atol=1e-6,
    )  # fmt: skip

    expected = answers(tmp_path, brain, "prob:0", **{"img:0": head, "training:0": np.array(False)})
    with Runtime(processor) as runtime:
        came = runtime.load(tmp_path / "out").predict({"img": head})["probability"]
    np.testing.assert_allclose(came, expected, rtol=1e-5, atol=1e-6)


def test_deepbrain_says_what_is_not_clear(brain: Path, tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"training:0 .* chooses between training and serving"):
        export_model(brain, tmp_path / "out")
    with pytest.raises(SignatureError, match="the outputs hang on an input pipeline of training") as caught:
        export_model(brain, tmp_path / "out", fixed={"training": False}, output_tensors={"mask": "pred:0"})
    assert "--input-tensor img=img:0 --input-tensor input_0=IteratorGetNext:1" in caught.value.hint


@pytest.mark.parametrize("processor", PROCESSORS)
def test_basic_pitch(pitch: Path, processor: str, tmp_path: Path) -> None:
    if processor != "installed":
        installed_runtime(processor)
    random = np.random.RandomState(1)
    tones = np.sin(2 * np.pi * random.uniform(100, 2000, (2, 1)) * np.arange(43844) / 22050)
    sound = (tones * 0.4 + random.standard_normal(tones.shape) * 0.04).astype(np.float32)[..., np.newaxis]

    # TensorFlow 2.4 itself is 1e-4 from 2.21: the model takes logarithms of what is almost nothing.
    export_model(pitch, tmp_path / "out", processor=processor, inputs={"input_2": sound}, atol=2e-4)

    twin = onnxruntime.InferenceSession(f"{pitch}.onnx", providers=["CPUExecutionProvider"])
    expected = twin.run(
        [f"StatefulPartitionedCall:{number}" for number in range(3)], {"serving_default_input_2:0": sound}
    )
    with Runtime(processor, device="cpu") as runtime:
        came = runtime.load(tmp_path / "out").predict({"input_2": sound})
    for name, array in zip(sorted(came), expected, strict=True):
        np.testing.assert_allclose(came[name], array, atol=1e-3, err_msg=name)
