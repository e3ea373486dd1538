"""The recipes that come with tfkit: each is run to its end, and what it serves is as good as its model was."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfkit
from tests.runtimes import CPU_PROCESSORS, installed_runtime
from tests.sample_models import ACCURACIES, SAMPLES, accuracy
from tfkit.processors.catalogue import find_processor
from tfkit.processors.cuda import find_cuda, has_card
from tfkit.savedmodel.reader import read_signatures

RECIPES = Path(__file__).parents[2] / "recipes"
ON_A_CARD = "gpu"
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml") if path.stem != ON_A_CARD)
# Recipes with a bundle that answers with scores: the model of each, and the processor of the bundle.
BUNDLES = {
    "tf1_checkpoint": ("digits_tf1", "tensorflow_cpu_1.15"),
    "text_classifier": ("sentences", "tensorflow_cpu_2.7"),
    "wide_and_deep": ("wide_and_deep", "tensorflow_cpu_1.15"),
}

Run = Callable[[str], Path]
pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a recipe, unless a test before did; gives the folder that it wrote."""
    for processor in CPU_PROCESSORS:
        installed_runtime(processor)
    folder = tmp_path_factory.mktemp("recipes")

    def run_once(name: str) -> Path:
        if not (folder / name).exists():
            finish(name, folder / name)
        return folder / name

    return run_once


def finish(name: str, output: Path) -> None:
    """Runs a recipe in a process of its own, and checks that it came to its end."""
    command = [sys.executable, "-m", "tfkit.cli", "run", RECIPES / f"{name}.toml", "--output", output]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def steps(output: Path) -> dict[str, dict[str, Any]]:
    """The summary's steps by name."""
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    return {step["name"]: step for step in summary["steps"]}


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_comes_to_its_end(name: str, run: Run) -> None:
    assert {step["status"] for step in steps(run(name)).values()} == {"done"}


def test_every_recipe_is_in_the_table() -> None:
    told = (RECIPES / "README.md").read_text(encoding="utf-8")
    assert [name for name in (*NAMES, ON_A_CARD) if f"[{name}.toml]({name}.toml)" not in told] == []


@pytest.mark.parametrize("name", BUNDLES)
def test_the_served_bundle_is_as_accurate_as_the_model(name: str, run: Run) -> None:
    model, processor = BUNDLES[name]
    output = run(name)
    signature = read_signatures(output / "models" / processor)["serving_default"]
    with tfkit.serve_model(output / "bundles" / processor / "service.json") as service:
        assert accuracy(model, service, signature) == pytest.approx(ACCURACIES[model], abs=1e-6)


def test_the_signature_of_ones_own_tells_the_digits_of_scans(run: Run) -> None:
    scans = np.load(SAMPLES / "digits_scans_test.npy")
    labels = np.load(SAMPLES / "digits_test_labels.npy")[: len(scans)]
    with tfkit.serve_model(run("saved_model") / "models" / "tensorflow_cpu_2.7") as service:
        answer = service.predict({"image": scans}, signature="classify_scan")
    assert np.mean(answer["digit"] == labels) > 0.95
    assert answer["certainty"].shape == labels.shape


@pytest.mark.gpu
@pytest.mark.skipif(not has_card(), reason="this machine has no NVIDIA card, or no driver for it")
def test_the_recipe_for_a_card_comes_to_its_end_on_one(tmp_path: Path) -> None:
    processor = find_processor("tensorflow_gpu_2.7")
    if missing := find_cuda(processor).missing:
        pytest.skip(f"{processor.name}: {', '.join(missing)} not found here")
    for name in (processor.name, "tensorflow_cpu_2.7"):
        installed_runtime(name)
    finish(ON_A_CARD, tmp_path / "output")
    assert all("no GPU here" not in step["text"] for step in steps(tmp_path / "output").values())
