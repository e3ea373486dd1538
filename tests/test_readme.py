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
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
TFKIT = (sys.executable, "-m", "tfkit.cli")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "sample_models", tmp_path / "sample_models")
    return tmp_path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the main job's model and warm-up file were made with the commands that make them."""
    folder = tmp_path_factory.mktemp("digits")
    shutil.copytree(ROOT / "sample_models", folder / "sample_models")
    (folder / "token.txt").write_text("secret\n")
    for words in commands()[:3]:
        done = run(folder, *TFKIT, *words[1:])
    assert "30c62fe13960" in done.stdout, "the warm-up file that the README shows"
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=True)


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(title: str = "The main job") -> list[list[str]]:
    return lines_of(section(title))


def lines_of(text: str) -> list[list[str]]:
    return [shlex.split(line[2:]) for line in text.splitlines() if line.startswith("$ tfkit ")]


def serving(folder: Path, words: list[str]) -> Server:
    """The service that a command line starts, on a free port, its files in the folder."""
    given = [word.replace("8500", "0") for word in words[2:]]
    return Server(*[str(folder / word) if (folder / word).exists() else word for word in given])


def test_the_commands_of_the_main_job_work_as_shown(digits: Path) -> None:
    shown = {words[1]: words for words in commands()}
    assert list(shown) == ["export", "inspect", "warmup-gen", "serve", "predict"]
    inspected = run(digits, *TFKIT, *shown["inspect"][1:]).stdout
    assert json.loads(inspected)["signature_name"] == "predict_images"
    assert inspected in README
    with serving(digits, shown["serve"]) as server:
        ask = [server.url if word.startswith("http") else word for word in shown["predict"][1:]]
        assert "scores  float32[360, 10]" in run(digits, *TFKIT, *ask).stdout


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
    run(folder, *TFKIT, *warm_up)
    return folder


def test_the_commands_about_processors_work_as_shown(old_model: Path) -> None:
    shown = commands("Every processor")
    assert [words[1] for words in shown] == ["runtime", "runtime", "serve", "serve"]
    for words in shown[:2]:
        run(old_model, *TFKIT, *words[1:])
    for words in shown[2:]:
        with serving(old_model, words) as server:
            assert server.ready["tensorflow"] == "1.15.5"
            assert (
                "scores" in run(old_model, *TFKIT, "predict", server.url, "--input", "features=[[1, 2, 3, 4]]").stdout
            )


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
        assert "verified against" in run(folder, *TFKIT, *words[1:]).stdout


def test_the_commands_about_old_processors_work_as_shown(digits: Path) -> None:
    shown = commands("New models on old processors")
    assert [words[1] for words in shown] == ["check", "export", "verify"]
    installed_runtime("tensorflow_cpu_1.15")
    done = [run(digits, *TFKIT, *words[1:]) for words in shown]
    assert "equal to the source" in done[-1].stdout


def test_the_commands_about_warm_up_work_as_shown(digits: Path) -> None:
    shown = commands("Warm-up")
    assert [words[1] for words in shown] == [
        *("warmup-gen", "warmup-lint", "warmup-prove"),
        *("serve", "record", "warmup-gen", "warmup-lint"),
        *("warmup-convert", "warmup-convert"),
    ]
    done = [run(digits, *TFKIT, *words[1:]).stdout for words in shown[:3]]
    assert "passed" in done[1]
    assert "every request is covered" in done[2]
    (digits / "recorded").mkdir()
    ask = ("--input", "images=random", "--batch-size")
    with serving(digits, shown[3]) as service:
        run(digits, *TFKIT, "predict", service.url, *ask, "1")
    with serving(digits, ["tfkit", "serve", "build/digits"]) as service:
        upstream, output = f"--upstream={service.url}", str(digits / shown[4][-1])
        with Server(upstream, "--output", output, command="record") as proxy:
            run(digits, *TFKIT, "predict", proxy.url, *ask, "2")
    done = [run(digits, *TFKIT, *words[1:]).stdout for words in shown[5:]]
    assert "2 warm-up files" in done[0]
    assert "covered: 1 of 2 recorded requests" in done[1]
    assert "2 requests as tf-serving" in done[2]
    assert "2 requests as triton" in done[3]


def test_the_commands_about_uploading_work_as_shown(digits: Path) -> None:
    shown = commands("What is uploaded")
    assert [words[1] for words in shown] == ["export", "bundle", "bundle-check"]
    installed_runtime("tensorflow_cpu_2.7")
    done = [run(digits, *TFKIT, *words[1:]).stdout for words in shown]
    assert "passed: starts in tensorflow_cpu_2.7, and gives the recorded answers" in done[-1]


def test_the_recipe_does_what_is_shown(folder: Path) -> None:
    shutil.copytree(ROOT / "recipes", folder / "recipes", ignore=shutil.ignore_patterns("build"))
    installed_runtime("tensorflow_cpu_1.15")
    (words,) = commands("Recipes and notebooks")

    def without_times(text: str) -> list[str]:
        return re.sub(r" +[0-9.]+ s  ", " ", text).splitlines()

    shown = section("Recipes and notebooks").partition("$ tfkit run")[2].partition("```")[0].partition("\n")[2]
    assert without_times(run(folder, *TFKIT, *words[1:]).stdout) == without_times(shown)


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


def test_the_chinese_readme_shows_what_this_one_shows() -> None:
    assert [words for words in lines_of(CHINESE) if words not in lines_of(README)] == []
    assert [words for words in commands() if words not in lines_of(CHINESE)] == []

    def code(text: str) -> list[str]:
        return [re.sub(r"  #.*", "", block) for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]

    assert code(CHINESE) == code(README)
