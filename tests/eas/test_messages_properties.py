"""The codec says what protobuf's own parser and the rules for values say, of any bytes."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.eas.reference import (
    FIELD_OF,
    REQUEST,
    RESPONSE,
    assert_agrees,
    assert_same_array,
    assert_same_request,
    reference_array,
    reference_request,
)
from tests.eas.strategies import arrays, delimited, names, odd_arrays, written_requests
from tfkit.arrays import Array
from tfkit.eas.messages import PredictRequest, decode_request, decode_response, encode_request, encode_response

requests = st.builds(
    PredictRequest,
    st.dictionaries(names, arrays(), max_size=3),
    names,
    st.lists(names, max_size=3).map(tuple),
)


@given(requests)
def test_protobuf_reads_what_is_written(request: PredictRequest) -> None:
    """Bytes that the codec writes are, to protobuf, the same request, in protobuf's own deterministic order."""
    data = encode_request(request)
    assert_same_request(reference_request(data), request)
    if len(request.inputs) < 2:  # protobuf sorts the entries of a map
        assert REQUEST.FromString(data).SerializeToString(deterministic=True) == data


@given(requests)
def test_what_is_written_is_read_back(request: PredictRequest) -> None:
    """Encoding and decoding a request changes nothing."""
    assert_same_request(decode_request(encode_request(request)), request)


@given(st.dictionaries(names, arrays(), max_size=3))
def test_answers_are_written_and_read_like_requests(outputs: dict[str, Array]) -> None:
    """A response holds the same arrays for protobuf and for the codec."""
    data = encode_response(outputs)
    message = RESPONSE.FromString(data)
    decoded = decode_response(data).outputs
    assert decoded.keys() == outputs.keys() == set(message.outputs)
    for name, array in outputs.items():
        assert_same_array(decoded[name], array)
        assert_same_array(reference_array(message.outputs[name]), array)


@given(written_requests())
def test_any_order_and_form_is_read(written: tuple[bytes, dict[str, Array]]) -> None:
    """Fields in any order, packed or not, in pieces, with unknown ones between: the same arrays."""
    data, inputs = written
    have = decode_request(data)
    assert have.inputs.keys() == inputs.keys()
    for name, array in inputs.items():
        assert_same_array(have.inputs[name], array)
    assert_same_request(have, reference_request(data))


@settings(max_examples=300)
@given(st.lists(odd_arrays(), min_size=1, max_size=2))
def test_odd_arrays_are_judged_as_by_protobuf(fields: list[bytes]) -> None:
    """Dtypes, shapes and values that may not go together are taken and refused as the rules say."""
    assert_agrees(b"".join(delimited(2, delimited(1, b"x") + delimited(2, array)) for array in fields))


@settings(max_examples=300)
@given(requests, st.data())
def test_damaged_requests_are_judged_as_by_protobuf(request: PredictRequest, data: st.DataObject) -> None:
    """A request with bytes changed, cut off or put in is refused, or read as protobuf reads it."""
    damaged = bytearray(encode_request(request))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(len(damaged) - 1, 0)))
        change = data.draw(st.sampled_from(["cut", "set", "put"]))
        if change == "cut":
            del damaged[at:]
        elif change == "set" and damaged:
            damaged[at] = data.draw(st.integers(0, 255))
        else:
            damaged[at:at] = data.draw(st.binary(max_size=3))
    assert_agrees(bytes(damaged))


@settings(max_examples=300)
@given(st.binary(max_size=64))
@example(b"\x12\x02\x12\x00")
@example(b"\x12\x06\x12\x04\x08\x01\x1a\x04")
def test_any_bytes_are_judged_as_by_protobuf(data: bytes) -> None:
    """Bytes of no origin at all are a request or a ``MessageError``, as protobuf has it."""
    assert_agrees(data)


@given(arrays())
def test_every_truncation_is_judged_as_by_protobuf(array: Array) -> None:
    """A request cut off at any byte is refused, or read as protobuf reads it."""
    data = encode_request(PredictRequest({"x": array}, "s"))
    step = max(1, len(data) // 40)
    for end in range(0, len(data), step):
        assert_agrees(data[:end])


def test_every_dtype_of_a_message_is_tried() -> None:
    """The strategies draw from all the dtypes that a message can hold."""
    assert len(FIELD_OF) == 19
