"""The forms of ``--input``, the same for every command that takes inputs.

    NAME=@FILE.npy          rows of samples
    NAME=@FILE.npz[:KEY]    the array of that name, or the only one, or the one called KEY
    NAME=@FILE.json[:KEY]   nested lists, or an object that holds them under NAME or KEY
    NAME=@FILE.csv[:COLUMN] a table, whose first line names the columns unless all of it are numbers: the column called
                            NAME or COLUMN; for an input with more than one value a row, all columns together
    NAME=@FILE.parquet[:COLUMN]     a table, as of a CSV file; a column may hold lists
    NAME=@FILE.jsonl[:KEY]  a JSON value in each line: a row, or an object that holds it under NAME or KEY (.ndjson)
    NAME=@FILE.tfrecord[:FEATURE]   tf.train.Examples: the feature called NAME or FEATURE; else, for an input of one
                            text a row, the serialized Examples themselves (also .tfrecords, .gz)
    NAME=@FILE.txt          lines of text
    NAME=@FOLDER[:LO:HI]    pictures (png, jpeg, bmp, gif, webp), or NAME=@FILE.png: in the input's size and channels,
                            from 0 to 255, or from LO to HI; an input of texts gets the files as they are
    NAME=random             seeded, bounded by what the graph does with the input
    NAME=random:LO:HI       seeded, from LO up to but not including HI
    NAME=zeros              zeros, false, or empty texts
    NAME=JSON               a literal: 'x=[1.0, 2.0]', 'word=["a", "b"]'
    NAME:DTYPE=...          any of these, with the dtype that the input must have: x:int64=[1]
    @FILE.npz               a whole set of inputs, by name
    @FILE.json              a whole set: {"x": [1.0]}; a PredictRequest as protobuf JSON; the body of TensorFlow
                            Serving's REST call, {"instances": [...]} or {"inputs": ...}
    @FILE.csv               a whole set: a column for each input, or all of them for the only one that takes as many;
                            likewise .parquet, .jsonl, .tfrecord; columns that are no input are left out
    @FILE.bin               a whole set: a serialized PredictRequest

In JSON, complex numbers are texts (``"1+2j"``) and bytes that are no UTF-8 text are ``{"b64": "..."}``.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tfkit.errors import InputError, UsageError
from tfkit.tensors import DType

FORMS = (
    "NAME=@FILE (npy, npz, json, csv, jsonl, txt, ...), NAME=random, NAME=random:LO:HI, NAME=zeros, NAME=JSON, "
    "or @FILE for a whole set"
)
TEXT_HINT = "Text goes in double quotes: 'word=[\"hello\"]'."
_KEYED_FILE = re.compile(
    r"(?P<path>.+\.(?:npz|json|csv|jsonl|ndjson|parquet|tfrecords?(?:\.gz)?)):(?P<key>.+)", re.DOTALL | re.IGNORECASE
)
_RANGED_FILE = re.compile(r"(?P<path>.+):(?P<key>[-+.\d]+:[-+.\d]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FileSource:
    """Values from a file; ``key`` picks one of several arrays or columns in it, or is the range of pictures."""

    path: Path
    key: str = ""


@dataclass(frozen=True, slots=True)
class RandomSource:
    """Seeded random values, from ``low`` up to but not including ``high``; both ``None``: what the graph allows."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ZerosSource:
    """Zeros, false, or empty texts."""


@dataclass(frozen=True, slots=True)
class LiteralSource:
    """A JSON value: a number, a text or nested lists of them."""

    value: Any


Source = FileSource | RandomSource | ZerosSource | LiteralSource


@dataclass(frozen=True, slots=True)
class InputOption:
    """One ``--input``.

    Attributes:
        name: The input it is for; empty for a whole set of inputs.
        source: Where the values come from.
        dtype: The dtype that the user fixed, if any.
        text: The option as it was given, for messages.
    """

    name: str
    source: Source
    dtype: DType | None = None
    text: str = ""


def parse_inputs(options: str | Sequence[str]) -> tuple[InputOption, ...]:
    """Reads ``--input`` options, one or several; files are opened later, by ``make_inputs``.

    Raises:
        UsageError: An option has none of the known forms.
        InputError: A literal holds a number that no float can hold.

    >>> parse_inputs(["x:int64=[1, 2]"])[0].dtype.short_name
    'int64'
    """
    return tuple(_parse(text) for text in ([options] if isinstance(options, str) else options))


def load_json(text: str | bytes) -> Any:
    """A JSON value, no number of which turns silently into infinity.

    Raises:
        OverflowError: A number is larger than any float.
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    return json.loads(text, parse_float=_float)


def read_number(text: str) -> int | float | None:
    """The number that a text holds; ``None`` where it is none, or larger than any float.

    An ``int`` where it is written as one, so that large ones stay exact.

    >>> read_number("7"), read_number("-.5"), read_number("inf"), read_number("1e999"), read_number("1_0")
    (7, -0.5, inf, None, None)
    """
    if "_" in text:  # which Python allows in numbers, and nobody else
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isinf(value) and "inf" not in text.lower() else value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise OverflowError(f"{text}: that is larger than any float")
    return value


def _parse(text: str) -> InputOption:
    if text.startswith("@"):
        return InputOption("", _file(text), text=text)
    target, equals, value = text.partition("=")
    name, dtype = _target(target.strip())
    if not equals or not name:
        raise UsageError(f"input option {text!r} has no NAME=: expected {FORMS}")
    return InputOption(name, _source(value.strip(), text), dtype, text)


def _target(target: str) -> tuple[str, DType | None]:
    name, colon, suffix = target.rpartition(":")
    if colon:
        try:
            return name, DType.parse(suffix)
        except ValueError:
            pass  # the colon is part of the name, as in "images:0"
    return target, None


def _source(value: str, text: str) -> Source:
    if value.startswith("@"):
        return _file(value)
    if value == "zeros":
        return ZerosSource()
    if value == "random" or value.startswith("random:"):
        return _random(value, text)
    try:
        return LiteralSource(load_json(value))
    except OverflowError as error:
        raise InputError(f"input option {text!r} holds {error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"input option {text!r} has a value that is not JSON ({error}): expected {FORMS}",
            hint=_not_json_hint(value),
        ) from None


def _not_json_hint(value: str) -> str:
    for meant in get_close_matches(value.partition(":")[0], ("random", "zeros"), n=1):
        return f"Did you mean {meant}?"
    return TEXT_HINT


def _file(value: str) -> FileSource:
    place = value[1:]
    if not place:
        raise UsageError("an input option names no file after its @")
    keyed = _KEYED_FILE.fullmatch(place) or _RANGED_FILE.fullmatch(place)
    # A file that really has such a name wins over reading the end as a key.
    if keyed and not os.path.exists(place):  # noqa: PTH110  # Path.exists raises where a name is too long
        return FileSource(Path(keyed["path"]), keyed["key"])
    return FileSource(Path(place))


def _random(value: str, text: str) -> RandomSource:
    if value == "random":
        return RandomSource()
    parts = value.split(":")[1:]
    bounds = [bound for part in parts if (bound := read_number(part)) is not None and _is_finite(bound)]
    if len(parts) != 2 or len(bounds) != 2:
        raise UsageError(f"input option {text!r} has no two bounds: expected random:LO:HI with two numbers")
    low, high = bounds
    if low >= high:
        raise UsageError(f"input option {text!r} has an empty range: expected LO below HI (HI itself is not drawn)")
    return RandomSource(low, high)


def _is_finite(number: float) -> bool:
    return isinstance(number, int) or math.isfinite(number)  # which takes no int that is larger than any float
