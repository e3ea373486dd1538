"""One small model with recorded answers, its warm-up file, and the bundle that is made of both."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tfkit
from tests.compat.crafted import FLOAT, Crafted
from tests.runtimes import installed_runtime
from tfkit.arrays import Array
from tfkit.compat.recorded import EVIDENCE
from tfkit.eas.messages import PredictRequest, encode_request, encode_response

PROCESSOR = "tensorflow_cpu_1.15"


def write_model(folder: Path, *, factor: float = 2.0, answers: float | None = 2.0) -> Path:
    """A SavedModel that multiplies ``x: float32[?, 3]``, with what its source answered: times ``answers``."""
    made = Crafted(3)
    made.signature(y=made.node("y", "Mul", ["x", made.constant("factor", factor)], T=FLOAT))
    made.write(folder)
    if answers is not None:
        x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
        evidence = folder / EVIDENCE
        evidence.mkdir(parents=True)
        for number, given in enumerate((x, x[:1] + 1), start=1):
            (evidence / f"{number}.request.bin").write_bytes(request(given))
            (evidence / f"{number}.response.bin").write_bytes(encode_response({"y": given * np.float32(answers)}))
    return folder


def request(x: Array) -> bytes:
    return encode_request(PredictRequest({"x": x}, "serving_default"))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("bundled") / "model")


@pytest.fixture(scope="session")
def warm_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("warm_up") / "warm_up.bin"
    path.write_bytes(request(np.array([[0.5, 0.25, 0.125]], np.float32)))
    return path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, model: Path, warm_up: Path) -> Path:
    """A bundle for EAS, run on its processor; not to be changed."""
    installed_runtime(PROCESSOR)
    folder = tmp_path_factory.mktemp("made") / "bundle"
    tfkit.make_bundle(model, folder, processor=PROCESSOR, name="doubled", warm_up=warm_up)
    return folder


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """A copy of that bundle."""
    shutil.copytree(made, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def make(model: Path, warm_up: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a bundle without running the model; returns its folder."""

    def make(**options: object) -> Path:
        folder = tmp_path / "made"
        given: dict[str, object] = {"processor": PROCESSOR, "name": "doubled", "warm_up": warm_up, "verify": False}
        tfkit.make_bundle(model, folder, **(given | options))  # type: ignore[arg-type]
        return folder

    return make
