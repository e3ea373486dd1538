"""Advice of commands in the words of recipes."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from tfkit.cli.app import build_app
from tfkit.recipe.reading import recipe_schema
from tfkit.recipe.words import KEYS, in_recipe_words

# What ``tfkit run`` has itself, or what no advice is about.
LEFT = {"--output", "--force", "--install", "--json"}


def options_of(name: str) -> set[str]:
    group: Any = get_command(build_app(name))
    return {option for each in group.commands[name].params for option in each.opts if option.startswith("--")}


@pytest.mark.parametrize(
    ("said", "in_a_recipe"),
    [
        (
            "Fix it: --set is_training=false --set a/b=VALUE",
            'Fix it: source.fixed.is_training = false, source.fixed."a/b" = "VALUE"',
        ),
        (
            "  --output-tensor scores=Softmax:0   Softmax, float32[?, 10]",
            '  source.output_tensors.scores = "Softmax:0"   Softmax, float32[?, 10]',
        ),
        (
            "Run: tfkit runtime install p; or export with --install, or with --no-verify, which is recorded.",
            "Run: tfkit runtime install p; or export with --install, or with verify.run = false, which is recorded.",
        ),
        (
            "Give samples (--input NAME=@FILE.npy), or allow it with --atol and --rtol.",
            'Give samples (samples.NAME = "@FILE.npy"), or allow it with verify.atol and verify.rtol.',
        ),
        (
            "Name it: --model FILE.py:build, a function; --model 'x'",
            "Name it: source.architecture = \"FILE.py:build\", a function; source.architecture 'x'",
        ),
        ("With --signature, takes a. Leave --opset out", "With source.signature, takes a. Leave target.opset out"),
        ("tfkit export m --set a=1 -o FOLDER shows more.", "tfkit export m --set a=1 -o FOLDER shows more."),
        ("--reference SOURCE", "--reference SOURCE"),
    ],
)
def test_options_are_called_as_a_recipe_calls_them(said: str, in_a_recipe: str) -> None:
    assert in_recipe_words(said) == in_a_recipe


def test_every_option_of_export_has_a_key_or_is_left_as_it_is() -> None:
    options = options_of("export")
    assert options - KEYS.keys() == LEFT
    assert LEFT - {"--json"} <= options_of("run")


@pytest.mark.parametrize("key", KEYS.values())
def test_a_key_is_one_of_a_recipe(key: str) -> None:
    schema = recipe_schema()
    table, _, name = key.partition(" ")[0].partition(".")
    place = schema["properties"][table]
    if name:
        held = place.get("$ref") or next(each["$ref"] for each in place["anyOf"] if "$ref" in each)
        assert name in schema["$defs"][held.rpartition("/")[2]]["properties"]
