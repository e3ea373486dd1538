"""Reads a recipe: a TOML file that says source, processors, samples, tolerances, warm-up and bundle.

Each table of the file is a class here; paths in it are relative to the file. ``recipes/`` holds examples.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from tfkit.errors import InputError, nearest
from tfkit.recipe.checks import Mistake, recipe_mistakes
from tfkit.recipe.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SIZE_BYTES = 1 << 20
_SHOWN_LETTERS = 100
# The checker's own words are JSON's.
_MESSAGES = {
    "dataclass_type": "expected a table, of which there is one",
    "dict_type": "expected a table",
    "list_type": "expected a list",
}
_STRICT = ConfigDict(extra="forbid", strict=True)
_Positive = Annotated[int, Field(ge=1)]
_Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Size = Annotated[int, Field(ge=-1)]
# A placeholder's value, or an input's: what JSON can say, but for nothing.
Value = bool | int | float | str | list[Any]


@dataclass(frozen=True, slots=True)
class SourceTable:
    """``[source]``: what is exported; all but ``model`` as ``tfkit.export_model`` takes it.

    Attributes:
        model: Path of the model.
        input_shapes: A size that stays open is -1.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    model: Annotated[str, Field(min_length=1)]
    signature: str | None = None
    tags: list[str] | None = None
    merge: list[str] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)
    input_tensors: dict[str, str] = field(default_factory=dict)
    output_tensors: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    input_shapes: dict[str, list[_Size]] = field(default_factory=dict)
    architecture: str = ""
    custom_objects: str | None = None
    allow_code: bool = False


@dataclass(frozen=True, slots=True)
class TargetTable:
    """``[target]``: what is made.

    Attributes:
        processors: EAS's processors, by name or pattern; ``all``; ``installed``.
        format: ``onnx`` makes an ONNX model, and nothing of what follows.
        opset: The opset of an ONNX model.
        freeze: Make constants of the variables.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    processors: Annotated[list[str], Field(min_length=1)] = field(default_factory=lambda: ["all"])
    format: Literal["savedmodel", "onnx"] = "savedmodel"
    opset: _Positive | None = None
    freeze: bool = False


@dataclass(frozen=True, slots=True)
class VerifyTable:
    """``[verify]``: how the results are compared with the source.

    Attributes:
        run: Whether they are at all; not for models that sample at random.
        atol: Largest absolute difference; by default what types and sizes allow.
        rtol: Largest relative difference.
        seed: Seed of random inputs.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    run: bool = True
    atol: _Tolerance | None = None
    rtol: _Tolerance | None = None
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class WarmUpTable:
    """``[warm_up]``: the requests that a service replays to itself.

    Attributes:
        batch_sizes: One request for each.
        fetch: The outputs to ask for; all by default.
        requests: Recorded requests, a file or folder, that the proof asks for; by default the warm-up's own.
        prove: Measure first requests, cold and warm.
        runs: How many services that takes without warm-up, and as many with it.
        sends: How often a service replays each request.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    batch_sizes: Annotated[list[_Positive], Field(min_length=1)] = field(default_factory=lambda: [1])
    fetch: list[str] = field(default_factory=list)
    requests: str | None = None
    prove: bool = True
    runs: _Positive = 3
    sends: _Positive = 5


@dataclass(frozen=True, slots=True)
class BundleTable:
    """``[bundle]``: what is uploaded.

    Attributes:
        name: The service's name; the recipe's by default.
        processors: Those of the target's that get one; all by default.
        settings: The service JSON's, ``metadata.`` left out: ``{cpu = 4, rpc.keepalive = 1000}``.
        base_url: Where it will be uploaded to.
        layout: EAS's or TensorFlow Serving's.
        check: Start it and ask it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: str = ""
    processors: Annotated[list[str], Field(min_length=1)] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    base_url: str = ""
    layout: Literal["eas", "tf-serving"] = "eas"
    check: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe.

    Attributes:
        source: What is exported.
        name: What it is called; by default as its file is.
        output: The folder that everything is written into; ``build/NAME`` beside the recipe by default.
        target: What is made.
        samples: Inputs to compare on and to warm up with, by name, as ``--input`` takes them; ``""`` for a whole set.
        verify: How results are compared.
        warm_up: The warm-up; without the table it is made only where a bundle is.
        bundle: The bundles; none without the table.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    source: SourceTable
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")] = ""
    output: str = ""
    target: TargetTable = field(default_factory=TargetTable)
    samples: dict[str, Value] = field(default_factory=dict)
    verify: VerifyTable = field(default_factory=VerifyTable)
    warm_up: WarmUpTable | None = None
    bundle: BundleTable | None = None


_TABLES: dict[str, type] = {
    "source": SourceTable,
    "target": TargetTable,
    "verify": VerifyTable,
    "warm_up": WarmUpTable,
    "bundle": BundleTable,
}


def read_recipe(path: str | Path) -> Recipe:
    """Reads a recipe.

    Raises:
        InputError: There is no such file, it is no TOML, or something in it is not as it should be; the message names
            the line, what came and what was expected.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no TOML: {error}") from None
    try:
        recipe = _adapter().validate_json(json.dumps(values, default=_no_json))  # as strict as types allow
    except ValidationError as error:
        raise _not_valid(path, text, map(_mistake, error.errors(include_url=False))) from None
    if mistakes := list(recipe_mistakes(recipe, recipe.name or path.stem)):
        raise _not_valid(path, text, mistakes)
    return recipe


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


def _not_valid(path: Path, text: str, mistakes: Iterable[Mistake]) -> InputError:
    told: dict[tuple[str, ...], tuple[int, str]] = {}
    hints: dict[str, None] = {}
    for mistake in mistakes:
        line = line_of(text, mistake.keys)
        where = f"{path}, line {line}" if line else str(path)
        told.setdefault(mistake.keys, (line, f"{where}: {mistake.text}"))
        if mistake.hint:
            hints[mistake.hint] = None
    return InputError("\n".join(problem for _, problem in sorted(told.values())), hint="\n".join(hints))


def _mistake(error: ErrorDetails) -> Mistake:
    """A mistake that the types tell."""
    keys = tuple(str(key) for key in error["loc"] if isinstance(key, str) and not _is_type(key))
    name = ".".join(keys)
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        table = _TABLES[keys[0]] if keys[1:] else Recipe
        return Mistake(keys, f"there is no {name!r}", nearest(keys[-1], [each.name for each in fields(table)]))
    if error["type"] in ("missing", "missing_argument"):
        return Mistake(keys, f"{name!r} is missing")
    shown = repr(error["input"])
    if len(shown) > _SHOWN_LETTERS:
        shown = f"{shown[:_SHOWN_LETTERS]}..."
    message = _MESSAGES.get(error["type"], error["msg"])
    if _is_type(str(error["loc"][-1])):  # each type that it might have been tells its own
        message = "expected text, a number, true, false, or a list of them"
    return Mistake(keys, f"{name!r} is {shown}: {message[:1].lower()}{message[1:]}")


def _is_type(key: str) -> bool:
    """Whether a part of a place names one of several types, and no key: ``list[any]``, ``bool``."""
    return key in ("bool", "int", "float", "str") or "[" in key
