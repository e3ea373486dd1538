"""Packed varints by the array: what protobuf reads and writes one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.eas.reference import ARRAY
from tests.eas.strategies import int64s
from tfkit.eas import _packed
from tfkit.proto import wire

INT64, INT32, BOOL = np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.bool_)

# Long enough for several pieces.
MANY = 3 * _packed._PIECE


def packed_by_protobuf(values: list[int]) -> bytes:
    """The payload of ``int64_val``."""
    message = ARRAY(int64_val=values).SerializeToString()
    return b"".join(message[field.start : field.end] for field in wire.fields(message))


def read(payload: bytes, dtype: np.dtype = INT64) -> np.ndarray:
    """All varints of a payload."""
    raw = np.frombuffer(payload, np.uint8)
    return _packed.read_varints(raw, _packed.count_varints(raw), dtype)


@given(st.lists(int64s, max_size=60))
def test_what_protobuf_writes_is_read(values: list[int]) -> None:
    """Every int64, of one byte to ten, alone and mixed."""
    assert read(packed_by_protobuf(values)).tolist() == values


@given(st.lists(int64s, max_size=60))
def test_what_is_written_protobuf_writes_too(values: list[int]) -> None:
    """The shortest form of every number, as protobuf writes it."""
    assert _packed.write_varints(np.array(values, np.int64)) == packed_by_protobuf(values)


@pytest.mark.parametrize("length", range(1, 11))
def test_long_arrays_of_one_length_are_read(length: int) -> None:
    """Numbers that all take the same number of bytes, over several pieces."""
    low, high = (1 << 7 * (length - 1)) if length > 1 else 0, min(1 << 7 * length, 1 << 63)
    values = np.random.default_rng(1).integers(low, high, MANY, np.int64) if length < 10 else np.arange(-MANY, 0)
    payload = _packed.write_varints(values)
    assert len(payload) == length * MANY
    assert np.array_equal(read(payload), values)


@pytest.mark.parametrize("bits", [8, 14, 28, 31, 49, 56, 62, 64])
def test_long_mixed_arrays_are_read(bits: int) -> None:
    """Numbers of every length up to a limit, cut into pieces at any of their bytes."""
    random = np.random.default_rng(bits)
    values = (random.integers(0, 2**64, MANY, np.uint64) >> np.uint64(64 - bits)).view(np.int64)
    values >>= random.integers(0, bits, MANY)
    payload = _packed.write_varints(values)
    assert np.array_equal(read(payload), values)
    assert payload == packed_by_protobuf(values.tolist())


@given(st.lists(st.binary(min_size=1, max_size=10), min_size=1, max_size=20))
def test_any_form_of_a_number_is_read_as_by_protobuf(parts: list[bytes]) -> None:
    """Also those longer than need be, and with bits beyond the 64th; int32 and bool drop what they cannot hold."""
    payload = b"".join(bytes(byte | 0x80 for byte in part[:-1]) + bytes([part[-1] & 0x7F]) for part in parts)
    size = wire.write_varint(len(payload))
    for tag, name, dtype in ((0x3A, "int64_val", INT64), (0x2A, "int_val", INT32), (0x42, "bool_val", BOOL)):
        message = ARRAY.FromString(bytes([tag]) + size + payload)
        assert read(payload, dtype).tolist() == list(getattr(message, name))


@pytest.mark.parametrize("before", [b"", b"\x01", b"\x80\x01" * 3, b"\x01" * 200_000, b"\x80" * 10 + b"\x01"])
def test_a_varint_of_more_than_ten_bytes_is_refused(before: bytes) -> None:
    """Wherever it stands, and also if all of them are so."""
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read(before + b"\x80" * 10 + b"\x01")


def test_a_long_run_without_an_end_is_refused() -> None:
    """A payload that is one varint over several pieces."""
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read(b"\x80" * (3 * _packed._PIECE) + b"\x01")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.bool_])
def test_every_integer_dtype_is_written(dtype: type[np.generic]) -> None:
    """The extremes of every dtype; negative numbers take ten bytes, as protobuf has it."""
    info = None if dtype is np.bool_ else np.iinfo(dtype)
    values = np.array([0, 1] if info is None else [info.min, -1 if info.min else 0, 0, 127, info.max], dtype)
    assert _packed.write_varints(values) == packed_by_protobuf([int(value) for value in values])
