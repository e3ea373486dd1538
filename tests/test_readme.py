"""What the README shows is run: its commands, one after the other, and its Python."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.runtimes import installed_runtime
from tests.serving import Server

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXIT_CODES = {"OK": 0, "VERDICT": 1, "USAGE": 2, "INPUT": 3, "MISSING": 4, "RUNTIME": 5, "BUG": 70, "INTERRUPTED": 130}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "sample_models", tmp_path / "sample_models")
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=True)


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(title: str = "The main job") -> list[list[str]]:
    return [shlex.split(line[2:]) for line in section(title).splitlines() if line.startswith("$ tfkit ")]


def test_the_commands_of_the_main_job_work_as_shown(folder: Path) -> None:
    (folder / "token.txt").write_text("secret\n")
    shown = {words[1]: words[2:] for words in commands()}
    assert list(shown) == ["export", "inspect", "warmup-gen", "serve", "predict"]
    tfkit = (sys.executable, "-m", "tfkit.cli")
    for name in ("export", "inspect", "warmup-gen"):
        done = run(folder, *tfkit, name, *shown[name])
    assert "30c62fe13960" in done.stdout, "the warm-up file that the README shows"
    assert json.loads(run(folder, *tfkit, "inspect", *shown["inspect"]).stdout)["signature_name"] == "predict_images"
    serve = [word.replace("8500", "0") for word in shown["serve"]]
    serve = [str(folder / word) if (folder / word).exists() else word for word in serve]
    with Server(*serve) as server:
        ask = [server.url if word.startswith("http") else word for word in shown["predict"]]
        assert "scores  float32[360, 10]" in run(folder, *tfkit, "predict", *ask).stdout


def test_the_python_example_runs(folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", section("From Python"), re.DOTALL)
    digits = np.array(run(folder, sys.executable, "-c", code).stdout.strip("[] \n").split(), int)
    labels = np.load(ROOT / "sample_models" / "digits_test_labels.npy")[:10]
    assert np.mean(digits == labels) >= 0.9


@pytest.fixture
def old_model(folder: Path) -> Path:
    """What the section about processors serves: a model written by TensorFlow 1.15, its archive and service JSON."""
    fixture = ROOT / "tests" / "old_tensorflow" / "fixtures" / "tf_1.15" / "model"
    shutil.copytree(fixture, folder / "old_model")
    with tarfile.open(folder / "old_model.tar.gz", "w:gz") as archive:
        archive.add(fixture, "old_model")
    (text,) = re.findall(r"```json\n(.*?)```", section("Every processor"), re.DOTALL)
    (folder / "service.json").write_text(text)
    warm_up = ("warmup-gen", "old_model", "--input", "features=[[1, 2, 3, 4]]")
    run(folder, sys.executable, "-m", "tfkit.cli", *warm_up)
    return folder


def test_the_commands_about_processors_work_as_shown(old_model: Path) -> None:
    shown = commands("Every processor")
    assert [words[1] for words in shown] == ["runtime", "runtime", "serve", "serve"]
    for words in shown[:2]:
        run(old_model, sys.executable, "-m", "tfkit.cli", *words[1:])
    for words in shown[2:]:
        options = [str(old_model / word) if (old_model / word).exists() else word for word in words[2:]]
        with Server(*[word.replace("8500", "0") for word in options]) as server:
            assert server.ready["tensorflow"] == "1.15.5"
            ask = ("predict", server.url, "--input", "features=[[1, 2, 3, 4]]")
            assert "scores" in run(old_model, sys.executable, "-m", "tfkit.cli", *ask).stdout


def test_the_python_about_processors_runs(old_model: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", section("Every processor"), re.DOTALL)
    lines = run(old_model, sys.executable, "-c", code).stdout.split("\n")
    assert [line.split()[0] for line in lines[:2]] == ["tensorflow_cpu_1.15", "installed"]
    assert lines[0].split()[1:] == lines[1].split()[1:]


def test_the_commands_about_sources_work_as_shown(folder: Path) -> None:
    sources = ROOT / "tests" / "old_sources"
    shutil.copytree(sources / "tf1_graphs" / "fixtures" / "tf_1.15" / "cnn", folder / "run7")
    shutil.copy(sources / "keras" / "fixtures" / "keras_2.0.8" / "cnn.h5", folder / "old.h5")
    shutil.copy(sources / "weights" / "fixtures" / "keras_2.2.4" / "words.h5", folder / "weights.h5")
    shutil.copy(sources / "weights" / "nets.py", folder / "net.py")
    installed_runtime("tensorflow_cpu_1.15")
    shown = commands("What export takes")
    assert [words[1] for words in shown] == ["export"] * 3
    for words in shown:
        assert "verified against" in run(folder, sys.executable, "-m", "tfkit.cli", *words[1:]).stdout


def test_the_commands_about_old_processors_work_as_shown(folder: Path) -> None:
    shown = commands("New models on old processors")
    assert [words[1] for words in shown] == ["check", "export", "verify"]
    installed_runtime("tensorflow_cpu_1.15")
    export = next(words for words in commands() if words[1] == "export")
    for words in (export, *shown):
        done = run(folder, sys.executable, "-m", "tfkit.cli", *words[1:])
    assert "equal to the source" in done.stdout or "passed" in done.stdout


def test_the_demo_shows_the_readme_s_commands() -> None:
    """But for the folder that the demo's files lie in."""
    sys.path.insert(0, str(ROOT / "sample_models"))
    try:
        import demo
    finally:
        sys.path.pop(0)

    def plain(command: str) -> list[str]:
        for demos, readmes in (("demo/token", "token"), ("demo/warm_up", "warm_up"), ("demo/digits", "build/digits")):
            command = command.replace(f"build/{demos}", readmes)
        words = shlex.split(command)
        return words[: words.index("--output")] if words[1] == "predict" and "--output" in words else words

    assert [plain(command) for command in demo.COMMANDS] == commands()


def test_the_exit_codes_are_those_of_the_code() -> None:
    from tfkit import errors

    assert {name: getattr(errors, f"EXIT_{name}") for name in EXIT_CODES} == EXIT_CODES
    table = README.partition("## Exit codes")[2].partition("##")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(EXIT_CODES.values())
