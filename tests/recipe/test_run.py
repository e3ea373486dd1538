"""Recipes that are run: what they make, what they do not make again, and how they fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tfkit
from tests.compat.crafted import FLOAT, INT32, Crafted
from tfkit.errors import InputError
from tfkit.recipe.record import Outcome, Record
from tfkit.recipe.run import RecipeReport, run_recipe

PROCESSOR = "tensorflow_cpu_1.15"
STEPS = ["export", "check", "verify", "warm-up", "warm-up proof", "bundle", "bundle check"]
RECIPE = """
name = "negative"

[source]
model = "model"

[target]
processors = ["tensorflow_cpu_1.15"]

[samples]
x = "@rows.npy"

[warm_up]
runs = 1

[bundle]
settings = {cpu = 2, rpc.keepalive = 1000}
"""


def make_source(folder: Path) -> Path:
    """A recipe, and the model and samples that it names; returns the recipe."""
    made = Crafted(2)
    made.signature(y=made.node("y", "Neg", ["x"], T=FLOAT))
    made.write(folder / "model")
    np.save(folder / "rows.npy", np.arange(8, dtype=np.float32).reshape(4, 2))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> RecipeReport:
    """The first run of the recipe."""
    return run_recipe(make_source(tmp_path_factory.mktemp("recipe")))


@pytest.fixture
def again(first: RecipeReport, tmp_path: Path) -> Path:
    """The recipe with all that its first run made, in a folder of its own."""
    shutil.copytree(first.recipe.parent, tmp_path / "copy")
    return tmp_path / "copy" / "recipe.toml"


def statuses(report: RecipeReport) -> list[str]:
    return [step.status for step in report.steps]


def record_of(recipe: Path) -> dict[str, list[str]]:
    """The files that each step wrote."""
    record = json.loads((recipe.parent / "build/negative/record.json").read_text())
    return {name: sorted(entry["files"]) for name, entry in record.items()}


def test_a_recipe_does_it_all(first: RecipeReport) -> None:
    assert first.passed, str(first)
    assert [step.name for step in first.steps] == STEPS
    assert statuses(first) == ["done"] * len(STEPS)
    assert first.output == first.recipe.parent.resolve() / "build/negative"
    service = json.loads((first.output / f"bundles/{PROCESSOR}/service.json").read_text())
    assert service["metadata"] == {"instance": 1, "cpu": 2, "rpc": {"keepalive": 1000}}
    assert "passed" in (first.output / "summary.txt").read_text()
    assert json.loads((first.output / "summary.json").read_text()) == json.loads(
        json.dumps(first.as_dict(), default=str)
    )
    page = (first.output / "summary.html").read_text()
    assert page.count("<svg") >= 2  # of verify and of the warm-up's proof
    assert page.count("<h1>") == 1
    assert "<svg" in first._repr_html_()
    with tfkit.serve_model(first.output / f"bundles/{PROCESSOR}/service.json") as service_there:
        assert service_there.predict({"x": [[1, 2]]})["y"].tolist() == [[-1, -2]]


def test_nothing_is_done_twice(again: Path) -> None:
    assert statuses(run_recipe(again)) == ["up to date"] * len(STEPS)
    before = record_of(again)
    (again.parent / "build/negative/record.json").unlink()
    assert statuses(run_recipe(again, force=True)) == ["done"] * len(STEPS)
    assert record_of(again) == before  # what is written with the content that it had is a step's own, too


def test_what_is_gone_or_changed_is_made_anew(again: Path) -> None:
    output = again.parent / "build/negative"
    (output / f"bundles/{PROCESSOR}/service.json").unlink()
    report = run_recipe(again)
    # What follows is up to date yet: the bundle is the same to the byte.
    assert statuses(report) == ["up to date"] * 5 + ["done", "up to date"]
    (output / "warm_up_test.bin").write_bytes(b"other")
    assert [step.name for step in run_recipe(again).steps if step.status == "done"] == ["warm-up"]


@pytest.mark.parametrize("damage", ["{", "[1]", '{"check": {"key": "k", "files": {}, "outcome": {"other": 1}}}'])
def test_a_damaged_record_is_none(again: Path, damage: str) -> None:
    record = again.parent / "build/negative/record.json"
    record.write_text(damage)
    assert Record(record.parent).outcome("check", "k") is None


def test_what_a_step_no_longer_writes_goes_but_what_is_not_its_own_stays(tmp_path: Path) -> None:
    old, changed, new = (tmp_path / "bundles" / name for name in ("old", "changed", "new"))
    for folder in (old, changed, new):
        folder.mkdir(parents=True)
        (folder / "model.tar.gz").write_text("model")
    record = Record(tmp_path)
    record.keep("bundle", "k", (old, changed), Outcome("2"))
    (changed / "model.tar.gz").write_text("somebody else's")
    record.keep("bundle", "l", (new,), Outcome("1"))
    assert not old.exists()
    assert (changed / "model.tar.gz").read_text() == "somebody else's"
    assert record.outcome("bundle", "l") == Outcome("1") == Record(tmp_path).outcome("bundle", "l")
    assert list(record.written("bundle")) == ["bundles/new/model.tar.gz"]


def test_what_a_step_wrote_that_there_is_no_longer_goes(again: Path) -> None:
    """The bundle's own folder stays, as it holds something else."""
    output = again.parent / "build/negative"
    (output / "bundles" / "notes.txt").write_text("mine")
    text = again.read_text().replace("runs = 1", "prove = false\nbatch_sizes = [1, 2]")
    again.write_text(text[: text.index("[bundle]")])
    report = run_recipe(again)
    assert [(step.name, step.status) for step in report.steps if step.status != "up to date"] == [("warm-up", "done")]
    assert {path.name for path in output.iterdir() if not path.name.startswith(("summary", "record"))} == {
        "models",
        "warm_up",
        "bundles",
    }
    assert [path.name for path in (output / "bundles").rglob("*")] == ["notes.txt"]
    assert Record(output).outcome("bundle check", "") is None


