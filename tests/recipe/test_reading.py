"""What a recipe may say, and how mistakes in it are told."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

import jsonschema
import pytest

from tfkit.errors import InputError
from tfkit.recipe.lines import line_of
from tfkit.recipe.reading import read_recipe, recipe_schema
from tfkit.recipe.tables import TABLES

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    """A recipe, and the model that those here name."""
    (folder / "m").write_text("a model")
    (folder / "recipe.toml").write_text(text)
    return folder / "recipe.toml"


def told(folder: Path, text: str) -> str:
    """What is said of a recipe that is wrong."""
    with pytest.raises(InputError) as raised:
        read_recipe(write(folder, text))
    return str(raised.value)


def test_the_least_that_a_recipe_says(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, '[source]\nmodel = "m"\n'))
    assert recipe.source.model == "m"
    assert recipe.target.processors == ["all"]
    assert (recipe.warm_up, recipe.bundle) == (None, None)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_come_with_tfkit_fit_the_schema(path: Path) -> None:
    read_recipe(path)
    jsonschema.validate(tomllib.loads(path.read_text()), recipe_schema())


MISTAKES = {
    "[source]\nmodle = 'm'": ("line 2: there is no 'source.modle'", "mean 'model'"),
    "[source]\nsignature = 's'": ("line 1: 'source.model' is missing",),
    "[source]\nodel = 1\n[sorce]\nmodle = 'm'": ("line 2: there is no 'source.odel'", "line 3: there is no 'sorce'"),
    "[source]\nmodel = 'm'\n[bundel]\nx = 1": ("line 3: there is no 'bundel'", "mean 'bundle'"),
    "[source]\nmodel = 1": ("line 2: 'source.model' is 1: input should be a valid string",),
    "[source]\nmodel = 'm'\nrename = {a = 1}": ("line 3: 'source.rename.a' is 1",),
    "source.model = 'm'\n\ntarget.processors = 'all'": ("line 3: 'target.processors' is 'all'",),
    "[source]\nmodel = 'm'\n[target]\nformat = 'onnxx'": (
        "line 4: 'target.format' is 'onnxx'",
        "'savedmodel' or 'onnx'",
    ),
    "[source]\nmodel = 'm'\n[warm_up]\nbatch_sizes = [1, 0]": ("line 4: 'warm_up.batch_sizes' holds 0", "greater than"),
    "[source]\nmodel = 'm'\ninput_shapes = {x = [1, 'a']}": ("line 3: 'source.input_shapes.x' holds 'a': ",),
    "[source]\nmodel = 'm'\n[verify]\natol = -1.0": ("line 4: 'verify.atol' is -1.0",),
    "[source]\nmodel = 'm'\n[verify]\nrun = 'no'": ("line 4: 'verify.run' is 'no'",),
    "[source]\nmodel = 'm'\nsource.fixed.x = 1": ("line 3: there is no 'source.source'",),
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
    "[source]\nmodel = 'm'\n[bundle]\nsettings = {cpu = 'two'}": ("line 4: ", 'cpu is "two"'),
    "[source]\nmodel = 'm'\n[bundle.settings]\ncpu = 1\nmetadata.cpu = 2\nrpc = 3\nmemory = 'a'": (
        "line 5: 'bundle.settings': metadata.cpu is given twice",
        "line 6: 'bundle.settings': rpc holds other keys",
        "line 7: 'bundle.settings': memory is",
    ),
    "[source]\nmodel = 'm'\n[bundle]\nsettings = {name = 'digits'}": (
        "line 4: ",
        "by hand",
        "In a recipe's [bundle], --name is: name",
    ),
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
    "[source]\nmodel = 'm'\n[warm_up]\nbatch_sizes = [1, 32]\n[bundle]": (
        "line 4: 'warm_up.batch_sizes' is [1, 32]: a bundle of layout \"eas\" holds one warm-up file",
        'layout = "tf-serving"',
    ),
    "samples = '@x.npz'\n[source]\nmodel = 'm'": ("line 1: 'samples' is '@x.npz': expected a table", '"" = "@FILE"'),
    "[source]\nmodel = 'm'\n[samples]\n'' = 'x.npz'": ("line 4: 'samples.\"\"' is 'x.npz'", '"" = "@FILE"'),
    "[source]\nmodel = 'm'\n[samples]\ny = 'radnom'": (
        "line 4: 'samples.y' is 'radnom', which ",
        'Did you mean "random"?',
    ),
    "[source]\nmodel = 'm'\n[samples]\nword = 'text'": ('the name "" is for a file', 'in a list: ["hello"]'),
    "[source]\nmodel = 'no'": ("line 2: 'source.model' is ", "no, which does not exist", "relative to the recipe"),
    f"[source]\nmodel = '{'n' * 300}'": ("nnn, which does not exist",),
    "[source]\nmodel = 'm'\narchitecture = 'net.py:build'\ncustom_objects = 'parts.py'\n": (
        "line 3: 'source.architecture' is ",
        "net.py, which",
        "line 4: 'source.custom_objects' is ",
    ),
    "[source]\nmodel = 'm'\n[warm_up]\nrequests = 'recorded'": ("line 4: 'warm_up.requests' is ",),
    "int = 1\n[source]\nint = 1\nmodel = 'm'": ("line 1: there is no 'int'", "line 3: there is no 'source.int'"),
    f"a = {'1' * 5000}": ("is no TOML",),
}


@pytest.mark.parametrize("text", MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_named_with_their_lines(tmp_path: Path, text: str) -> None:
    said = told(tmp_path, text)
    assert str(tmp_path / "recipe.toml") in said
    for words in MISTAKES[text]:
        assert words in said


def test_all_mistakes_are_told_at_once_each_with_its_advice(tmp_path: Path) -> None:
    """Those that types tell, and those that they do not; in the order of the file."""
    said = told(
        tmp_path,
        """[source]
