"""What the EAS messages mean, worked out from protobuf's own parser with no regard to speed."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from tfkit import proto
from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.eas.messages import PredictRequest, decode_request
from tfkit.errors import MessageError
from tfkit.proto import wire
from tfkit.tensors import DType

REQUEST = proto.message("PredictRequest")
RESPONSE = proto.message("PredictResponse")
ARRAY = proto.message("ArrayProto")

VALUE_FIELDS = ("float_val", "double_val", "int_val", "string_val", "int64_val", "bool_val")
FIELDS = {
    "float_val": {DType.FLOAT, DType.HALF, DType.BFLOAT16, DType.COMPLEX64},
    "double_val": {DType.DOUBLE, DType.COMPLEX128},
    "int_val": {
        DType.INT8,
        DType.INT16,
        DType.INT32,
        DType.UINT8,
        DType.UINT16,
        DType.QINT8,
        DType.QINT16,
        DType.QINT32,
        DType.QUINT8,
        DType.QUINT16,
    },
    "string_val": {DType.STRING},
    "int64_val": {DType.INT64},
    "bool_val": {DType.BOOL},
}
FIELD_OF = {dtype: field for field, dtypes in FIELDS.items() for dtype in dtypes}


class RefusedError(Exception):
    """The bytes are no message, or their values make no array."""


def reference_request(data: bytes) -> PredictRequest:
    """What ``data`` says, by protobuf and the rules for values."""
    try:
        message = REQUEST.FromString(without_unknown_parts(data))
    except DecodeError as error:
        raise RefusedError(f"protobuf: {error}") from None
    inputs = {name: reference_array(array) for name, array in message.inputs.items()}
    return PredictRequest(inputs, message.signature_name, tuple(message.output_filter))


def without_unknown_parts(data: bytes) -> bytes:
    """The request without unknown fields inside map entries.

    protobuf's C++, Java and Go skip them, as they skip unknown fields everywhere; Python's implementation takes the
    whole entry for unknown.
    """
    parts, at, changed = [], 0, False
    try:
        for field in wire.fields(data):
            whole, at = data[at : field.end], field.end
            if field.number == 2 and field.kind == wire.LENGTH:
                entry = _known_parts(data, field.start, field.end)
                changed |= len(entry) != field.end - field.start
                whole = b"\x12" + wire.write_varint(len(entry)) + entry
            parts.append(whole)
    except wire.WireError:
        return data
    return b"".join(parts) if changed else data


def _known_parts(data: bytes, start: int, end: int) -> bytes:
    known, at = b"", start
    for part in wire.fields(data, start, end):
        if part.number in (1, 2) and part.kind == wire.LENGTH:
            known += data[at : part.end]
        at = part.end
    return known


def reference_array(message: Any) -> Array:
    """The array that an ``ArrayProto`` holds."""
    field = FIELD_OF.get(message.dtype)
    if field is None:
        raise RefusedError(f"dtype {message.dtype}")
    if any(len(getattr(message, other)) for other in VALUE_FIELDS if other != field):
        raise RefusedError(f"values outside of {field}")
    dtype, dims, values = DType(message.dtype), list(message.array_shape.dim), getattr(message, field)
    per_element = 2 if dtype in (DType.COMPLEX64, DType.COMPLEX128) else 1
    if len(dims) > 64 or any(dim < 0 for dim in dims) or prod(max(dim, 1) for dim in dims) > 2**59 - 1:
        raise RefusedError(f"shape {dims}")
    if len(values) != prod(dims) * per_element:
        raise RefusedError(f"{len(values)} values for {dims}")
    return _flat(dtype, values).reshape(dims)


def _flat(dtype: DType, values: Any) -> Array:
    held = NUMPY_DTYPES[dtype]
    if dtype is DType.STRING:
        array = np.empty(len(values), object)
        for index, value in enumerate(values):
            array[index] = value
        return array
    if FIELD_OF[dtype] == "int_val":
        plain = held[0] if held.names else held
        limits = np.iinfo(plain)
        if any(not limits.min <= value <= limits.max for value in values):
            raise RefusedError("a value out of range")
        return np.array(values, np.int64).astype(plain).view(held)
    if dtype in (DType.HALF, DType.BFLOAT16):
        wide = np.array(values, np.float32)
        with np.errstate(over="ignore"):
            array = wide.astype(held)
        if (np.isinf(array) & np.isfinite(wide)).any():
            raise RefusedError("a value out of range")
        return array
    wire_dtype = {"float_val": np.float32, "double_val": np.float64}.get(FIELD_OF[dtype], held)
    return np.array(values, wire_dtype).view(held)


def is_stricter_case(data: bytes) -> bool:
    """Whether a message is of a kind that tfkit refuses though protobuf takes it.

    Two of them: groups, which no proto3 message can hold; and a name that comes twice with a bad array in the entry
    that loses, which protobuf's users never see.
    """
    try:
        entries = 0
        for field in wire.fields(data):
            if field.number == 2 and field.kind == wire.LENGTH:
                entries += 1
                for part in wire.fields(data, field.start, field.end):
                    if part.number == 2 and part.kind == wire.LENGTH:
                        _walk_array(data, part.start, part.end)
    except wire.WireError as error:
        return "wire type" in str(error)
    return entries != len(REQUEST.FromString(without_unknown_parts(data)).inputs)


def _walk_array(data: bytes, start: int, end: int) -> None:
    for field in wire.fields(data, start, end):
        if field.number == 2 and field.kind == wire.LENGTH:
            for _ in wire.fields(data, field.start, field.end):
                pass


def assert_same_request(have: PredictRequest, want: PredictRequest) -> None:
    """Equal names, dtypes, shapes and values; NaN equals NaN."""
    assert have.signature_name == want.signature_name
    assert have.output_filter == want.output_filter
    assert have.inputs.keys() == want.inputs.keys()
    for name, array in have.inputs.items():
        assert_same_array(array, want.inputs[name])


def assert_same_array(have: Array, want: Array) -> None:
    """Equal dtypes, shapes and values; NaN equals NaN."""
    assert have.dtype == want.dtype
    assert have.shape == want.shape
    if have.dtype == object:
        assert have.reshape(-1).tolist() == want.reshape(-1).tolist()
    elif have.tobytes() != want.tobytes():
        if have.dtype.kind not in "fc":  # bfloat16's kind is V
            have, want = have.astype(np.float32), want.astype(np.float32)
        assert np.array_equal(have, want, equal_nan=True)


def assert_agrees(data: bytes) -> None:
    """Both refuse ``data``, or both take it and read the same."""
    want, have = _outcome(reference_request, data), _outcome(decode_request, data)
    if isinstance(have, Exception):
        assert isinstance(want, Exception) or is_stricter_case(data), have
    else:
        assert not isinstance(want, Exception), f"read what is to be refused: {want}"
        assert_same_request(have, want)


def _outcome(read: Callable[[bytes], PredictRequest], data: bytes) -> PredictRequest | Exception:
    try:
        return read(data)
    except (RefusedError, MessageError) as refusal:
        return refusal
