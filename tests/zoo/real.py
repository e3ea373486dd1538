"""Models that others trained, from packages of the index."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from tests.old_tensorflow.recorded import Case
from tests.packages import unpacked
from tests.zoo.kinds import RANDOM, Made, given, kind

_PITCH = "basic-pitch==0.4.0"
_PITCH_MODEL = "basic_pitch/saved_models/icassp_2022/nmp"
# Its ONNX twin computes the same, but was converted: its numbers are not the same to the last bit.
_TWIN_TOLERANCE = 1e-3


# TensorFlow 2.4, which wrote it, is itself 1e-4 from 2.21: the model takes logarithms of what is almost nothing.
@kind(big=True, tolerance=2e-4)
def basic_pitch() -> Made:
    """Notes of music, as TensorFlow 2.4 wrote it; its ONNX twin agrees."""
    package = unpacked(_PITCH, Path(tempfile.mkdtemp(prefix="tfkit-zoo-")))

    def sound(size: int) -> np.ndarray:
        """Two seconds of three tones and noise."""
        seconds = np.arange(43844) / 22050
        tones = [
            sum(np.sin(2 * np.pi * hertz * seconds) for hertz in RANDOM.uniform(100, 2000, 3)) for _ in range(size)
        ]
        noise = RANDOM.standard_normal((size, seconds.size)) * 0.2
        return (np.stack(tones) * 0.2 + noise).astype(np.float32)[..., np.newaxis]

    def save(folder: Path) -> None:
        shutil.copytree(package / _PITCH_MODEL, folder)

    def check(cases: Sequence[Case]) -> None:
        twin = onnx.load(package / f"{_PITCH_MODEL}.onnx")
        outputs = [f"StatefulPartitionedCall:{at}" for at in range(3)]
        for case in cases:
            came = ReferenceEvaluator(twin).run(outputs, {twin.graph.input[0].name: case.inputs["input_2"]})
            for name, array in zip(sorted(case.outputs), came, strict=True):
                np.testing.assert_allclose(case.outputs[name], array, atol=_TWIN_TOLERANCE, err_msg=name)

    return Made(save, given(batches=(1, 2), input_2=sound), check)
