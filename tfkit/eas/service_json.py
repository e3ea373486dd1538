"""The service JSON: the file that ``eascmd create`` deploys. Only parsing: what it means here is decided elsewhere.

The keys are those of Alibaba Cloud PAI-EAS's documents ("Parameters of model services"). Their own sample holds a
``//`` comment, so a file with comments and trailing commas is read, with a note. Under ``metadata`` both nested and
flat spellings are in use: ``{"rpc": {"keepalive": 5000}}`` and ``{"rpc.keepalive": 5000}``.

Standard library only, but for json5 where a file is no strict JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from tfkit.eas.service_keys import KEYS, PARENTS, known_elsewhere, nearest_key
from tfkit.eas.token import check_token
from tfkit.errors import InputError, MissingError

MAX_SIZE_BYTES = 1 << 20

_DIGITS = re.compile(r"\s*[+-]?[0-9]{1,15}\s*")
_LARGEST_FLOAT = 2**53
_JSON5_ERROR = re.compile(r"<string>:(\d+) Unexpected .* at column (\d+)", re.DOTALL)
_SHOWN_KEYS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceJson:
    """What a service JSON says; ``None`` where it says nothing (EAS takes an empty string for that as well).

    Attributes:
        path: The file.
        model_path: A folder, a file or a URL, as it is written.
        model_entry: A path inside the unpacked model.
        name: The service's name.
        token: What requests must carry.
        processor: EAS's name of a TensorFlow.
        warm_up_data_path: A file or a URL, as it is written.
        keepalive_ms: ``metadata.rpc.keepalive``.
        worker_threads: ``metadata.rpc.worker_threads``.
        max_queue_size: ``metadata.rpc.max_queue_size``.
        rate_limit: ``metadata.rpc.rate_limit``.
        decompressor: ``metadata.rpc.decompressor``.
        grace_s: ``metadata.eas.termination_grace_period``.
        ignored: Keys that EAS knows and that change nothing on one machine.
        unknown: Keys that nobody knows.
        notes: Lines for people: about the file's syntax, odd values, and the keys that are ignored.
    """

    path: Path
    model_path: str
    model_entry: str | None = None
    name: str | None = None
    token: str | None = field(default=None, repr=False)
    processor: str | None = None
    warm_up_data_path: str | None = None
    keepalive_ms: int | None = None
    worker_threads: int | None = None
    max_queue_size: int | None = None
    rate_limit: int | None = None
    decompressor: str | None = None
    grace_s: int | None = None
    ignored: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def key_of(name: str) -> str:
    """The key of the service JSON that sets a field of ``ServiceJson``; empty where there is none.

    >>> key_of("keepalive_ms")
    'metadata.rpc.keepalive'
    """
    return next((key for key, (field_, _) in KEYS.items() if field_ == name), "")


def read_service_json(path: str | Path) -> ServiceJson:
    """Reads a service JSON; raises as ``parse_service_json`` does.

    Raises:
        MissingError: The file may not be read.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError(f"{path} is no file: expected a service JSON")
        with path.open("rb") as file:
            data = file.read(MAX_SIZE_BYTES + 1)
    except PermissionError:
        raise MissingError(f"{path} may not be read: permission denied") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return parse_service_json(data, path)


def parse_service_json(data: bytes, path: Path) -> ServiceJson:
    """Parses a service JSON.

    Args:
        data: The file's bytes.
        path: The file, for messages.

    Raises:
        InputError: It is no JSON object, a value is of the wrong type, or one setting is given twice and differently.
    """
    parser = _Parser(path)
    return parser.parse(data)


def strict_values(data: bytes, path: Path) -> dict[str, Any]:
    """Every value of a service JSON by its key in full; strictly JSON, as eascmd reads it.

    Args:
        data: The file's bytes.
        path: The file, for messages.

    Raises:
        InputError: It is no JSON object, or a key is given twice.
    """
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_Object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no strict JSON: {error}") from None
    if not isinstance(document, _Object):
        raise InputError(f"{path} holds {_described(document)}: expected an object, {{...}}")
    values: dict[str, Any] = {}
    for key, value in _leaves(document, path):
        if key in values:
            raise InputError(f"{path} sets {key} twice", hint="Leave one of them.")
        try:
            values[key] = _plain(value)
        except RecursionError:
            raise InputError(f"{path}: {key} is nested too deeply") from None
    return values


def _refuse_constant(name: str) -> NoReturn:
    """Python's parser takes NaN and infinities, which JSON does not have."""
    raise ValueError(f"{name} is no number there")


class _Object(list[tuple[str, Any]]):
    """A JSON object as it is written: names may come twice."""


def _plain(value: Any) -> Any:
    """A value with its objects as ``json`` writes them."""
    if isinstance(value, _Object):
        return {name: _plain(each) for name, each in value}
    return [_plain(each) for each in value] if isinstance(value, list) else value


class _Leaf(NamedTuple):
    key: str
    value: Any


