"""Reads samples a row at a time: of a file of a million rows, only those that are needed are held."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.eas.messages import MAX_MESSAGE_BYTES
from tfkit.errors import InputError, SignatureError, nearest
from tfkit.inputs.convert import first_rows, from_array, from_json
from tfkit.tensors import DType, TensorSpec

_PORTION_BYTES = 16 << 20
_DRAWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Reading:
    """Which rows of a file of samples are taken, and who is told how far it is.

    Attributes:
        random: Rows drawn from all of the file, each as likely as any other, in the file's order; else the first ones.
        tell: Called now and then with the file, what is done, and of how much (0 where that is not known).
    """

    random: bool = False
    tell: Callable[[Path, int, int], None] | None = None


FIRST_ROWS = Reading()


class RowFile(ABC):
    """A file of samples that is read a row at a time.

    Attributes:
        path: The file.
        done: How much of it was read: bytes, or rows where those are not known.
        total: How much there is; 0 where that is not known.
    """

    unit = "line"  # what a row is called in messages
    rows_at_once = 1024  # how many are held before they become an array
    flat = False  # whether the values of a row are a plain list, whatever shape the input has

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = 0
        self.total = 0

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names that a row's values have; empty where a row is one value without a name."""

    @abstractmethod
    def rows(self) -> Iterator[tuple[int, Any]]:
        """The rows as they are in the file, each with its number; what is costly waits for ``value``."""

    @abstractmethod
    def value(self, row: Any, column: str, spec: TensorSpec) -> Any:
        """What a row holds for an input: nested lists as in JSON, or an array.

        Args:
            row: What ``rows`` gave.
            column: The column; empty for the row as a whole.
            spec: The input.

        Raises:
            InputError: The row holds no such value.
        """

    def is_row_of(self, spec: TensorSpec) -> bool:  # noqa: ARG002  # for files whose columns are no row
        """Whether all columns together are a row of an input."""
        return False

    def is_one_row(self, spec: TensorSpec) -> bool:
        """Whether an input takes a single row, and no batch of them."""
        return spec.shape == ()

    def column_for(self, key: str, spec: TensorSpec) -> str:
        """The column that an input takes its values from; empty for rows as a whole.

        Raises:
            InputError: There is no such column, or it is not clear which.
        """
        names = self.columns()
        if key:
            if key not in names:
                raise InputError(f"{self.path} has no column {key!r}", hint=nearest(key, names))
            return key
        if not names or self.is_row_of(spec):
            return ""
        if spec.name in names:
            return spec.name
        if len(names) == 1:
            return names[0]
        raise InputError(
            f"{self.path} has no column {spec.name!r}",
            hint=f"{nearest(spec.name, names)} Choose one: {spec.name}=@{self.path}:COLUMN",
        )

    def first(self, column: str) -> Any:
        """What the first row holds, for a guess at its dtype."""
        for _, row in self.rows():
            return self.value(row, column, TensorSpec("", DType.STRING, None))
        raise InputError(f"{self.path} holds no rows")

    def place(self, number: int) -> str:
        """A row, for messages."""
        return f"{self.path}, {self.unit} {number}"


def read_rows(
    file: RowFile, column: str, spec: TensorSpec, *, batch_size: int | None, seed: int, reading: Reading
) -> Array:
    """The values of an input, in its dtype, rows first.

    Args:
        file: Where from.
        column: What ``RowFile.column_for`` said.
        spec: The input; one of a fixed leading dimension takes as many rows.
        batch_size: How many rows; ``None`` for all.
        seed: Seed of the choice of rows.
        reading: Which rows.

    Raises:
        InputError: The file cannot be read, holds no rows, or more than a request can.
        SignatureError: A value does not fit the input, or there are too few rows.
    """
    if single := spec.shape is not None and file.is_one_row(spec):
        spec, batch_size = replace(spec, shape=(None, *spec.shape)), 1
    elif spec.shape is not None and spec.shape[0] is not None:
        batch_size = spec.shape[0]
    parts: list[Array] = []
    size = 0
    chosen = _choose(file, column, spec, batch_size, seed, reading)
    while some := _portion(file, chosen):
        part = _to_array(file, some, spec)
        if file.flat or part.ndim == 1:  # a single value is also the row of an input that takes one in a list
            part = _shaped(part, spec)
        size += _size(part)
        if size > MAX_MESSAGE_BYTES:
            raise InputError(
                f"{file.path} holds more for input {spec.name!r} than a request can (2 GiB)",
                hint="Give a smaller --batch-size.",
            )
        if parts and part.shape[1:] != parts[0].shape[1:]:
            raise _uneven(file.place(some[0][0]), part.shape[1:], parts[0].shape[1:], spec)
        parts.append(part)
    if not parts:
        raise InputError(f"{file.path} holds no rows")
    with naming(file.path):
        array = first_rows(parts[0] if len(parts) == 1 else np.concatenate(parts), spec, batch_size)
    return array[0, ...] if single else array  # the dots keep one text an array


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Puts the file before the message of what does not fit in the block."""
    try:
        yield
    except SignatureError as error:
        error.message = f"{path}: {error.message}"
        raise


def pick_rows(count: int, wanted: int, seed: int) -> list[int]:
    """The rows that a random choice takes of ``count``: the same ones in whatever kind of file they are."""
    return sorted(dict(_reservoir(range(count), wanted, seed)).values())


def _choose(
    file: RowFile, column: str, spec: TensorSpec, wanted: int | None, seed: int, reading: Reading
) -> Iterator[tuple[int, Any]]:
    """The values of the chosen rows, with the rows' numbers."""

    def take(numbered: tuple[int, Any]) -> tuple[int, Any]:
        number, row = numbered
        try:
            return number, file.value(row, column, spec)
        except InputError as error:
            error.message = f"{file.place(number)}: {error.message}"
            raise

    rows = _telling(file, reading.tell)
    if wanted is None or not reading.random:
        yield from map(take, islice(rows, wanted))
        return
    # Taken as they are drawn: what a row holds may be far smaller than what it is read from.
    held: dict[int, tuple[int, Any]] = {slot: take(row) for slot, row in _reservoir(rows, wanted, seed)}
    yield from sorted(held.values(), key=lambda numbered: numbered[0])


