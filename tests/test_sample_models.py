"""The sample models: what they take, and that their exports are as accurate as the models were when they were made."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.serving import Server
from tfkit.arrays import string_array
from tfkit.client import Client
from tfkit.savedmodel.reader import read_signatures
from tfkit.warmup.generate import generate_warmup

SAMPLES = Path(__file__).parents[1] / "sample_models"
ACCURACIES = json.loads((SAMPLES / "accuracies.json").read_text(encoding="utf-8"))
RENAMES = {"digits_mlp": ["--rename", "keras_tensor=images", "--rename", "dense_2=scores"]}
SIGNATURES = {
    "digits_mlp": {"images": "float32[?, 784]", "scores": "float32[?, 10]"},
    "digits_cnn": {"images": "float32[?, 784]", "scores": "float32[?, 10]"},
    "penguins": {"measurements": "int64[?, 4]", "traits": "string[?, 2]", "scores": "float32[?, 3]"},
}


def held_out(name):
    """The held-out inputs of a model, and their labels."""
    if name == "penguins":
        with np.load(SAMPLES / "penguins_test.npz") as arrays:
            inputs = {"measurements": arrays["measurements"], "traits": string_array(arrays["traits"])}
        return inputs, np.load(SAMPLES / "penguins_test_labels.npy")
    return {"images": np.load(SAMPLES / "digits_test.npy")}, np.load(SAMPLES / "digits_test_labels.npy")


def test_every_model_has_a_recorded_accuracy():
    assert {path.stem for path in SAMPLES.glob("*.keras")} == set(ACCURACIES) == set(SIGNATURES)
    assert min(ACCURACIES.values()) > 0.97


def test_files_are_small():
    assert all(path.stat().st_size < 1_500_000 for path in SAMPLES.iterdir())


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_served_export_is_as_accurate_as_the_model(name, tmp_path):
    command = [sys.executable, "-m", "tfkit.cli", "export", SAMPLES / f"{name}.keras", "--output", tmp_path / name]
    subprocess.run([*command, *RENAMES.get(name, [])], check=True, timeout=120, stdout=subprocess.DEVNULL)
    signature = read_signatures(tmp_path / name)["serving_default"]
    assert {spec.name: str(spec) for spec in (*signature.inputs, *signature.outputs)} == SIGNATURES[name]

    inputs, labels = held_out(name)
    warm_up = tmp_path / "warm_up_test.bin"
    generate_warmup(tmp_path / name, warm_up, inputs={alias: rows[:1] for alias, rows in inputs.items()})
    with Server(tmp_path / name, "--warm-up", str(warm_up)) as server, Client(server.url) as client:
        scores = client.predict(inputs)["scores"]
    accuracy = float(np.mean(np.argmax(scores, axis=1) == labels))
    assert accuracy == pytest.approx(ACCURACIES[name], abs=1e-6)
