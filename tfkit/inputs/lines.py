"""Files of lines: CSV tables, JSON lines, plain text.

Sources: https://www.rfc-editor.org/rfc/rfc4180 and Python's ``csv`` for quoting; https://jsonlines.org.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from tfkit.errors import InputError
from tfkit.inputs.opening import lines, opened, readable_size
from tfkit.inputs.options import load_json, read_number
from tfkit.inputs.rows import RowFile, check_row_size, holds_one_value
from tfkit.tensors import DType, TensorSpec

# By a part of what Python's csv says.
_CSV_HINTS = {
    "new-line character": "Its lines end with a carriage return alone: convert them to line feeds.",
    "field larger": "Texts that long go into a .jsonl.",
    "end of data": "A quote is opened and never closed.",
}
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
# What tables have in place of a number that is not known.
_GAPS = frozenset(("", "-", "?", "#n/a", "n/a", "na", "none", "null"))
_NO_NAMES = "A first line with a number in it, above a line of numbers, is a row: no name of a column is a number."
# Of JSON lines the first ones say which keys there are: so many lines, or characters.
_PEEKED_LINES, _PEEKED = 100, 1 << 20


class _LineFile(RowFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.total = readable_size(path)

    @contextmanager
    def _lines(self) -> Iterator[Iterator[str]]:
        with opened(self.path) as stream:
            yield self._counted(lines(stream, self.path))

    def _counted(self, texts: Iterator[str]) -> Iterator[str]:
        self.done = 0
        for text in texts:
            self.done += len(text)  # characters: near enough to how far it is
            yield text


class TextFile(_LineFile):
    """Lines of text, each a row of an input of texts."""

    def columns(self) -> tuple[str, ...]:
        """None: a line is a value."""
        return ()

    def rows(self) -> Iterator[tuple[int, str]]:
        """The lines without their ends."""
        with self._lines() as texts:
            for number, text in enumerate(texts, 1):
                yield number, text.removesuffix("\n").removesuffix("\r")

    def value(self, row: str, column: str, spec: TensorSpec) -> str:  # noqa: ARG002  # there are no columns
        """The line itself."""
        if spec.dtype is not DType.STRING:
            raise InputError(
                f"a line of text for input {spec.name!r}: expected {spec}", hint="Numbers go into a .csv or .jsonl."
            )
        return row


class JsonLines(_LineFile):
    """A JSON value in each line: a row, or an object that holds a row for each input."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        names: dict[str, None] = {}
        for number, text in islice(self.rows(), _PEEKED_LINES):
            try:
                held = _json(text)
            except InputError as error:
                error.message = f"{self.place(number)}: {error.message}"
                raise
            names |= dict.fromkeys(held) if _is_object(held) else {}
            if self.done > _PEEKED:
                break
        self._names = tuple(names)

    def columns(self) -> tuple[str, ...]:
        """The keys of the first lines' objects, which all have the same; none where they are other values."""
        return self._names

    def rows(self) -> Iterator[tuple[int, str]]:
        """The lines, but for blank ones."""
        with self._lines() as texts:
            for number, text in enumerate(texts, 1):
                if not text.isspace():
                    yield number, text

    def value(self, row: str, column: str, spec: TensorSpec) -> Any:
        """The line's value, or what its object holds."""
        held = _json(row)
        if not column:
            return held
        if not _is_object(held):
            raise InputError(f"another value than an object with {column!r} for input {spec.name!r}")
        if column not in held:
            raise InputError(f"its object has no {column!r}", hint="Each line holds the same inputs.")
        return held[column]