def _portion(file: RowFile, chosen: Iterator[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Some rows, few where they are long: what is held as lists takes many times what arrays do."""
    begun = file.done
    held: list[tuple[int, Any]] = []
    for row in chosen:
        held.append(row)
        if len(held) == file.rows_at_once or file.done - begun > _PORTION_BYTES:
            break
    return held


def _telling(file: RowFile, tell: Callable[[Path, int, int], None] | None) -> Iterator[tuple[int, Any]]:
    for count, row in enumerate(file.rows()):
        if tell is not None and count % _DRAWS_AT_ONCE == _DRAWS_AT_ONCE - 1:
            tell(file.path, file.done, file.total)
        yield row


def _reservoir(items: Iterable[Any], wanted: int, seed: int) -> Iterator[tuple[int, Any]]:
    """What is drawn so far: slots and what they hold from now on, until the last item was seen.

    Source: J. S. Vitter, Random Sampling with a Reservoir, 1985, algorithm R.
    """
    generator = np.random.default_rng(seed)
    draws: list[float] = []
    for index, item in enumerate(items):
        if index < wanted:
            yield index, item
            continue
        if not draws:
            draws = generator.random(_DRAWS_AT_ONCE).tolist()
        slot = int(draws.pop() * (index + 1))
        if slot < wanted:
            yield slot, item


def _to_array(file: RowFile, numbered: Sequence[tuple[int, Any]], spec: TensorSpec) -> Array:
    """Some rows in the input's dtype; where they cannot be, the message has the row that is at fault."""
    values = [value for _, value in numbered]
    try:
        return _together(values, spec)
    except SignatureError:
        first: tuple[int, ...] | None = None
        for number, value in numbered:
            try:
                shape = _together([value], spec).shape[1:]
            except SignatureError as error:
                error.message = f"{file.place(number)}: {error.message}"
                raise error from None
            if first is not None and shape != first:
                raise _uneven(file.place(number), shape, first, spec) from None
            first = shape
        raise


def _together(values: list[Any], spec: TensorSpec) -> Array:
    if not isinstance(values[0], np.ndarray):
        return from_json(values, spec)
    if any(value.shape != values[0].shape for value in values):
        raise SignatureError(f"input {spec.name!r} has rows of different shapes: expected {spec}")
    return from_array(np.stack(values), spec)


def _uneven(place: str, shape: tuple[int, ...], first: tuple[int, ...], spec: TensorSpec) -> SignatureError:
    return SignatureError(
        f"{place} has shape {list(shape)} for input {spec.name!r}, the rows before it {list(first)}: "
        "expected the same in one batch",
        hint="Give rows of one shape, or a batch size of 1.",
    )


def _shaped(array: Array, spec: TensorSpec) -> Array:
    """Plain lists in the shape of the input's rows, where their number of values is that of the shape."""
    if spec.shape is None or spec.accepts_shape(array.shape) or not len(array):
        return array
    row = spec.shape[1:]
    known = int(np.prod([dim for dim in row if dim is not None], dtype=np.int64))
    values = array.size // len(array)
    if row.count(None) > 1 or not known or values % known or (None not in row and values != known):
        return array  # whose shape the error will name
    return array.reshape(len(array), *(values // known if dim is None else dim for dim in row))


def row_size(spec: TensorSpec) -> int | None:
    """How many values a row of an input has; ``None`` where its shape does not say."""
    known = [dim for dim in (spec.shape or ())[1:] if dim is not None]
    return math.prod(known) if spec.shape is not None and len(known) == len(spec.shape[1:]) else None


def holds_one_value(spec: TensorSpec) -> bool:
    """Whether a row of an input is a single value: ``[?]`` and ``[?, 1]``."""
    return row_size(spec) == 1


def check_row_size(count: int, spec: TensorSpec) -> None:
    """Checks that the columns of a table together are a row of an input.

    Raises:
        InputError: They are more or fewer.
    """
    wanted = row_size(spec)
    if wanted not in (None, count):
        raise InputError(
            f"{count} columns for input {spec.name!r}, a row of which has {wanted} values: expected {spec}",
            hint="All columns together are a row: leave out those that are none of its values, as a label or a number "
            "of the row.",
        )


def _size(array: Array) -> int:
    if array.dtype != np.dtype(object):
        return array.nbytes
    return sum(map(len, array.reshape(-1).tolist()))
