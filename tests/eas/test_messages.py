"""What the message codec takes and refuses, and how it says so."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest

from tests.eas.reference import ARRAY, REQUEST, assert_same_array
from tests.eas.strategies import delimited
from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.eas.messages import (
    PredictRequest,
    PredictResponse,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from tfkit.errors import MessageError
from tfkit.tensors import DType


def message_of(dtype: int = 0, shape: list[int] | None = None, **values: list) -> bytes:
    """A request whose only input, ``x``, has these fields, written by protobuf."""
    request = REQUEST()
    array = request.inputs["x"]
    array.dtype = dtype
    if shape is not None:
        array.array_shape.dim.extend(shape)
    for field, held in values.items():
        getattr(array, field).extend(held)
    return request.SerializeToString()


def input_of(**message: object) -> Array:
    """The array read from such a request."""
    return decode_request(message_of(**message)).inputs["x"]


def refusal_of(data: bytes) -> str:
    """The message with which ``data`` is refused."""
    with pytest.raises(MessageError) as refusal:
        decode_request(data)
    assert refusal.value.http_status == 400
    return refusal.value.message


# Reading: dtypes.


@pytest.mark.parametrize(
    ("dtype", "values", "numpy_dtype"),
    [
        (DType.FLOAT, {"float_val": [1.5, -2, 3]}, np.float32),
        (DType.DOUBLE, {"double_val": [0.1, -2, 3]}, np.float64),
        (DType.HALF, {"float_val": [1.5, -2, 65504]}, np.float16),
        (DType.BFLOAT16, {"float_val": [1.5, -2, 3]}, ml_dtypes.bfloat16),
        (DType.INT8, {"int_val": [-128, 0, 127]}, np.int8),
        (DType.UINT8, {"int_val": [0, 1, 255]}, np.uint8),
        (DType.INT16, {"int_val": [-32768, 0, 32767]}, np.int16),
        (DType.UINT16, {"int_val": [0, 1, 65535]}, np.uint16),
        (DType.INT32, {"int_val": [-(2**31), 0, 2**31 - 1]}, np.int32),
        (DType.INT64, {"int64_val": [-(2**63), 0, 2**63 - 1]}, np.int64),
        (DType.BOOL, {"bool_val": [True, False, True]}, np.bool_),
    ],
)
def test_numbers_become_their_numpy_dtype(dtype: DType, values: dict[str, list], numpy_dtype: type) -> None:
    """Each dtype is read from its own field."""
    array = input_of(dtype=dtype, shape=[3], **values)
    assert array.dtype == numpy_dtype == NUMPY_DTYPES[dtype]
    (held,) = values.values()
    assert array.tolist() == np.array(held, numpy_dtype).tolist()


@pytest.mark.parametrize("dtype", [DType.QINT8, DType.QUINT8, DType.QINT16, DType.QUINT16, DType.QINT32])
def test_quantized_numbers_keep_their_own_dtype(dtype: DType) -> None:
    """They are structured arrays, so that they are not taken for plain integers."""
    array = input_of(dtype=dtype, shape=[2], int_val=[1, 100])
    assert array.dtype == NUMPY_DTYPES[dtype]
    assert array[dtype.short_name].tolist() == [1, 100]


@pytest.mark.parametrize(("dtype", "field"), [(DType.COMPLEX64, "float_val"), (DType.COMPLEX128, "double_val")])
def test_complex_numbers_come_as_real_and_imaginary_parts_in_turn(dtype: DType, field: str) -> None:
    """Two values an element."""
    assert input_of(dtype=dtype, shape=[2], **{field: [1, 2, 3, -4]}).tolist() == [1 + 2j, 3 - 4j]


def test_strings_become_bytes() -> None:
    """Any bytes, in an object array."""
    array = input_of(dtype=DType.STRING, shape=[2, 2], string_val=[b"", b"\xff\x00", b"a" * 300, "é".encode()])
    assert array.dtype == object
    assert array.tolist() == [[b"", b"\xff\x00"], [b"a" * 300, "é".encode()]]


@pytest.mark.parametrize("dtype", [0, DType.RESOURCE, DType.VARIANT, DType.UINT32, DType.UINT64, 77, -1])
def test_dtypes_that_no_message_can_hold_are_refused(dtype: int) -> None:
    """Among them those that TensorFlow has and EAS has not."""
    assert "expected one that a message can hold" in refusal_of(message_of(dtype=dtype, shape=[1], int_val=[1]))


# Reading: shapes and counts.


def test_an_array_without_shape_is_a_scalar() -> None:
    """As protobuf's default for the field has it; so exactly one value is expected."""
    assert input_of(dtype=DType.FLOAT, float_val=[3]).shape == ()
    assert "2 values for shape []: expected 1" in refusal_of(message_of(dtype=DType.FLOAT, float_val=[3, 4]))