def test_what_somebody_else_put_into_a_steps_folder_stays(again: Path) -> None:
    output = again.parent / "build/negative"
    mine = {output / "warm_up" / name for name in ("NOTES.md", "recorded.bin")}
    text = again.read_text()
    text = text[: text.index("[warm_up]")]
    for table in (
        "[warm_up]\nprove = false\nbatch_sizes = [1, 2]",
        "[warm_up]\nprove = false\nbatch_sizes = [1, 3]",
        "",
    ):
        again.write_text(text + table)
        assert run_recipe(again, force=bool(table)).passed
        for file in mine:
            file.parent.mkdir(exist_ok=True)
            file.write_text("mine")
    assert set((output / "warm_up").iterdir()) == mine


def test_other_samples_and_settings_are_seen(again: Path) -> None:
    np.save(again.parent / "rows.npy", np.ones((4, 2), np.float32) * np.arange(4, dtype=np.float32)[:, None])
    assert statuses(run_recipe(again))[0] == "done"
    again.write_text(again.read_text().replace("keepalive = 1000", "keepalive = 2000, cpus = 2"))
    done = [step for step in run_recipe(again).steps if step.status == "done"]
    assert [step.name for step in done] == ["bundle", "bundle check"]
    assert "did you mean metadata.cpu?" in done[0].text


def test_a_step_that_fails_ends_it_and_is_tried_again(tmp_path: Path) -> None:
    recipe = make_source(tmp_path)
    made = Crafted(2)
    made.signature(y=made.node("y", "NoSuchOp", ["x"], T=FLOAT))
    made.write(tmp_path / "model")
    report = run_recipe(recipe)
    assert statuses(report) == ["failed"] + ["not run"] * 6
    assert not report.passed
    assert "NoSuchOp" in report.steps[0].text
    assert "NoSuchOp" in (report.output / "summary.txt").read_text()
    assert statuses(run_recipe(recipe))[0] == "failed"


def test_an_onnx_recipe_ends_with_the_model(tmp_path: Path) -> None:
    recipe = make_source(tmp_path)
    recipe.write_text('[source]\nmodel = "model"\n[target]\nformat = "onnx"\n')
    report = run_recipe(recipe, output=tmp_path / "out")
    assert [(step.name, step.status) for step in report.steps] == [("export", "done")], str(report)
    assert (tmp_path / "out/recipe.onnx").is_file()
    assert run_recipe(recipe, output=tmp_path / "out").steps[0].status == "up to date"
    text = recipe.read_text()
    recipe.write_text('[source]\nmodel = "model"\n[target]\nprocessors = ["tensorflow_cpu_1.15"]\n')
    run_recipe(recipe, output=tmp_path / "out")
    assert not list((tmp_path / "out").glob("recipe.onnx*"))
    recipe.write_text(text)
    assert run_recipe(recipe, output=tmp_path / "out").passed


def test_advice_names_keys_of_the_recipe(tmp_path: Path) -> None:
    recipe = make_source(tmp_path)
    made = Crafted(2)
    noise = made.node("noise", "RandomUniform", [made.constant("shape", [2])], T=INT32, dtype=FLOAT)
    made.signature(y=made.node("y", "Add", ["x", noise], T=FLOAT))
    made.write(tmp_path / "model")
    report = run_recipe(recipe)
    assert "In a recipe's [verify], --no-verify is: run = false" in report.steps[0].text


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('x = "@rows.npy"', 'z = "@rows.npy"', "line 11: 'samples.z'"),
        ('model = "model"', 'model = "model"\nrename = {w = "images"}', "line 6: 'source.rename.w'"),
    ],
)
def test_a_name_that_the_model_does_not_have_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: str
) -> None:
    recipe = make_source(tmp_path)
    recipe.write_text(recipe.read_text().replace(old, new))
    report = run_recipe(recipe)
    assert report.exit_code == InputError.exit_code
    assert f"See {recipe}, {line}" in report.steps[0].text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('model = "model"', 'model = "no_model"', "no_model"),
        ("rows.npy", "no_rows.npy", "no_rows.npy"),
        ("rows.npy", "../no_rows.npy", r"is (?!.*\.\.).*/no_rows\.npy, which"),
        ("tensorflow_cpu_1.15", "tensorflow_cpu_1.16", "tensorflow_cpu_1.16"),
        ('model = "model"', 'model = "."', "is inside of"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(tmp_path: Path, old: str, new: str, words: str) -> None:
    recipe = make_source(tmp_path)
    recipe.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(InputError, match=words):
        run_recipe(recipe)
    assert not (tmp_path / "build").exists()


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tfkit.cli", "run", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_the_command(again: Path, tmp_path: Path) -> None:
    done = run(again)
    assert done.returncode == 0, done.stderr
    assert "negative: passed" in done.stdout
    assert "up to date" in done.stdout
    assert json.loads(run(again, "--json").stdout)["passed"]
    assert json.loads(run("--schema").stdout)["title"] == "tfkit recipe"
    assert run().returncode == 2
    (tmp_path / "bad.toml").write_text("[source]\nmodle = 1")
    done = run(tmp_path / "bad.toml")
    assert done.returncode == 3
    assert "line 2: there is no 'source.modle'" in done.stderr
    again.write_text(again.read_text().replace("cpu = 2", "cpu = 'two'"))
    done = run(again)
    assert done.returncode == 3
    assert 'cpu is "two"' in done.stderr
