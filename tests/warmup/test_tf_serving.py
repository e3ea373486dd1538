"""Records of TensorFlow Serving's warm-up file."""

import contextlib
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.warmup.described import REQUESTS, same
from tfkit import proto
from tfkit.eas.messages import PredictRequest, decode_request
from tfkit.errors import InputError, MessageError
from tfkit.inputs.tfrecord import read_records
from tfkit.warmup.foreign import find_foreign
from tfkit.warmup.tf_serving import MAX_RECORDS, decode_log, encode_log, write_logs

ONE = PredictRequest({"x": np.ones(1, np.float32)}, "s", ("y",))


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_comes_back_from_its_record(request_):
    kind, back = decode_log(encode_log(request_, "digits"))
    assert kind == "predict_log"
    assert back is not None
    assert same(back, request_)


def test_the_order_of_inputs_does_not_change_the_bytes():
    one, two = np.ones(2, np.float32), np.zeros(3, np.int64)
    assert encode_log(PredictRequest({"a": one, "b": two})) == encode_log(PredictRequest({"b": two, "a": one}))


def test_a_log_of_another_kind_says_what_it_is():
    for kind in ("classify_log", "regress_log", "multi_inference_log", "session_run_log"):
        log = proto.message("tensorflow.serving.PredictionLog")()
        getattr(log, kind).SetInParent()
        assert decode_log(log.SerializeToString()) == (kind, None)


def test_a_thousand_records_are_the_most(tmp_path):
    with (tmp_path / "records").open("wb") as stream:
        assert write_logs(stream, [ONE] * MAX_RECORDS) == MAX_RECORDS
    assert sum(1 for _ in read_records(tmp_path / "records")) == MAX_RECORDS
    with pytest.raises(InputError, match="more than 1000 requests"):
        write_logs(io.BytesIO(), [ONE] * (MAX_RECORDS + 1))


def _log(**tensor):
    log = proto.message("tensorflow.serving.PredictionLog")()
    held = log.predict_log.request.inputs["x"]
    for size in tensor.pop("dims", ()):
        held.tensor_shape.dim.add(size=size)
    for name, value in tensor.items():
        field = getattr(held, name, None)
        field.extend(value) if hasattr(field, "extend") else setattr(held, name, value)
    return log.SerializeToString()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no log"),
        (b"\xff", "not a PredictionLog"),
        (_log(dtype=0), "dtype 0"),
        (_log(dtype=20), "dtype 20"),
        (_log(dtype=1, dims=[-1], float_val=[1]), "actual sizes"),
        (_log(dtype=1, dims=[1 << 40], float_val=[1]), "more than the values"),
        (_log(dtype=7, dims=[1 << 40], string_val=[b"a"]), "more than the values"),
        (_log(dtype=1, dims=[2], float_val=[1, 2, 3]), "holds 3 values"),
        (_log(dtype=1, dims=[2], tensor_content=b"12345"), "input 'x'"),
        (_log(dtype=7, dims=[2], tensor_content=b"12345678" * 2), "tensor_content"),
        (_log(dtype=1, dims=[1] * 100, float_val=[1]), "input 'x'"),
    ],
)
def test_a_damaged_record_is_a_message_error(data, message):
    with pytest.raises(MessageError, match=message):
        decode_log(data)


def test_one_value_stands_for_all():
    _, request = decode_log(_log(dtype=1, dims=[2, 2], float_val=[3]))
    assert request is not None
    assert request.inputs["x"].tolist() == [[3, 3], [3, 3]]


def test_many_tensors_of_one_value_each_do_not_fill_memory():
    """A kilobyte would unpack to gigabytes, one tensor after the other."""
    log = proto.message("tensorflow.serving.PredictionLog")()
    for number in range(40):
        tensor = log.predict_log.request.inputs[f"x{number}"]
        tensor.dtype = 1
        tensor.tensor_shape.dim.add().size = 8 << 20
        tensor.float_val.append(1)
    tracemalloc.start()
    with pytest.raises(MessageError, match="more than the values that are there"):
        decode_log(log.SerializeToString())
    with pytest.raises(MessageError, match="values in int_val"):
        decode_request(log.predict_log.request.SerializeToString())
    assert find_foreign(log.predict_log.request.SerializeToString()).what.endswith("of TensorFlow Serving, not of EAS")
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_what_no_record_can_hold_names_the_input():
    with pytest.raises(MessageError, match="input 'x'"):
        encode_log(PredictRequest({"x": np.array(["2020-01-01"], "datetime64[D]")}))
    with pytest.raises(MessageError, match="Unicode"):
        encode_log(PredictRequest({"x\ud800": np.ones(1)}))


def _flipped(at, byte):
    data = bytearray(encode_log(REQUESTS[1]))
    data[at % len(data)] ^= byte
    return bytes(data)


@given(st.binary(max_size=200) | st.builds(_flipped, st.integers(0, 400), st.integers(1, 255)))
def test_any_bytes_are_a_record_or_a_message_error(data):
    with contextlib.suppress(MessageError):
        decode_log(data)