@pytest.mark.parametrize("dtype", [DType.FLOAT, DType.STRING, DType.INT64, DType.HALF, DType.COMPLEX64])
def test_an_array_may_be_empty(dtype: DType) -> None:
    """A dimension of zero needs no values."""
    assert input_of(dtype=dtype, shape=[3, 0, 2]).shape == (3, 0, 2)


@pytest.mark.parametrize(
    ("dtype", "values", "count"),
    [
        (DType.FLOAT, {"float_val": [0] * 783}, 783),
        (DType.FLOAT, {}, 0),
        (DType.DOUBLE, {"double_val": [0] * 785}, 785),
        (DType.INT64, {"int64_val": [300] * 783}, 783),
        (DType.UINT8, {"int_val": [0] * 785}, 785),
        (DType.BOOL, {"bool_val": [True]}, 1),
        (DType.STRING, {"string_val": [b"a"] * 3}, 3),
        (DType.HALF, {"float_val": [0] * 783}, 783),
    ],
)
def test_a_wrong_number_of_values_is_refused(dtype: DType, values: dict[str, list], count: int) -> None:
    """The message names the input, what came and what was expected."""
    text = refusal_of(message_of(dtype=dtype, shape=[1, 784], **values))
    assert text == f"input 'x': {count} values for shape [1, 784]: expected 784"


def test_half_floats_without_values_get_a_hint() -> None:
    """The official Python client drops them silently."""
    with pytest.raises(MessageError) as refusal:
        input_of(dtype=DType.HALF, shape=[2])
    assert "official Python client" in refusal.value.hint


def test_complex_values_must_come_in_pairs() -> None:
    """An odd number of parts is no number of elements."""
    text = refusal_of(message_of(dtype=DType.COMPLEX64, shape=[2], float_val=[1, 2, 3]))
    assert text == "input 'x': 3 values: expected real and imaginary parts of [2]"


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ([-1, 2], "expected no negative dimension"),
        ([2**62, 2**62], "expected at most"),
        ([2**62, 0], "expected at most"),
        ([2**40], "2 values for shape [1099511627776]: expected 1099511627776"),
        ([1] * 65 + [2], "dimensions: expected"),
    ],
)
def test_impossible_shapes_are_refused(shape: list[int], reason: str) -> None:
    """Before anything is allocated for them."""
    assert reason in refusal_of(message_of(dtype=DType.FLOAT, shape=shape, float_val=[1, 2]))


@pytest.mark.parametrize(
    ("dtype", "value", "limits"),
    [
        (DType.UINT8, 300, "0 to 255"),
        (DType.UINT8, -1, "0 to 255"),
        (DType.INT8, 128, "-128 to 127"),
        (DType.INT16, -32769, "-32768 to 32767"),
        (DType.UINT16, 65536, "0 to 65535"),
        (DType.QUINT8, 256, "0 to 255"),
    ],
)
def test_integers_out_of_range_are_refused(dtype: DType, value: int, limits: str) -> None:
    """300 is no uint8, though the official client lets it pass."""
    text = refusal_of(message_of(dtype=dtype, shape=[3], int_val=[1, value, 2]))
    assert text == f"input 'x': value {value} does not fit {dtype.proto_name}: expected {limits}"


