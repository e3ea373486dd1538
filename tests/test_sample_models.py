"""The sample models: what they take, and that their exports are as accurate as the models were when they were made."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.sample_models import ACCURACIES, SAMPLES, accuracy, held_out_option
from tests.serving import Server
from tfkit.client import Client
from tfkit.savedmodel.reader import read_signatures
from tfkit.warmup.generate import make_warmup

IMAGES_TO_SCORES = {"images": "float32[?, 784]", "scores": "float32[?, 10]"}
MEASUREMENTS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample model: its file, what ``tfkit export`` needs to know of it, and the signature that comes out."""

    file: str
    values: dict[str, str]
    options: tuple[str, ...] = ()


MODELS = {
    "digits_mlp": Sample(
        "digits_mlp.keras", IMAGES_TO_SCORES, ("--rename", "keras_tensor=images", "--rename", "dense_2=scores")
    ),
    "digits_cnn": Sample("digits_cnn.keras", IMAGES_TO_SCORES),
    "digits_2017": Sample(
        "digits_2017.h5", IMAGES_TO_SCORES, ("--rename", "reshape_1_input=images", "--rename", "dense_1=scores")
    ),
    "digits_tf1": Sample(
        "digits_tf1", IMAGES_TO_SCORES, ("--set", "is_training=false", "--output-tensor", "scores=scores:0")
    ),
    "digits_tf2": Sample("digits_tf2/digits-1", IMAGES_TO_SCORES, ("--model", f"{SAMPLES / 'digits_tf2.py'}:build")),
    "digits_frozen": Sample("digits_frozen.pb", IMAGES_TO_SCORES),
    "digits_signatures": Sample("digits_signatures", IMAGES_TO_SCORES, ("--signature", "score_images")),
    "penguins": Sample(
        "penguins.keras", {"measurements": "int64[?, 4]", "traits": "string[?, 2]", "scores": "float32[?, 3]"}
    ),
    "sentences": Sample("sentences.keras", {"text": "string[?, 1]", "scores": "float32[?, 4]"}),
    "wide_and_deep": Sample(
        "wide_and_deep.keras",
        {
            "species": "string[?, 1]",
            "island": "string[?, 1]",
            "year": "int64[?, 1]",
            **dict.fromkeys(MEASUREMENTS, "float32[?, 1]"),
            "scores": "float32[?, 2]",
        },
    ),
}


def test_every_model_has_a_recorded_accuracy():
    written = {path.stem for suffix in ("*.keras", "*.h5", "*.pb", "*/") for path in SAMPLES.glob(suffix)}
    assert written - {"__pycache__"} == set(ACCURACIES) == set(MODELS)
    assert min(ACCURACIES.values()) > 0.8


def test_files_are_small():
    assert all(path.stat().st_size < 1_500_000 for path in SAMPLES.rglob("*"))


@pytest.mark.parametrize("name", MODELS)
def test_the_served_export_is_as_accurate_as_the_model(name, tmp_path):
    model = MODELS[name]
    command = [sys.executable, "-m", "tfkit.cli", "export", SAMPLES / model.file, "--output", tmp_path / name]
    subprocess.run([*command, *model.options], check=True, timeout=120, stdout=subprocess.DEVNULL)
    (signature,) = read_signatures(tmp_path / name).values()
    assert {spec.name: str(spec) for spec in (*signature.inputs, *signature.outputs)} == model.values

    warm_up = tmp_path / "warm_up_test.bin"
    make_warmup(tmp_path / name, warm_up, inputs=[held_out_option(name)])
    with Server(tmp_path / name, "--warm-up", str(warm_up)) as server, Client(server.url) as client:
        assert accuracy(name, client, signature) == pytest.approx(ACCURACIES[name], abs=1e-6)
