"""TFRecord files of samples: features of ``tf.train.Example`` by name, or each record as a text of its own.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from tfkit import proto
from tfkit.errors import InputError, nearest
from tfkit.inputs.opening import readable_size
from tfkit.inputs.rows import RowFile, holds_one_value
from tfkit.inputs.tfrecord import read_records
from tfkit.tensors import DType, TensorSpec

_FRAME_BYTES = 16


class ExampleFile(RowFile):
    """Records, as a rule serialized Examples."""

    unit = "record"
    flat = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.total = 0 if path.suffix == ".gz" else readable_size(path)
        self._names: tuple[str, ...] = ()
        with closing(read_records(path)) as records:
            for record in records:
                self._names = tuple(sorted(_features(record) or ()))
                break

    def columns(self) -> tuple[str, ...]:
        """The features of the first Example; none where the record is something else."""
        return self._names

    def is_row_of(self, spec: TensorSpec) -> bool:
        """Of an input of one text a row that no feature is called like: it parses Examples itself."""
        return spec.dtype is DType.STRING and holds_one_value(spec) and spec.name not in self._names

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """The records."""
        self.done = 0
        with closing(read_records(self.path)) as records:
            for number, record in enumerate(records, 1):
                self.done += len(record) + _FRAME_BYTES
                yield number, record

    def value(self, row: bytes, column: str, spec: TensorSpec) -> Any:
        """The values of a feature, or the record itself."""
        if not column:
            if spec.dtype is not DType.STRING:
                raise InputError(f"it is no tf.train.Example: expected {spec} for input {spec.name!r}")
            return row
        features = _features(row)
        if features is None:
            raise InputError("it is no tf.train.Example")
        if column not in features:
            raise InputError(f"it has no feature {column!r}", hint=nearest(column, features))
        feature = features[column]
        kind = feature.WhichOneof("kind")
        if kind is None:
            raise InputError(f"feature {column!r} has no values: expected {spec} for input {spec.name!r}")
        return list(getattr(feature, kind).value)


def _features(record: bytes) -> dict[str, Any] | None:
    """The features of a serialized Example; ``None`` if it is none."""
    try:
        return dict(proto.message("tensorflow.Example").FromString(record).features.feature) or None
    except DecodeError:
        return None