@pytest.mark.parametrize("dtype", [DType.HALF, DType.BFLOAT16])
def test_floats_that_would_become_infinite_are_refused(dtype: DType) -> None:
    """Rounding to 16 bits is fine, overflow is not; infinity itself stays."""
    assert input_of(dtype=dtype, shape=[2], float_val=[0.1, float("inf")])[1] == float("inf")
    assert f"does not fit {dtype.proto_name}" in refusal_of(message_of(dtype=dtype, shape=[1], float_val=[3.4e38]))


@pytest.mark.parametrize(
    ("dtype", "values", "text"),
    [
        (DType.FLOAT, {"int_val": [1, 2]}, "values in int_val: expected those of DT_FLOAT in float_val"),
        (DType.INT64, {"int_val": [1, 2]}, "values in int_val: expected those of DT_INT64 in int64_val"),
        (DType.FLOAT, {"float_val": [1, 2], "string_val": [b"a"]}, "values in string_val: expected those of DT_FLOAT"),
        (DType.STRING, {"float_val": [1, 2]}, "values in float_val: expected those of DT_STRING in string_val"),
    ],
)
def test_values_in_the_field_of_another_dtype_are_refused(dtype: DType, values: dict[str, list], text: str) -> None:
    """Nothing is guessed."""
    assert text in refusal_of(message_of(dtype=dtype, shape=[2], **values))


# Reading: the wire.


@pytest.mark.parametrize(
    ("dtype", "field"),
    [
        (DType.FLOAT, "float_val"),
        (DType.DOUBLE, "double_val"),
        (DType.COMPLEX64, "float_val"),
        (DType.COMPLEX128, "double_val"),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, lambda data: memoryview(bytearray(data))])
def test_floats_are_read_only_views_of_the_message(dtype: DType, field: str, kind: type) -> None:
    """Nothing is copied, so that reading takes the same time whatever their number."""
    data = kind(message_of(dtype=dtype, shape=[500], **{field: range(1000 if "COMPLEX" in dtype.name else 500)}))
    array = decode_request(data).inputs["x"]
    assert np.may_share_memory(array, np.frombuffer(data, np.uint8))
    assert not array.flags.writeable


def test_floats_in_another_order_are_views_too() -> None:
    """Values before dtype and shape."""
    array = delimited(3, np.arange(99, dtype=np.float32).tobytes()) + b"\x08\x01\x12\x03\x0a\x01\x63"
    data = delimited(2, delimited(2, array) + delimited(1, b"x"))
    assert np.may_share_memory(decode_request(data).inputs["x"], np.frombuffer(data, np.uint8))


def test_a_name_that_comes_twice_has_its_last_array() -> None:
    """As in protobuf's maps."""
    data = message_of(dtype=DType.FLOAT, float_val=[1]) + message_of(dtype=DType.INT64, int64_val=[2])
    assert decode_request(data).inputs["x"].tolist() == 2


def test_the_same_input_in_pieces_is_put_together() -> None:
    """Values of one field and dims of one shape add up; of dtypes and signature names the last one counts."""
    first = ARRAY(dtype=DType.FLOAT, int64_val=[1, 300])
    second = ARRAY(dtype=DType.INT64, int64_val=[-1, 4])
    first.array_shape.dim.append(2)
    second.array_shape.dim.append(2)
    values = delimited(2, first.SerializeToString()) + delimited(2, second.SerializeToString())
    request = decode_request(delimited(1, b"a") + delimited(2, delimited(1, b"x") + values) + delimited(1, b"b"))
    assert request.signature_name == "b"
    assert request.inputs["x"].tolist() == [[1, 300], [-1, 4]]


def test_an_empty_message_is_an_empty_request() -> None:
    """It is for the service to say that inputs are missing."""
    assert decode_request(b"") == PredictRequest({}, "", ())
    assert decode_response(b"") == PredictResponse({})


