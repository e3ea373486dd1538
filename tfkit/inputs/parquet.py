"""Parquet files: columns of numbers, texts, and lists of them; read with pyarrow, tfkit's extra ``parquet``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from tfkit.errors import InputError, MissingError
from tfkit.inputs.opening import opened
from tfkit.inputs.rows import RowFile, check_row_size, holds_one_value
from tfkit.tensors import TensorSpec

_ROWS_AT_ONCE = 1024
_BUFFER_BYTES = 1 << 20


class ParquetTable(RowFile):
    """A table with named columns."""

    unit = "row"
    flat = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._file() as file:
            self.total = file.metadata.num_rows
            schema = file.schema_arrow
            self._names: tuple[str, ...] = tuple(schema.names)
            self._nested = any(field.type.num_fields for field in schema)

    def columns(self) -> tuple[str, ...]:
        """The names in the file's schema."""
        return self._names

    def is_row_of(self, spec: TensorSpec) -> bool:
        """Of an input of rank 2 or more, unless a row of it is one value, or a column holds lists."""
        return not self._nested and spec.shape is not None and len(spec.shape) > 1 and not holds_one_value(spec)

    def rows(self) -> Iterator[tuple[int, Any]]:
        """The rows as batches of the file and places in them."""
        self.done = 0
        with self._file() as file:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
                for at in range(batch.num_rows):
                    self.done += 1
                    yield self.done, (batch, at)

    def value(self, row: Any, column: str, spec: TensorSpec) -> Any:
        """One column's value, or all of them."""
        batch, at = row
        if column:
            return _held(batch.column(self._names.index(column))[at], column, spec)
        check_row_size(len(self._names), spec)
        return [_held(batch.column(index)[at], name, spec) for index, name in enumerate(self._names)]

    @contextmanager
    def _file(self) -> Iterator[Any]:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise MissingError(
                f"{self.path} needs pyarrow, which is not installed",
                hint='Install tfkit with its extra: python -m pip install "tfkit-serving[parquet]" (or pyarrow).',
            ) from None
        try:
            with (
                opened(self.path) as stream,
                parquet.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file,
            ):
                yield file
        except (pyarrow.ArrowException, ValueError, TypeError, MemoryError) as error:
            raise InputError(f"{self.path} is no Parquet file, or a damaged one: {error}") from None


def _held(scalar: Any, column: str, spec: TensorSpec) -> Any:
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError) as error:  # a text that is no UTF-8, a time out of Python's range
        raise InputError(f"column {column!r} cannot be read: {error}") from None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or (isinstance(value, list) and None in value):
        raise InputError(f"column {column!r} has no value: expected {spec} for input {spec.name!r}")
    return value
