"""Arrays of every dtype, and the ways in which their messages can be written."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.eas.reference import FIELD_OF
from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.proto import wire
from tfkit.tensors import DType

NUMBERS = {"float_val": 3, "double_val": 4, "int_val": 5, "string_val": 6, "int64_val": 7, "bool_val": 8}
names = st.text(max_size=8)
dtypes = st.sampled_from(sorted(FIELD_OF))
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
int64s = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-200, 300),
    st.integers(0, 62).flatmap(lambda bit: st.sampled_from([1 << bit, (1 << bit) - 1, -(1 << bit)])),
)


@st.composite
def arrays(draw: st.DrawFn, dtype: st.SearchStrategy[DType] = dtypes) -> Array:
    """An array of any dtype and shape."""
    chosen, shape = draw(dtype), draw(shapes)
    held = NUMPY_DTYPES[chosen]
    if chosen is DType.STRING:
        array = np.empty(shape, object)
        for index in np.ndindex(shape):
            array[index] = draw(st.binary(max_size=200))
        return array
    if chosen is DType.INT64:
        return draw(hnp.arrays(np.int64, shape, elements=int64s))
    if chosen is DType.BFLOAT16:
        bits = draw(hnp.arrays(np.uint16, shape))
        return bits.view(held)
    if held.names:
        return np.asarray(draw(hnp.arrays(held[0], shape)), order="C").view(held)
    return draw(hnp.arrays(held, shape))


def varint(value: int) -> bytes:
    """A varint as short as it can be."""
    return wire.write_varint(value)


def delimited(number: int, payload: bytes) -> bytes:
    """A whole length-delimited field."""
    return varint(number << 3 | wire.LENGTH) + varint(len(payload)) + payload


def single_values(dtype: DType, array: Array) -> list[bytes]:
    """The bytes of each value, as they stand in a packed field or after the tag of an unpacked one."""
    flat = np.asarray(array, order="C").reshape(-1)
    field = FIELD_OF[dtype]
    if field == "string_val":
        return flat.tolist()
    if field == "float_val":
        return [struct.pack("<I", bits) for bits in flat.astype(_float_of(dtype)).view(np.uint32).tolist()]
    if field == "double_val":
        return [struct.pack("<Q", bits) for bits in flat.view(np.uint64).tolist()]
    plain = flat.view(flat.dtype[0]) if flat.dtype.names else flat
    return [varint(int(value)) for value in plain.tolist()]


def _float_of(dtype: DType) -> np.dtype:
    return np.dtype(np.complex64 if dtype is DType.COMPLEX64 else np.float32)


def single_kind(field: str) -> int:
    """The wire type of one value by itself."""
    return {"float_val": wire.FIXED32, "double_val": wire.FIXED64, "string_val": wire.LENGTH}.get(field, wire.VARINT)


@st.composite
def unknown_fields(draw: st.DrawFn, numbers: st.SearchStrategy[int]) -> bytes:
    """A field to be skipped."""
    number, kind = draw(numbers), draw(st.sampled_from([wire.VARINT, wire.FIXED64, wire.LENGTH, wire.FIXED32]))
    tag = varint(number << 3 | kind)
    if kind == wire.VARINT:
        return tag + varint(draw(int64s))
    if kind == wire.LENGTH:
        payload = draw(st.binary(max_size=150))
        return tag + varint(len(payload)) + payload
    return tag + draw(st.binary(min_size=8, max_size=8) if kind == wire.FIXED64 else st.binary(min_size=4, max_size=4))


@st.composite
def in_pieces(draw: st.DrawFn, number: int, kind: int, values: list[bytes]) -> list[bytes]:
    """Repeated values over several fields, packed and not."""
    pieces = []
    while values:
        size = draw(st.integers(1, len(values)))
        head, values = values[:size], values[size:]
        if kind == wire.LENGTH:
            pieces += [delimited(number, value) for value in head]
        elif draw(st.booleans()):
            pieces.append(delimited(number, b"".join(head)))
        else:
            pieces += [varint(number << 3 | kind) + value for value in head]
        if kind != wire.LENGTH and draw(st.booleans()):
            pieces.append(delimited(number, b""))
    return pieces


@st.composite
def interleaved(draw: st.DrawFn, *sequences: list[bytes]) -> list[bytes]:
    """The pieces of all sequences; those of one stay in their order."""
    order = draw(st.permutations([index for index, pieces in enumerate(sequences) for _ in pieces]))
    left = [iter(pieces) for pieces in sequences]
    return [next(left[index]) for index in order]


@st.composite
def written_arrays(draw: st.DrawFn, array: Array, dtype: DType) -> list[bytes]:
    """The fields of an ``ArrayProto`` for ``array``, in any order, form and number of pieces."""
    field = FIELD_OF[dtype]
    values = draw(in_pieces(NUMBERS[field], single_kind(field), single_values(dtype, array)))
    dims = draw(in_pieces(1, wire.VARINT, [varint(dim) for dim in array.shape]))
    split = draw(st.integers(0, len(dims)))
    shape = [delimited(2, b"".join(part)) for part in (dims[:split], dims[split:])]
    dtype_field = [
        varint(1 << 3) + varint(number) for number in (*draw(st.lists(st.integers(0, 99), max_size=1)), dtype)
    ]
    unknown = draw(st.lists(unknown_fields(st.integers(9, 2**29 - 1)), max_size=2))
    return draw(interleaved(dtype_field, shape, values, unknown))


@st.composite
def written_requests(draw: st.DrawFn) -> tuple[bytes, dict[str, Array]]:
    """The bytes of a request and its inputs: any order, form and number of pieces that protobuf takes."""
    inputs: dict[str, Array] = {}
    entries = []
    for name in draw(st.lists(names, max_size=3, unique=True)):
        dtype = draw(dtypes)
        inputs[name] = draw(arrays(st.just(dtype)))
        fields = draw(written_arrays(inputs[name], dtype))
        split = draw(st.integers(0, len(fields)))
        values = [delimited(2, b"".join(part)) for part in (fields[:split], fields[split:])]
        key = [delimited(1, name.encode())]
        unknown = draw(st.lists(unknown_fields(st.integers(3, 40)), max_size=1))
        entries.append(delimited(2, b"".join(draw(interleaved(values, key, unknown)))))
    signature = [delimited(1, draw(names).encode()) for _ in range(draw(st.integers(0, 2)))]
    output_filter = [delimited(3, draw(names).encode()) for _ in range(draw(st.integers(0, 2)))]
    unknown = draw(st.lists(unknown_fields(st.integers(4, 40)), max_size=2))
    return b"".join(draw(interleaved(entries, signature, output_filter, unknown))), inputs


@st.composite
def odd_arrays(draw: st.DrawFn) -> bytes:
    """An ``ArrayProto`` that is well-formed but whose dtype, shape and values need not go together."""
    values = st.sampled_from([b"\x00", b"\x01", b"\x7f", b"\x80\x01", b"\xac\x02", b"\xff" * 9 + b"\x01"])
    floats = st.sampled_from([struct.pack("<f", value) for value in (0.0, 1.5, 1e6, float("inf"), float("nan"))])
    pieces = [varint(1 << 3) + varint(draw(st.one_of(st.integers(0, 23), int64s)))]
    dims = draw(st.lists(st.one_of(st.integers(0, 3), st.sampled_from([-1, 2**31, 2**62])), max_size=3))
    pieces.append(delimited(2, delimited(1, b"".join(map(varint, dims)))))
    for field in draw(st.lists(st.sampled_from(sorted(NUMBERS)), max_size=2)):
        kind = single_kind(field)
        element = {wire.FIXED32: floats, wire.FIXED64: st.binary(min_size=8, max_size=8)}.get(kind, values)
        pieces += draw(in_pieces(NUMBERS[field], kind, draw(st.lists(element, max_size=9))))
    pieces += draw(st.lists(unknown_fields(st.integers(1, 12)), max_size=1))
    return b"".join(draw(st.permutations(pieces)))
