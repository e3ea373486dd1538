"""Constants are read as protobuf and numpy read them."""

import numpy as np
import pytest

from tfkit import proto
from tfkit.graph.constants import MAX_VALUES, integers, texts
from tfkit.savedmodel.lazy import Message
from tfkit.tensors import DType


def tensor(dtype, shape=(), **values):
    message = proto.message("tensorflow.TensorProto")(dtype=int(dtype), **values)
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return Message.whole(message.SerializeToString())


@pytest.mark.parametrize("name", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_content_is_read_in_every_integer_dtype(name):
    info = np.iinfo(name)
    content = np.array([info.min, 5, info.max], name).tobytes()
    assert integers(tensor(DType.parse(name), (3,), tensor_content=content)) == (int(info.min), 5, int(info.max))


def test_values_in_their_fields_are_read():
    assert integers(tensor(DType.INT32, (2,), int_val=[-1, 7])) == (-1, 7)
    assert integers(tensor(DType.INT64, (2,), int64_val=[-(2**63), 2**63 - 1])) == (-(2**63), 2**63 - 1)
    assert texts(tensor(DType.STRING, (2,), string_val=[b"a", b""])) == (b"a", b"")


def test_a_scalar_zero_may_be_left_out():
    assert integers(tensor(DType.INT32)) == (0,)


def test_no_more_are_read_than_a_sample_needs():
    assert integers(tensor(DType.INT64, (5000,), tensor_content=bytes(40_000))) == (0,) * MAX_VALUES
    assert len(texts(tensor(DType.STRING, (5000,), string_val=[b"a"] * 5000))) == MAX_VALUES


def test_other_dtypes_hold_no_whole_numbers():
    assert integers(tensor(DType.FLOAT, (1,), float_val=[1.0])) == ()
    assert integers(tensor(99, ())) == ()