def test_an_output_filter_is_kept_as_it_came() -> None:
    """Order and repeated names included."""
    request = REQUEST(output_filter=["b", "a", "b"])
    assert decode_request(request.SerializeToString()).output_filter == ("b", "a", "b")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x0a\x02\xc0\x80", "the signature name is not UTF-8"),
        (delimited(2, delimited(1, b"\xff")), "a name is not UTF-8"),
        (delimited(3, b"\xed\xa0\x80"), "a name in the output filter is not UTF-8"),
        (b"\x0b\x0c", "not a PredictRequest: wire type 3 of field 1"),
        (b"\x12\x05\x0a", "not a PredictRequest: field 2 is cut off: 4 of its bytes are missing"),
        (b"\x02\x00", "not a PredictRequest: field number 0"),
        (b"\xff" * 20, "not a PredictRequest: a varint of more than 5 bytes"),
        (b'{"inputs": {}}', "not a PredictRequest"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, text: str) -> None:
    """The message says what is wrong with them."""
    assert refusal_of(data).startswith(text)


def test_a_value_cut_off_within_an_input_is_refused() -> None:
    """Fields must be whole even where the bytes after them would complete them."""
    for array in (b"\x08\x01\x1a\x03\0\0\0", b"\x08\x09\x3a\x01\x80", b"\x08\x09\x3a\x02\x80", b"\x08\x09\x3a"):
        assert refusal_of(delimited(2, delimited(2, array))).startswith("not a PredictRequest")
    halves = delimited(2, b"\x08\x01\x1a\x04") + delimited(2, b"\0\0\0\0")
    assert refusal_of(delimited(2, halves)).startswith("not a PredictRequest")


def test_outputs_are_named_as_outputs() -> None:
    """A refused answer is not blamed on an input."""
    with pytest.raises(MessageError, match=r"^output 'y': no dtype"):
        decode_response(delimited(1, delimited(1, b"y") + delimited(2, b"")))
    with pytest.raises(MessageError, match=r"^not a PredictResponse: "):
        decode_response(b"\x0a\x05")


# Memory.


def hostile_messages() -> Iterator[tuple[str, bytes]]:
    """Messages of some 100 KB, each made to cost as much memory as it can."""
    count = 1 << 16
    shape = b"\x12\x05\x0a\x03\x80\x80\x04"  # 2**16
    wrap = lambda array: delimited(2, delimited(1, b"x") + delimited(2, array))  # noqa: E731
    yield "small numbers as int64", wrap(b"\x08\x09" + shape + delimited(7, b"\x01" * count))
    yield "unpacked numbers", wrap(b"\x08\x09" + shape + b"\x38\x01" * count)
    yield "numbers of two bytes", wrap(b"\x08\x04" + shape + delimited(5, b"\xac\x01" * count))
    yield "numbers in pieces", wrap(b"\x08\x09" + shape + b"\x3a\x01\x01" * count)
    yield "empty strings", wrap(b"\x08\x07" + shape + b"\x32\x00" * count)
    yield "short strings", wrap(b"\x08\x07" + shape + b"\x32\x02ab" * count)
    yield "strings of an unknown dtype", wrap(b"\x32\x02ab" * count)
    yield "a huge shape", wrap(b"\x08\x09\x12\x09\x0a\x07\xff\xff\xff\xff\xff\xff\x0f" + delimited(7, b"\x01" * count))
    yield "many dims", wrap(b"\x08\x01" + delimited(2, delimited(1, b"\x01" * count)))
    yield "many unpacked dims", wrap(b"\x08\x01" + delimited(2, b"\x08\x01" * count))
    yield "unknown fields", b"\x22\x00" * count + wrap(b"\x08\x01" + b"\x7a\x00" * count)
    yield "one input again and again", delimited(2, b"\x12\x04\x08\x0a\x40\x01") * (count >> 3)
    yield (
        "many inputs",
        b"".join(delimited(2, delimited(1, b"%x" % at) + b"\x12\x04\x08\x0a\x40\x01") for at in range(count)),
    )
    yield "many names in the filter", b"".join(delimited(3, b"%x" % at) for at in range(count))


@pytest.mark.parametrize(("data"), [pytest.param(data, id=name) for name, data in hostile_messages()])
def test_memory_stays_in_proportion_to_the_message(data: bytes) -> None:
    """What a message costs is a small multiple of its length: most with names and short strings, objects each."""
    tracemalloc.start()
    try:
        decode_request(data)
    except MessageError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 32 * len(data) + (1 << 20)


