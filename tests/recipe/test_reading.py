"""What a recipe may say, and how mistakes in it are told."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from tfkit.errors import InputError
from tfkit.recipe.lines import line_of
from tfkit.recipe.reading import read_recipe, recipe_schema

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    (folder / "recipe.toml").write_text(text)
    return folder / "recipe.toml"


def test_the_least_that_a_recipe_says(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, '[source]\nmodel = "model.keras"\n'))
    assert recipe.source.model == "model.keras"
    assert recipe.target.processors == ["all"]
    assert (recipe.warm_up, recipe.bundle) == (None, None)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_come_with_tfkit_fit_the_schema(path: Path) -> None:
    read_recipe(path)
    jsonschema.validate(tomllib.loads(path.read_text()), recipe_schema())


MISTAKES = {
    "[source]\nmodle = 'm'": (
        "line 1: 'source.model' is missing",
        "line 2: there is no 'source.modle'",
        "mean 'model'",
    ),
    "[source]\nmodel = 'm'\n[bundel]\nx = 1": ("line 3: there is no 'bundel'", "mean 'bundle'"),
    "[source]\nmodel = 1": ("line 2: 'source.model' is 1: input should be a valid string",),
    "[source]\nmodel = 'm'\nrename = {a = 1}": ("line 3: 'source.rename.a' is 1",),
    "source.model = 'm'\n\ntarget.processors = 'all'": ("line 3: 'target.processors' is 'all'",),
    "[source]\nmodel = 'm'\n[target]\nformat = 'onnxx'": (
        "line 4: 'target.format' is 'onnxx'",
        "'savedmodel' or 'onnx'",
    ),
    "[source]\nmodel = 'm'\n[warm_up]\nbatch_sizes = [1, 0]": ("line 4: 'warm_up.batch_sizes' is 0", "greater than"),
    "[source]\nmodel = 'm'\n[verify]\natol = -1.0": ("line 4: 'verify.atol' is -1.0",),
    "[source]\nmodel = 'm'\n[verify]\nrun = 'no'": ("line 4: 'verify.run' is 'no'",),
    "name = 'a b'\n[source]\nmodel = 'm'": ("line 1: 'name' is 'a b'",),
    "source = 1": ("line 1: 'source' is 1: expected a table",),
    "[[source]]\nmodel = 'm'": ("line 1: 'source' is [{'model': 'm'}]: expected a table",),
    "[source]\nmodel = 2017-01-01": ("line 2: 'source.model' is", "'2017-01-01'"),
    "[source]\nmodel = 'm'\n[samples]\nx = {a = 1}": (
        "line 4: 'samples.x' is {'a': 1}: expected text, a number, true, false, or a list of them",
    ),
    "[source]\nmodel = 'm'\n[samples]\nx = [1]\nword = 'text'": ("line 5: 'samples.word'",),
    "[source]\nmodel = 'm'\nrename = [" + "'x'," * 99 + "]": ("line 3: 'source.rename' is ['x', 'x'", "...: expected"),
    "[source]\nmodel = 'm'\n[target]\nprocessors = ['tensorflow_cpu_2.8']": ("line 4: ", "tensorflow_cpu_2.8", "mean"),
    "[source]\nmodel = 'm'\n[bundle]\nsettings = {cpus = 2}": ("line 4: ", "no key 'cpus'", "mean 'metadata.cpu'"),
    "[source]\nmodel = 'm'\n[bundle.settings]\nrpc.keepalive = 'long'": ("line 4: ", "expected a whole number"),
    "[source]\nmodel = 'm'\n[bundle]\nname = 'a b'": ("line 4: ", "'a b'"),
    "[source]\nmodel = 'm'\n[bundle]\nbase_url = 'bucket'": ("line 4: ", "oss://"),
    "[source]\nmodel = 'm'\n[bundle]\nlayout = 'tf-serving'\nsettings = {cpu = 2}": ("line 4: ", "no service JSON"),
    "[source]\nmodel = 'm'\n[target]\nprocessors = ['*_2.3']\n[bundle]\nprocessors = ['tensorflow_cpu_2.7']": (
        "line 6: 'bundle.processors' holds tensorflow_cpu_2.7, which 'target.processors' does not",
    ),
    "[source]\nmodel = 'm'\n[target]\nformat = 'onnx'\n[bundle]": ("line 5: an ONNX model gets no 'bundle'",),
    "[source]\nmodel = 'm'\n[target]\nopset = 17": ("line 4: 'target.opset' is for 'target.format' onnx",),
    "": ("'source' is missing",),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_named_with_their_lines(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as raised:
        read_recipe(path)
    told = f"{raised.value.message}\n{raised.value.hint}"
    assert str(path) in told
    for words in MISTAKES[text]:
        assert words in told


@pytest.mark.parametrize(
    "data", [b"[source", b"\xff\xfe", b"a = " + b"[" * 5000, b"x" * 2_000_000], ids=lambda b: b[:9]
)
def test_what_is_no_toml(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "recipe.toml").write_bytes(data)
    with pytest.raises(InputError, match=r"recipe\.toml"):
        read_recipe(tmp_path / "recipe.toml")


def test_what_is_no_file(tmp_path: Path) -> None:
    for place, words in ((tmp_path / "no.toml", "does not exist"), (tmp_path, "cannot be read")):
        with pytest.raises(InputError, match=words):
            read_recipe(place)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, "\ufeff[source]\nmodel = 'm'")).source.model == "m"


@pytest.mark.parametrize(
    "before",
    ['x = """\n[t]\nb = 2\n"""', "x = '''\n[t]\nb = 2\n'''", "x = [\n[1],\n['t'] # [\n]\n", '# """', "x = '[' # '\n"],
)
def test_what_only_looks_like_a_table_is_none(before: str) -> None:
    text = f"{before}\n[t]\nb = 2"
    assert line_of(text, ("t", "b")) == text.count("\n") + 1


@pytest.mark.parametrize(
    ("keys", "line"), [("a", 1), ("t", 3), ("t/b", 4), ("t/c/d", 5), ("t/q r", 6), ("t/no", 3), ("no", 0)]
)
def test_the_line_of_a_key(keys: str, line: int) -> None:
    text = 'a = 1  # [no]\n\n[t]  # a table\n  b = 2\nc.d = 3\n"q r" = 4\n'
    assert line_of(text, keys.split("/")) == line