class CsvTable(_LineFile):
    """A table whose first line names the columns, unless it holds numbers as the lines below it."""

    flat = True
    all_columns = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._lines() as texts:
            start = [cells for _, cells in islice(self._cells(texts), 2)]
        _check_separator(path, start)
        self._names = tuple(cell.strip() for cell in start[0]) if _has_header(start) else ()
        for at, name in enumerate(self._names):
            if name in self._names[:at]:
                raise InputError(f"{path} has two columns called {name!r}")

    def columns(self) -> tuple[str, ...]:
        """The names in the first line; none where it is a row."""
        return self._names

    def is_row_of(self, spec: TensorSpec) -> bool:
        """Of an input of rank 2 or more, unless a row of it is one value."""
        return spec.shape is not None and len(spec.shape) > 1 and not holds_one_value(spec)

    def column_for(self, key: str, spec: TensorSpec) -> str:
        """As of any file of rows; a table without a header has no column to name."""
        if key and not self._names:
            raise InputError(f"{self.path} has no column {key!r}: its first line holds numbers, and no names")
        return super().column_for(key, spec)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows below the header, but for blank lines; each has as many cells as the first."""
        with self._lines() as texts:
            width = 0
            for number, cells in self._cells(texts):
                is_header = not width and bool(self._names)
                width = width or len(cells)
                if len(cells) != width:
                    raise InputError(f"{self.place(number)} has {len(cells)} values: expected {width}, as in the first")
                if not is_header:
                    yield number, cells

    def value(self, row: list[str], column: str, spec: TensorSpec) -> Any:
        """One cell, or all of them."""
        if column:
            return _cell(row[self._names.index(column)], column, spec)
        check_row_size(len(row), spec)
        if self._names:
            return [_cell(cell, name, spec) for name, cell in zip(self._names, row, strict=True)]
        return [_cell(cell, str(at), spec, _NO_NAMES) for at, cell in enumerate(row, 1)]

    def first(self, column: str) -> Any:
        """The first row, its numbers as numbers."""
        held = super().first(column)
        cells = [held] if column else held
        numbers = [read_number(cell) for cell in cells]
        return held if None in numbers else numbers

    def _cells(self, texts: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(texts, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
        except csv.Error as error:
            raise InputError(f"{self.place(reader.line_num)} is no CSV: {error}", hint=_csv_hint(str(error))) from None


def _has_header(start: list[list[str]]) -> bool:
    """Whether the first of a table's lines names the columns.

    Numbers beside a gap name none, and neither do numbers beside a text above a row of numbers; above a row with texts
    they may: ``name,2019,2020``.
    """
    if not start:
        return False
    first, *below = ([_is_number_or_gap(cell) for cell in cells] for cells in start)
    if all(read_number(cell) is None for cell in start[0]):
        return True
    return not (all(first) or all(map(all, below)))


def _is_number_or_gap(cell: str) -> bool:
    return read_number(cell) is not None or cell.strip().lower() in _GAPS


def _check_separator(path: Path, start: list[list[str]]) -> None:
    """Refuses a table without a comma in its first line, but with as many of another separator as in the second."""
    if len(start) < 2 or len(start[0]) > 1:
        return
    for separator, called in _OTHER_SEPARATORS.items():
        counts = {sum(cell.count(separator) for cell in cells) for cells in start}
        if len(counts) == 1 and counts != {0}:
            raise InputError(f"{path} has {called} between its values: expected commas")


def _csv_hint(problem: str) -> str:
    """What to do about a message of Python's ``csv``."""
    for part, hint in _CSV_HINTS.items():
        if part in problem:
            return hint
    return ""


def _json(text: str) -> Any:
    try:
        return load_json(text.rstrip())
    except OverflowError as error:
        raise InputError(f"it holds {error}") from None
    except json.JSONDecodeError as error:
        raise InputError(f"it is no JSON: {error.msg}, at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is no JSON: {error}") from None


def _is_object(value: Any) -> bool:
    """Whether a JSON value holds others by name; ``{"b64": "..."}`` is a text."""
    return isinstance(value, dict) and value.keys() != {"b64"}


def _cell(cell: str, column: str, spec: TensorSpec, hint: str = "") -> Any:
    if spec.dtype is DType.STRING:
        return cell
    text = cell.strip()
    if not text:
        raise InputError(f"column {column!r} has no value: expected {spec} for input {spec.name!r}")
    value: Any = text if spec.dtype in (DType.COMPLEX64, DType.COMPLEX128) else read_number(text)
    if spec.dtype is DType.BOOL:
        value = _TRUTHS.get(text.lower())
    if value is None:
        hint = "" if _is_number_or_gap(text) else hint
        raise InputError(f"column {column!r} holds {text[:60]!r}: expected {spec} for input {spec.name!r}", hint=hint)
    return value