modle = "m"
[samples]
x = "@no.npy"
[target]
processors = ["tensorflow_cpu_2.8", "tensorflow_cpu_2.9"]
[bundle]
layot = "eas"
name = "a b"
""",
    ).splitlines()
    place = f"{tmp_path / 'recipe.toml'}, line "
    lines = [line.removeprefix(place).partition(":")[0] for line in said if line.startswith(place)]
    assert lines == ["2", "4", "6", "6", "8", "9"]
    assert [line for line in said if "Did you mean 'model'?" in line] == [said[1]]
    assert said[1].startswith("    Did you mean")
    assert "Did you mean 'layout'" in said[said.index(next(line for line in said if "layot" in line)) + 1]


@pytest.mark.parametrize("text", ["[sorce]\nmodel = 'm'", "[source]\nmodle = 'm'", "[SOURCE]\nmodel = 'm'"])
def test_what_is_misspelt_is_not_missing(tmp_path: Path, text: str) -> None:
    said = told(tmp_path, text)
    assert "Did you mean" in said
    assert "missing" not in said


@pytest.mark.parametrize(
    ("wrong", "hidden"),
    [
        ("[warm_up]\nbatch_sizes = [1, 2]\n[bundle]\nlayout = 'eass'", "one warm-up file"),
        ("[target]\nformat = 'onnxx'\nopset = 17", "is for 'target.format'"),
        ("[target]\nprocessors = 'tensorflow_gpu_*'\n[bundle]\nsettings = {gpu = 1}", "no GPU"),
    ],
)
def test_what_hangs_on_a_mistake_is_none_yet(tmp_path: Path, wrong: str, hidden: str) -> None:
    said = told(tmp_path, f"[source]\nmodel = 'm'\n{wrong}")
    assert hidden not in said
    assert len(said.splitlines()) == 1


def test_the_docs_have_every_key_with_its_default() -> None:
    page = (RECIPES[0].parents[1] / "docs" / "commands" / "run.md").read_text(encoding="utf-8")
    for name, table in TABLES.items():
        block = page.partition(f"<!-- keys of {name or 'recipe'} -->")[2].partition("<!-- end of keys -->")[0]
        rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", block, re.MULTILINE))
        keys = {each.name: each for each in fields(table) if name or each.name not in TABLES}
        assert list(rows) == list(keys), name
        for key, value in keys.items():
            if value.default not in (MISSING, None, ""):
                assert f"| `{json.dumps(value.default)}` |" in rows[key]


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
    ("keys", "line"), [("a", 1), ("t", 3), ("t/b", 4), ("t/c/d", 5), ("t/q r", 6), ("t/c", 5), ("t/no", 3), ("no", 0)]
)
def test_the_line_of_a_key(keys: str, line: int) -> None:
    text = 'a = 1  # [no]\n\n[t]  # a table\n  b = 2\nc.d = 3\n"q r" = 4\n'
    assert line_of(text, keys.split("/")) == line
