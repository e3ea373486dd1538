"""Advice of commands in the words of recipes."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from tfkit.cli.app import build_app
from tfkit.recipe.reading import recipe_schema
from tfkit.recipe.words import FORMS, SAME, with_recipe_forms


def options_of(name: str) -> set[str]:
    group: Any = get_command(build_app(name))
    return {option for each in group.commands[name].params for option in each.opts if option.startswith("--")}


def test_each_option_that_is_named_is_told_once() -> None:
    told = with_recipe_forms("Give --input x=@a.npy or --input x=random, --force, or see `tfkit serve --op-library`.")
    assert told.splitlines()[1:] == ['In a recipe\'s [samples], --input is: NAME = "@FILE", "random" or VALUES']
    assert with_recipe_forms("No option -- here, nor a--set.") == "No option -- here, nor a--set."


def test_every_option_of_export_has_a_form_or_is_one_of_run() -> None:
    assert options_of("export") - FORMS.keys() == set(SAME)
    assert set(SAME) <= options_of("run")


@pytest.mark.parametrize("form", FORMS.values())
def test_a_form_is_a_key_of_a_recipe(form: str) -> None:
    schema = recipe_schema()
    table, name = form.partition(" = ")[0].split(".")[:2]
    place = schema["properties"][table]
    if table != "samples":
        held = place.get("$ref") or next(each["$ref"] for each in place["anyOf"] if "$ref" in each)
        assert name in schema["$defs"][held.rpartition("/")[2]]["properties"]
