"""Reads one ``ArrayProto`` into a numpy array.

Every serializer in use writes the fields in the order of their numbers: that layout takes a handful of Python
operations, its header (dtype and shape) looked up in a cache. Any other order and form that protobuf allows is read
field by field.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.eas import _packed
from tfkit.eas._fields import DIM, DTYPE, FIELD_OF, SHAPE, STRING_VAL, VALUE_FIELDS, Data, ValueField, read_size, scan
from tfkit.errors import MessageError
from tfkit.proto import wire
from tfkit.tensors import DType

# numpy's own limits: dimensions, and elements of sixteen bytes.
_MAX_RANK = 64 if int(np.__version__.split(".")[0]) >= 2 else 32
_MAX_ELEMENTS = sys.maxsize // 16


class _Header(NamedTuple):
    """What precedes the values in the usual layout.

    Attributes:
        dtype: The dtype.
        shape: The shape.
        tag: The tag of the values.
        view: How numpy sees the bytes of the values as they are; ``None`` where they must be converted.
        size_bytes: The size that the values of a view must have.
    """

    dtype: DType
    shape: tuple[int, ...]
    tag: int
    view: np.dtype[Any] | None
    size_bytes: int


def read_array(data: Data, at: int, end: int) -> Array:
    """Reads the ``ArrayProto`` in ``data[at:end]``.

    The values of FLOAT, DOUBLE and complex arrays are not copied: the array is a read-only view of ``data`` and need
    not be aligned.

    Raises:
        MessageError: Dtype, shape and values do not make an array.
        WireError: The bytes are no protobuf message.
    """
    # 08 DTYPE, 12 SIZE SHAPE, TAG: one byte each but the shape, whose size is the fourth.
    body = at + 5 + data[at + 3] if at + 4 < end else end
    header = _read_header(bytes(data[at:body])) if body < end else None
    if header is not None and header.tag != STRING_VAL.tag:
        size, start = read_size(data, body, end)
        if start + size == end:
            if header.view is not None and size == header.size_bytes:
                return np.ndarray(header.shape, header.view, data, start)
            return _unpack(header.dtype, header.shape, np.frombuffer(data, np.uint8, size, start))
    if header is not None:
        strings = _read_strings(data, body - 1, end)
        if strings is not None:
            return _string_array(header.shape, strings)
    parts, view = _Parts(), memoryview(data)
    for each in wire.fields(data, at, end):
        parts.add(view, each)
    return parts.array()


@lru_cache(maxsize=1024)
def _read_header(header: bytes) -> _Header | None:
    """Reads the header of the usual layout; ``None`` if it is anything else, right or wrong."""
    if header[0] != 0x08 or header[2] != 0x12 or header[3] >= 0x80:
        return None
    try:
        dtype = _dtype(header[1])
        shape = _shape(_read_dims(header, 4, len(header) - 1, []))
    except (MessageError, wire.WireError):
        return None
    values, held = FIELD_OF[dtype], NUMPY_DTYPES[dtype]
    if header[-1] != values.tag:
        return None
    size_bytes = prod(shape) * held.itemsize
    is_view = values.fixed is not None and held.itemsize >= values.fixed.itemsize and size_bytes > 0
    return _Header(dtype, shape, values.tag, held if is_view else None, size_bytes)


def _read_strings(data: Data, at: int, end: int) -> list[bytes] | None:
    """Reads string values to the end; ``None`` if something else is among them."""
    strings = []
    for tag, start, stop in scan(data, at, end):
        if tag != STRING_VAL.tag:
            return None
        strings.append(bytes(data[start:stop]))
    return strings


@dataclass(slots=True)
class _Parts:
    """What the fields of an ``ArrayProto`` hold, in whatever order, form and pieces they come."""

    number: int = 0
    dims: list[int] = field(default_factory=list)
    strings: list[bytes] = field(default_factory=list)
    packed: dict[ValueField, memoryview | bytearray] = field(default_factory=dict)

    def add(self, data: memoryview, part: wire.Field) -> None:
        """Adds one field; unknown ones, and those of a wire type that is not theirs, are skipped."""
        values = VALUE_FIELDS.get(part.number)
        if part.number == DTYPE and part.kind == wire.VARINT:
            self.number = part.value & 0xFFFF_FFFF
        elif part.number == SHAPE and part.kind == wire.LENGTH:
            _read_dims(data, part.start, part.end, self.dims)
        elif values is STRING_VAL and part.kind == wire.LENGTH:
            self.strings.append(bytes(data[part.start : part.end]))
        elif values is not None and part.kind in (wire.LENGTH, values.kind):
            self._add_packed(values, data[part.start : part.end])

    def _add_packed(self, values: ValueField, chunk: memoryview) -> None:
        """Adds packed values, or a single one, which on the wire is the same: one chunk stays a view."""
        if values.fixed is not None and len(chunk) % values.fixed.itemsize:
            raise wire.WireError(
                f"{values.name} has {len(chunk)} bytes: expected a multiple of {values.fixed.itemsize}"
            )
        if values.fixed is None and chunk and chunk[-1] >= 0x80:
            raise _cut_off(values)
        held = self.packed.get(values)
        if held is None:
            self.packed[values] = chunk
        elif isinstance(held, bytearray):
            held += chunk
        else:
            self.packed[values] = bytearray(held) + chunk

    def array(self) -> Array:
        """The array that the parts make."""
        dtype = _dtype(self.number)
        shape = _shape(self.dims)
        filled = [each for each, payload in self.packed.items() if len(payload)]
        for each in [*filled, STRING_VAL] if self.strings else filled:
            if each is not FIELD_OF[dtype]:
                raise MessageError(
                    f"values in {each.name}: expected those of {dtype.proto_name} in {FIELD_OF[dtype].name}"
                )
        if dtype is DType.STRING:
            return _string_array(shape, self.strings)
        payload = memoryview(self.packed.get(FIELD_OF[dtype], b"")).toreadonly()
        return _unpack(dtype, shape, np.frombuffer(payload, np.uint8))


def _dtype(number: int) -> DType:
    try:
        dtype = DType(number)
    except ValueError:
        dtype = DType.INVALID
    if dtype not in FIELD_OF:
        came = dtype.proto_name if dtype else f"dtype {number}" if number else "no dtype"
        raise MessageError(f"{came}: expected one that a message can hold, such as {DType.FLOAT.proto_name}")
    return dtype


def _read_dims(data: Data, at: int, end: int, dims: list[int]) -> list[int]:
    """Adds the dimensions of the ``ArrayShape`` in ``data[at:end]`` to ``dims``, packed or not."""
    for part in wire.fields(data, at, end):
        if part.number != DIM or part.kind not in (wire.LENGTH, wire.VARINT):
            continue
        at = part.start
        while at < part.end:
            dim, at = wire.read_varint(data, at, part.end)
            dims.append(wire.signed(dim))
            if len(dims) > _MAX_RANK:
                raise MessageError(f"more than {_MAX_RANK} dimensions: expected {_MAX_RANK} at most")
    return dims


def _shape(dims: list[int]) -> tuple[int, ...]:
    if any(dim < 0 for dim in dims):
        raise MessageError(f"shape {dims}: expected no negative dimension", hint="A request gives the actual sizes.")
    # Counted without zeros: numpy refuses [0, 2**62] too.
    if prod(max(dim, 1) for dim in dims) > _MAX_ELEMENTS:
        raise MessageError(f"shape {dims}: expected at most {_MAX_ELEMENTS} elements")
    return tuple(dims)


def _cut_off(values: ValueField) -> wire.WireError:
    return wire.WireError(f"the last value of {values.name} is cut off")


def _check_count(have: int, dtype: DType, shape: tuple[int, ...]) -> None:
    if have == prod(shape):
        return
    hint = ""
    if not have and dtype in (DType.HALF, DType.BFLOAT16):
        hint = "The official Python client drops the values of 16-bit floats: send them as float32."
    raise MessageError(f"{have} values for shape {list(shape)}: expected {prod(shape)}", hint=hint)


def _string_array(shape: tuple[int, ...], strings: list[bytes]) -> Array:
    _check_count(len(strings), DType.STRING, shape)
    array = np.empty(len(strings), object)
    array[:] = strings
    return array.reshape(shape)


def _unpack(dtype: DType, shape: tuple[int, ...], raw: _packed.Bytes) -> Array:
    """The array of ``dtype`` and ``shape`` whose packed values are ``raw``."""
    values, held = FIELD_OF[dtype], NUMPY_DTYPES[dtype]
    if values.fixed is not None:
        return _unpack_fixed(dtype, shape, raw, values.fixed)
    if raw.size and raw[-1] >= 0x80:
        raise _cut_off(values)
    count = _packed.count_varints(raw)
    _check_count(count, dtype, shape)
    # What is not bool or int64 travels as int32.
    wide = held if dtype in (DType.BOOL, DType.INT64) else np.dtype(np.int32)
    plain = held[0] if held.names else held
    try:
        array = _packed.read_varints(raw, count, wide if count < raw.size else plain)
    except ValueError as error:
        raise wire.WireError(f"{values.name}: {error}") from None
    return _narrow(array, dtype, plain).view(held).reshape(shape)


def _unpack_fixed(dtype: DType, shape: tuple[int, ...], raw: _packed.Bytes, fixed: np.dtype[Any]) -> Array:
    held = NUMPY_DTYPES[dtype]
    if raw.size % fixed.itemsize:
        raise _cut_off(FIELD_OF[dtype])
    # Complex numbers travel as real and imaginary part in turn, 16-bit floats as floats.
    count, rest = divmod(raw.size, max(fixed.itemsize, held.itemsize))
    if rest:
        raise MessageError(f"{raw.size // fixed.itemsize} values: expected real and imaginary parts of {list(shape)}")
    _check_count(count, dtype, shape)
    if held.itemsize >= fixed.itemsize:
        return raw.view(held).reshape(shape)
    return _shorten(raw.view(fixed), dtype, held).reshape(shape)


def _shorten(values: Array, dtype: DType, held: np.dtype[Any]) -> Array:
    """Rounds floats to 16 bits."""
    with np.errstate(over="ignore"):
        array = values.astype(held)
    lost = np.isinf(array) & np.isfinite(values)
    if lost.any():
        largest = ml_dtypes.finfo(held).max
        raise MessageError(f"value {values[lost][0]} does not fit {dtype.proto_name}: expected {largest} at most")
    return array


def _narrow(values: Array, dtype: DType, plain: np.dtype[Any]) -> Array:
    """Brings int32 values to the dtype's own width."""
    if values.dtype == plain:
        return values
    limits = np.iinfo(plain)
    wrong = (values < limits.min) | (values > limits.max)
    if wrong.any():
        raise MessageError(
            f"value {values[wrong][0]} does not fit {dtype.proto_name}: expected {limits.min} to {limits.max}"
        )
    return values.astype(plain)
