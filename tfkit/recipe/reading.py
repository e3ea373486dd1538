"""Reads a recipe: a TOML file that says source, processors, samples, tolerances, warm-up and bundle.

Paths in it are relative to the file. ``recipes/`` holds examples.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from tfkit.errors import InputError, nearest
from tfkit.recipe.checks import WHOLE_SET, Keys, Mistake, recipe_mistakes
from tfkit.recipe.lines import line_of
from tfkit.recipe.tables import TABLES, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_SIZE_BYTES = 1 << 20
_SHOWN_LETTERS = 100
# The checker's own words are JSON's.
_MESSAGES = {
    "dataclass_type": "expected a table, of which there is one",
    "dict_type": "expected a table",
    "list_type": "expected a list",
}
_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")
_MISSING_KEY = ("missing", "missing_argument")
# Tables whose keys are the user's, and whose values may be of several types.
_OF_VALUES = (("samples",), ("source", "fixed"))
# What stands for a model that is missing, while the rest is checked.
_SOME_MODEL = "?"


def read_recipe(path: str | Path) -> Recipe:
    """Reads a recipe.

    Raises:
        InputError: There is no such file, it is no TOML, or something in it is not as it should be: the message has
            every mistake with its line, what came and what was expected. A file that it names and that is not there is
            one.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        values = json.loads(json.dumps(tomllib.loads(text), default=_no_json))
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise InputError(f"{path} is no TOML: {error}") from None
    recipe, mistakes = _checked(values)
    wrong = {mistake.keys for mistake in mistakes}
    more = recipe_mistakes(recipe, recipe.name or path.stem, path.resolve().parent)
    mistakes = [mistake for mistake in mistakes if wrong.isdisjoint(mistake.because)]
    mistakes += (mistake for mistake in more if mistake.stands(wrong))
    if mistakes:
        raise _not_valid(path, text, mistakes)
    return recipe


def places_of_names(path: Path, recipe: Recipe) -> dict[str, str]:
    """Where a recipe has the names of its renames and samples, which only the model can tell to be wrong.

    Returns:
        A line for each name, with the places of all the keys that it is.
    """
    text = _read_text(path)
    places: dict[str, list[str]] = {}
    for table, names in (("source", "rename"), recipe.source.rename), (("samples",), recipe.samples):
        for name in filter(None, names):
            keys = (*table, name)
            places.setdefault(name, []).append(f"See {path}, line {line_of(text, keys)}: {'.'.join(keys)!r}")
    return {name: "\n".join(lines) for name, lines in places.items()}


def recipe_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, for editors that check and complete TOML by one."""
    return _adapter().json_schema() | {"title": "tfkit recipe"}


@cache
def _adapter() -> TypeAdapter[Recipe]:
    return TypeAdapter(Recipe)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE_BYTES + 1)
        if len(data) > MAX_SIZE_BYTES:
            raise InputError(f"{path} has more than {MAX_SIZE_BYTES} bytes: a recipe is a small TOML file")
        return data.decode("utf-8-sig")  # some editors of Windows write a mark at the beginning
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: expected a recipe, a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def _no_json(value: object) -> dict[str, str]:
    """What stands for a date or a time, which no key takes: something that no key takes either."""
    return {"date or time": str(value)}


def _checked(values: dict[str, Any]) -> tuple[Recipe, list[Mistake]]:
    """A recipe, and the mistakes that its types tell; where there are any, it is the recipe of what is right."""
    try:
        return _adapter().validate_json(json.dumps(values)), []  # JSON: as strict as types allow
    except ValidationError as error:
        mistakes = list(dict.fromkeys(_mistakes(error.errors(include_url=False))))
    for mistake in mistakes:
        _leave_out(values, mistake.keys)
    values.setdefault("source", {}).setdefault("model", _SOME_MODEL)
    recipe, more = _checked(values)
    return recipe, mistakes + more


def _leave_out(values: dict[str, Any], keys: Sequence[str]) -> None:
    for key in keys[:-1]:
        values = values.get(key, {})
    values.pop(keys[-1], None)


def _not_valid(path: Path, text: str, mistakes: Iterable[Mistake]) -> InputError:
    """All mistakes in the order of their lines, the hint of each below it."""
    told = sorted((line_of(text, mistake.keys), mistake.text, mistake.hint) for mistake in mistakes)
    places = [(f"{path}, line {line}" if line else str(path), problem, hint) for line, problem, hint in told]
    if len(places) == 1:
        ((place, problem, hint),) = places
        return InputError(f"{place}: {problem}", hint=hint)
    lines = ((f"{place}: {problem}", *(f"    {each}" for each in hint.splitlines())) for place, problem, hint in places)
    return InputError("\n".join(chain.from_iterable(lines)))


def _mistakes(errors: Sequence[ErrorDetails]) -> Iterator[Mistake]:
    """The mistakes that the types tell; what is missing is none where an unknown key may be meant for it."""
    unknown = [_unknown(_keys(error["loc"])) for error in errors if error["type"] in _UNKNOWN_KEY]
    yield from unknown
    for error in errors:
        keys = _keys(error["loc"])
        if error["type"] in _MISSING_KEY:
            beside = [each for each in unknown if each.keys[:-1] == keys[:-1]]
            near = tuple(each.keys for each in beside if repr(keys[-1]) in each.hint)
            yield Mistake(keys, f"{'.'.join(keys)!r} is missing", because=near)
        elif error["type"] not in _UNKNOWN_KEY:
            yield _no_such_value(keys, error)


def _unknown(keys: Keys) -> Mistake:
    table = TABLES[keys[0] if keys[1:] else ""]
    known = [each.name for each in fields(table)]
    return Mistake(keys, f"there is no {'.'.join(keys)!r}", nearest(keys[-1], known))


def _no_such_value(keys: Keys, error: ErrorDetails) -> Mistake:
    shown = repr(error["input"])
    if len(shown) > _SHOWN_LETTERS:
        shown = f"{shown[:_SHOWN_LETTERS]}..."
    message = _MESSAGES.get(error["type"], error["msg"])
    if keys[:-1] in _OF_VALUES:  # each type that it might have been tells its own
        message = "expected text, a number, true, false, or a list of them"
    verb = "holds" if isinstance(error["loc"][-1], int) else "is"
    hint = WHOLE_SET if keys == ("samples",) else ""
    return Mistake(keys, f"{'.'.join(keys)!r} {verb} {shown}: {message[:1].lower()}{message[1:]}", hint)


def _keys(place: Sequence[int | str]) -> Keys:
    """The tables and the key of a place, without what tells the item of a list or one of several types."""
    names = tuple(str(part) for part in place if isinstance(part, str))
    depth = next((len(table) + 1 for table in _OF_VALUES if names[: len(table)] == table), len(names))
    return names[:depth]
