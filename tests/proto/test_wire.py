"""The wire format read in place, against protobuf's own parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfkit import proto
from tfkit.proto import wire


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_varints_round_trip_wherever_they_stand(value: int, before: bytes) -> None:
    data = before + wire.write_varint(value)
    assert wire.read_varint(data, len(before), len(data)) == (value, len(data))


@given(st.integers(-(2**63), 2**63 - 1))
def test_negative_numbers_are_64_bit(value: int) -> None:
    data = wire.write_varint(value)
    assert wire.signed(wire.read_varint(data, 0, len(data))[0]) == value


@given(st.lists(st.text(max_size=20)), st.integers(-(2**31), 2**31 - 1))
def test_fields_are_those_of_the_message(names: list[str], producer: int) -> None:
    graph = proto.message("tensorflow.GraphDef")()
    for name in names:
        graph.node.add(name=name)
    graph.versions.producer = producer
    data = graph.SerializeToString()
    found = list(wire.fields(data))
    assert [field.number for field in found] == [1] * len(names) + [4]
    assert found[-1].end == len(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_a_wire_error(data: bytes) -> None:
    try:
        ends = [field.end for field in wire.fields(data)]
    except wire.WireError:
        return
    assert ends == sorted(ends)
    assert not ends or ends[-1] == len(data)


@pytest.mark.parametrize("data", [b"\x08", b"\x0a\x05abc", b"\x0d\x00", b"\x0b", b"\x00\x01", b"\x08" + b"\xff" * 11])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        list(wire.fields(data))