def test_too_many_names_are_refused() -> None:
    """65536 inputs, or names in the filter, are the most."""
    assert "more than 65536 names in the output filter" in refusal_of(b"\x1a\x01a" * 65537)
    inputs = (delimited(2, delimited(1, b"%d" % at) + b"\x12\x04\x08\x0a\x40\x01") for at in range(65537))
    assert "more than 65536 inputs" in refusal_of(b"".join(inputs))


# Writing.


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(4, 6)[::2, ::3],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=np.int64)[::-1],
        np.arange(6, dtype=np.uint8).reshape(2, 3).T,
        np.broadcast_to(np.float32(2), (2, 3)),
        np.array([[True, False]]).T,
    ],
    ids=["strided", "fortran", "reversed", "transposed", "broadcast", "bool"],
)
def test_arrays_of_any_layout_are_written(array: Array) -> None:
    """Values go out in row-major order."""
    assert_same_array(decode_response(encode_response({"y": array})).outputs["y"], np.ascontiguousarray(array))


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4", ">i8", ">u2", ">c8"])
def test_arrays_of_the_other_byte_order_are_written(dtype: str) -> None:
    """As what they hold."""
    array = np.array([[1, 300]], dtype)
    assert_same_array(
        decode_response(encode_response({"y": array})).outputs["y"], array.astype(array.dtype.newbyteorder("="))
    )


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "é"]),
        np.array([b"a", b"\xc3\xa9"]),
        np.array(["a", "é".encode()], object),
        np.array([bytearray(b"a"), "é"], object),
    ],
    ids=["U", "S", "object", "bytearray"],
)
def test_strings_of_any_kind_are_written(array: Array) -> None:
    """Text as UTF-8."""
    assert decode_response(encode_response({"y": array})).outputs["y"].tolist() == [b"a", "é".encode()]


@pytest.mark.parametrize("value", [np.float32(1.5), np.array(1.5, np.float32)], ids=["numpy scalar", "0-d"])
def test_scalars_are_written(value: Array) -> None:
    """With no dimension."""
    assert_same_array(decode_response(encode_response({"y": value})).outputs["y"], np.array(1.5, np.float32))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros(2, np.uint32), "output 'y': EAS has no dtype uint32"),
        (np.zeros(2, "M8[D]"), "output 'y': arrays of numpy dtype datetime64[D] have no TensorFlow dtype"),
        (np.array([b"a", 1], object), "output 'y': element 1 of a string tensor is 1: expected bytes or text"),
        (np.array(["\ud800"], object), "output 'y': element 0 of a string tensor is no UTF-8 text"),
    ],
)
def test_arrays_that_no_message_can_hold_are_refused(array: Array, text: str) -> None:
    """The message names the output."""
    with pytest.raises(MessageError) as refusal:
        encode_response({"y": array})
    assert refusal.value.message.startswith(text)


def test_names_that_are_no_unicode_are_refused() -> None:
    """Wherever they stand in a request."""
    for request in (
        PredictRequest({"\ud800": np.zeros(1)}),
        PredictRequest({}, "\ud800"),
        PredictRequest({}, "", ("\ud800",)),
    ):
        with pytest.raises(MessageError, match="no valid Unicode"):
            encode_request(request)


def test_entries_keep_the_order_in_which_they_are_given() -> None:
    """The same request gives the same bytes."""
    arrays = {"b": np.zeros(2, np.float32), "a": np.zeros(1, np.int64)}
    assert list(decode_request(encode_request(PredictRequest(arrays))).inputs) == ["b", "a"]
    assert encode_request(PredictRequest(arrays)) == encode_request(PredictRequest(dict(arrays)))


def test_the_codec_needs_neither_protobuf_nor_tensorflow() -> None:
    """A server starts without them."""
    script = "import sys, tfkit.eas.messages; print({'google.protobuf', 'tensorflow', 'keras'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