class _Parser:
    """Parses one file, and gathers what there is to say about it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes: list[str] = []
        self._values: dict[str, Any] = {}
        self._spelled: dict[str, str] = {}

    def parse(self, data: bytes) -> ServiceJson:
        if len(data) > MAX_SIZE_BYTES:
            raise InputError(f"{self._path} has more than {MAX_SIZE_BYTES} bytes: expected a service JSON")
        ignored: dict[str, None] = {}  # an ordered set
        unknown: dict[str, None] = {}
        for key, value in _leaves(self._load(self._decode(data)), self._path):
            if key in KEYS:
                self._set(key, value)
            elif known := known_elsewhere(key):
                ignored[known] = None
            else:
                unknown[key] = None
        if ignored:
            self._note(f"ignored here: {_listed(ignored)}")
        if unknown:
            self._note(f"unknown keys, ignored: {_listed(map(_with_nearest, unknown))}")
        if "model_path" not in self._values:
            meant = next((key for key in unknown if nearest_key(key) == "model_path"), "")
            hint = f"Did you mean it by {_shortened(meant)}?" if meant else "It names a folder, archive or URL."
            raise InputError(f"{self._path}: model_path is missing", hint=hint)
        return ServiceJson(
            path=self._path,
            ignored=tuple(ignored),
            unknown=tuple(unknown),
            notes=tuple(self._notes),
            **self._values,
        )

    def _note(self, text: str) -> None:
        self._notes.append(f"{self._path}: {text}")

    def _decode(self, data: bytes) -> str:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._path} is no UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}: "
                "expected a service JSON"
            ) from None
        if text.startswith("\ufeff"):
            self._note("it starts with a byte order mark, which EAS may refuse")
        text = text.removeprefix("\ufeff")
        if not text.strip():
            raise InputError(f"{self._path} is empty: expected a service JSON")
        return text

    def _load(self, text: str) -> _Object:
        try:
            document = self._load_json(text)
        except RecursionError:
            raise InputError(f"{self._path} is nested too deeply: expected a service JSON") from None
        if not isinstance(document, _Object):
            raise InputError(f"{self._path} holds {_described(document)}: expected an object, {{...}}")
        return document

    def _load_json(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=_Object)
        except json.JSONDecodeError as error:
            strict = error
        except ValueError as error:  # a number of thousands of digits
            raise InputError(f"{self._path}: {error}") from None
        import json5

        try:
            document = json5.loads(text, object_pairs_hook=_Object)
        except ValueError as error:
            raise self._syntax_error(text, strict, str(error)) from None
        self._note(
            f"no strict JSON (line {strict.lineno}, column {strict.colno}): "
            "comments and trailing commas are read here, EAS may refuse them"
        )
        return document

    def _syntax_error(self, text: str, strict: json.JSONDecodeError, reason: str) -> InputError:
        """The error of the parser that came further: the strict one stops at the first comment."""
        match = _JSON5_ERROR.match(reason)
        if match is None:
            return InputError(f"{self._path}: {reason}")
        line, column, what = int(match[1]), int(match[2]), "expected JSON"
        if (line, column) <= (strict.lineno, strict.colno):
            line, column = strict.lineno, strict.colno
            what = f"{strict.msg[:1].lower()}{strict.msg[1:].removesuffix(' at')}".replace("expecting", "expected")
        lines = text.split("\n")
        rest = lines[line - 1][column - 1 :] if line <= len(lines) else ""
        at_end = line >= len(lines) and not rest
        found = "the end of the file" if at_end else repr(rest[:1] or "\n")
        return InputError(f"{self._path}, line {line}, column {column}: {what}, found {found}")

    def _set(self, key: str, value: Any) -> None:
        name, kind = KEYS[key]
        if value is None or value == "":
            return
        parsed = self._integer(key, value) if kind is int else self._text(key, value)
        if name in self._values and self._values[name] != parsed:
            other = self._spelled[name]
            where = "twice" if other == key else f"as {other} and as {key}"
            raise InputError(f"{self._path} sets {key} {where}, to different values", hint="Leave one of them.")
        self._values[name], self._spelled[name] = parsed, key

    def _text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise InputError(f"{self._path}: {key} is {_described(value)}: expected a string")
        if key == "token":
            return check_token(value, f"{self._path}: token")
        if not value.isprintable():  # so are NUL and lone surrogates, which no file's name can hold
            raise InputError(f"{self._path}: {key} is {_shortened(value)}: expected printable text")
        return value

    def _integer(self, key: str, value: Any) -> int:
        if type(value) is int:
            return value
        number: int | None = None
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            number = int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_FLOAT:
            number = int(value)
        if number is None:
            raise InputError(f"{self._path}: {key} is {_described(value)}: expected a whole number")
        self._note(f"{key} is {_described(value)}, taken as {number}: EAS may want it without quotes or fraction")
        return number


def _leaves(document: _Object, path: Path, above: str = "") -> Iterator[_Leaf]:
    """Every value with its key in full, whichever way it is nested; no deeper than keys go."""
    for name, value in document:
        key = f"{above}.{name}" if above else name
        if key not in PARENTS:
            yield _Leaf(key, value)
        elif isinstance(value, _Object):
            yield from _leaves(value, path, key)
        elif value is not None:
            raise InputError(f"{path}: {key} is {_described(value)}: expected an object, {{...}}")


def _with_nearest(key: str) -> str:
    """An unknown key, with the one that was perhaps meant."""
    near = nearest_key(key)
    shown = key if key.isprintable() and len(key) <= 60 else _shortened(key)
    return f"{shown} (did you mean {near}?)" if near else shown


def _listed(keys: Iterable[str]) -> str:
    shown = list(keys)
    more = f" and {len(shown) - _SHOWN_KEYS} more" if len(shown) > _SHOWN_KEYS else ""
    return ", ".join(shown[:_SHOWN_KEYS]) + more


def _described(value: object) -> str:
    """A value in JSON's words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, _Object):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return f"the {'string' if isinstance(value, str) else 'number'} {_shortened(value)}"


def _shortened(value: object, limit: int = 60) -> str:
    try:
        shown = ascii(value)
    except ValueError:  # an integer of thousands of digits
        return "of thousands of digits"
    return shown if len(shown) <= limit else f"{shown[:limit]}..."
