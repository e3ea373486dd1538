"""Reads a recipe: a TOML file that says source, processors, samples, tolerances, warm-up and bundle.

Each table of the file is a class here; paths in it are relative to the file. ``recipes/`` holds examples.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from tfkit.errors import InputError, nearest
from tfkit.recipe.checks import WHOLE_SET, Keys, Mistake, recipe_mistakes
from tfkit.recipe.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_SIZE_BYTES = 1 << 20
_SHOWN_LETTERS = 100
# The checker's own words are JSON's.
_MESSAGES = {
    "dataclass_type": "expected a table, of which there is one",
    "dict_type": "expected a table",
    "list_type": "expected a list",
}
# Tables whose keys are the user's, and whose values may be of several types.
_OF_VALUES = (("samples",), ("source", "fixed"))
# What stands for a model that is missing, while the rest is checked.
_UNKNOWN = "?"
_STRICT = ConfigDict(extra="forbid", strict=True)
_Positive = Annotated[int, Field(ge=1)]
_Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Size = Annotated[int, Field(ge=-1)]
# A placeholder's value, or an input's: what JSON can say, but for nothing.
Value = bool | int | float | str | list[Any]


@dataclass(frozen=True, slots=True)
class SourceTable:
    """``[source]``: what is exported, and all that ``tfkit export`` may need to know of it.

    Attributes:
        model: Path of the model: a Keras file, a checkpoint, a frozen graph, a SavedModel's folder, weights.
        signature: The signature's name, ``serving_default`` by default; of a SavedModel the one to keep, all by
            default.
        tags: Tag set of a SavedModel; ``serve`` by default, or the only one.
        merge: Signatures of a SavedModel to make one of.
        rename: Other names for inputs and outputs: ``{ old = "new" }``.
        input_tensors: Inputs of a checkpoint's or a frozen graph: ``{ images = "NODE:0" }``; by default the
            placeholders that the outputs need.
        output_tensors: Its outputs: ``{ scores = "NODE:0" }``; by default what looks like one.
        fixed: Placeholders of it that get a value for good: ``{ is_training = false }``.
        input_shapes: What an old Keras file does not say, without the batch: ``{ images = [224, 224, 3] }``; a size
            that stays open is -1.
        architecture: What builds the model that weights belong to: ``FILE.py:NAME``, or Keras's ``FILE.json``.
        custom_objects: A Python file with the classes and functions that the model's file needs.
        allow_code: Run Python code inside the model's file: only if you trust its author.
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
        processors: EAS's processors, by name or pattern such as ``tensorflow_cpu_*``; ``all``; ``installed``.
        format: ``onnx`` makes an ONNX model, and nothing of what follows.
        opset: The opset of an ONNX model; 18 by default.
        freeze: Make constants of the variables, so that the graph is all there is.
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
        run: Whether they are compared; ``false`` is for models that sample at random, and is recorded.
        atol: Largest absolute difference; by default what types and sizes allow.
        rtol: Largest relative difference; by default what types allow.
        seed: Seed of random inputs, those of the warm-up too.
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
        batch_sizes: How many rows a request has; one request for each size. A bundle of layout ``eas`` holds one.
        fetch: The outputs to ask for; all by default.
        requests: Recorded requests, a file or folder, that the proof sends; by default the warm-up's own.
        prove: Measure first requests, cold and warm.
        runs: How many services the proof starts without warm-up, and as many with it.
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
        settings: The service JSON's, ``metadata.`` left out: ``{ cpu = 4, rpc.keepalive = 1000 }``.
        base_url: Where it will be uploaded to, ``oss://BUCKET/PATH``; the processor's name is put behind it.
        layout: EAS's, or TensorFlow Serving's, which may hold several warm-up requests.
        check: Start each and ask it.
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
        samples: Inputs to compare on and to warm up with, by name, as ``--input`` takes them: ``"@FILE"``,
            ``"random"``, values; ``"" = "@FILE"`` is a whole set in one file. What is left out is random.
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


# The tables by name; what stands above them all is the recipe's own.
TABLES: dict[str, type] = {
    "": Recipe,
    "source": SourceTable,
    "target": TargetTable,
    "verify": VerifyTable,
    "warm_up": WarmUpTable,
    "bundle": BundleTable,
}


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
    mistakes += (mistake for mistake in more if mistake.stands(wrong))
    if mistakes:
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


def _checked(values: dict[str, Any]) -> tuple[Recipe, list[Mistake]]:
    """A recipe, and the mistakes that its types tell; where there are any, it is the recipe of what is right."""
    try:
        return _adapter().validate_json(json.dumps(values)), []  # JSON: as strict as types allow
    except ValidationError as error:
        mistakes = list(dict.fromkeys(map(_mistake, error.errors(include_url=False))))
    for mistake in mistakes:
        _leave_out(values, mistake.keys)
    values.setdefault("source", {}).setdefault("model", _UNKNOWN)
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


def _mistake(error: ErrorDetails) -> Mistake:
    """A mistake that the types tell."""
    keys = _keys(error["loc"])
    name = ".".join(keys)
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        table = TABLES[keys[0] if keys[1:] else ""]
        return Mistake(keys, f"there is no {name!r}", nearest(keys[-1], [each.name for each in fields(table)]))
    if error["type"] in ("missing", "missing_argument"):
        return Mistake(keys, f"{name!r} is missing")
    shown = repr(error["input"])
    if len(shown) > _SHOWN_LETTERS:
        shown = f"{shown[:_SHOWN_LETTERS]}..."
    message = _MESSAGES.get(error["type"], error["msg"])
    if keys[:-1] in _OF_VALUES:  # each type that it might have been tells its own
        message = "expected text, a number, true, false, or a list of them"
    return Mistake(
        keys, f"{name!r} is {shown}: {message[:1].lower()}{message[1:]}", WHOLE_SET if keys == ("samples",) else ""
    )


def _keys(place: Sequence[int | str]) -> Keys:
    """The tables and the key of a place, without what tells the item of a list or one of several types."""
    names = tuple(str(part) for part in place if isinstance(part, str))
    depth = next((len(table) + 1 for table in _OF_VALUES if names[: len(table)] == table), len(names))
    return names[:depth]
