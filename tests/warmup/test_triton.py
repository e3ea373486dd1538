"""Samples of Triton's model_warmup with their files of values."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warmup.described import REQUESTS, same, texts
from tfkit.eas.messages import PredictRequest
from tfkit.errors import InputError
from tfkit.warmup.triton import read_samples, write_samples


@pytest.fixture
def folder(tmp_path):
    """A folder to write samples into."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def write_config(folder, text, **files):
    (folder / "warmup").mkdir(exist_ok=True)
    (folder / "config.pbtxt").write_text(text)
    for name, data in files.items():
        (folder / "warmup" / name).write_bytes(data)


def sample(value, *, config='name: "m" platform: "tensorflow_savedmodel"', batch_size=1):
    return (
        f'{config}\nmodel_warmup [{{ name: "s" batch_size: {batch_size} inputs {{ key: "x" value {{ {value} }} }} }}]'
    )


@pytest.mark.parametrize("request_", REQUESTS[:3])
def test_a_request_comes_back_but_for_its_names(folder, request_):
    assert write_samples(folder, [request_], batching=False) == 1
    ((name, back),) = read_samples(folder)
    assert name == "sample_0001"
    assert same(back, PredictRequest(request_.inputs))


def test_values_are_raw_and_texts_have_their_length_before_them(folder):
    inputs = {"a/b": np.array([[1, 2]], np.int16), "t": texts(b"red", b""), "z": np.zeros((2, 2), np.float32)}
    write_samples(folder, [PredictRequest(inputs)], batching=False)
    files = {file.name: file.read_bytes() for file in (folder / "warmup").iterdir()}
    assert files == {"0001.0.a_b": b"\1\0\2\0", "0001.1.t": b"\3\0\0\0red\0\0\0\0"}
    config = (folder / "model_warmup.pbtxt").read_text()
    assert "zero_data: true" in config
    assert "data_type: TYPE_INT16" in config


def test_a_model_that_batches_gets_one_row_and_the_number_of_rows(folder):
    inputs = {"x": np.arange(6, dtype=np.float32).reshape(3, 2), "n": np.array([7, 8, 9])}
    write_samples(folder, [PredictRequest(inputs)], batching=True)
    assert "batch_size: 3" in (folder / "model_warmup.pbtxt").read_text()
    ((_, back),) = read_samples(folder)
    assert back.inputs["x"].tolist() == [[0, 1]] * 3
    assert back.inputs["n"].tolist() == [7] * 3


@pytest.mark.parametrize(
    "inputs", [{"x": np.ones((2, 2)), "n": np.ones(3)}, {"x": np.ones(())}, {}, {"x": np.ones((0, 2))}]
)
def test_a_batch_has_as_many_rows_of_each_input(folder, inputs):
    with pytest.raises(InputError, match="as many rows"):
        write_samples(folder, [PredictRequest(inputs)], batching=True)


def test_what_triton_has_no_dtype_for_is_refused(folder):
    with pytest.raises(InputError, match="no dtype complex"):
        write_samples(folder, [REQUESTS[3]], batching=False)


def test_a_configuration_that_people_wrote_is_read(folder):
    write_config(
        folder,
        """
        name: "digits"  # as in Triton's documents
        platform: "tensorflow_savedmodel"
        max_batch_size: 8
        input [{ name: "x", data_type: TYPE_FP32, dims: [ 2 ] }]
        instance_group [{ count: 1, kind: KIND_CPU }]
        model_warmup [
          { name: "file", batch_size: 2,
            inputs: { key: "x", value: { data_type: TYPE_FP32, dims: [ 2 ], input_data_file: "x" } } },
          { name: "zeros", batch_size: 1, count: 3,
            inputs: { key: "t", value: { data_type: TYPE_STRING, dims: [ 1 ], zero_data: true } } },
          { name: "random", batch_size: 1,
            inputs: { key: "x", value: { data_type: TYPE_FP32, dims: [ 2 ], random_data: true } } },
          { name: "left out", batch_size: 0 }
        ]
        """,
        x=np.array([1, 2, 3], np.float32).tobytes(),  # Triton as well takes the first bytes
    )
    samples = dict(read_samples(folder))
    assert list(samples) == ["file", "zeros", "random"]
    assert samples["file"].inputs["x"].tolist() == [[1, 2], [1, 2]]
    assert samples["zeros"].inputs["t"].tolist() == [[b""]]
    assert samples["random"].inputs["x"].shape == (1, 2)
    assert same(dict(read_samples(folder))["random"], samples["random"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_warmup [", "no configuration"),
        (sample("data_type: TYPE_FP32 dims: -1 zero_data: true"), "actual sizes"),
        (sample("data_type: TYPE_FP32 dims: 99999999999 zero_data: true"), "too large"),
        (sample("data_type: TYPE_FP32 dims: 1"), "expected zero_data"),
        (sample("dims: 1 zero_data: true"), "data_type TYPE_INVALID"),
        (sample('data_type: TYPE_FP32 dims: 1 input_data_file: "none"'), "does not exist"),
        (sample('data_type: TYPE_FP32 dims: 9 input_data_file: "short"'), "3 bytes: expected 36"),
        (sample('data_type: TYPE_STRING dims: 1 input_data_file: "short"'), "cut off"),
        (sample('data_type: TYPE_STRING dims: 1 input_data_file: "long"'), "claims 255 bytes"),
        (sample('data_type: TYPE_STRING dims: 2 input_data_file: "one"'), "holds 1 texts"),
        (sample('data_type: TYPE_FP32 dims: 1 input_data_file: "../config.pbtxt"'), "does not lie in"),
        (sample('data_type: TYPE_FP32 dims: 1 input_data_file: "/etc/passwd"'), "does not lie in"),
        (sample("data_type: TYPE_FP32 dims: 1 zero_data: true", batch_size=2), "max_batch_size is 0"),
        (sample("data_type: TYPE_INT8 dims: 9 zero_data: true", batch_size=2**31, config="max_batch_size: 1"), "large"),
        (sample("data_type: TYPE_FP32 zero_data: true" + " dims: 1" * 100), "dims"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_sample_is_told(folder, text, message):
    write_config(folder, text, short=b"abc", long=b"\xff\0\0\0abc", one=b"\0\0\0\0")
    with pytest.raises(InputError, match=message):
        list(read_samples(folder))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(alphabet="{}[]:, \"\\abmodel_warmup123dims-\n#'", max_size=80)
    | st.builds(
        lambda at, text: (
            (base := sample('data_type: TYPE_STRING dims: 2 input_data_file: "x"'))[: at % len(base)]
            + text
            + base[at % len(base) :]
        ),
        st.integers(0, 300),
        st.text(max_size=3),
    ),
    st.binary(max_size=20),
)
def test_any_configuration_is_read_or_refused(tmp_path, text, data):
    (tmp_path / "warmup").mkdir(exist_ok=True)
    (tmp_path / "config.pbtxt").write_bytes(text.encode("utf-8", "replace"))
    (tmp_path / "warmup" / "x").write_bytes(data)
    with contextlib.suppress(InputError):
        list(read_samples(tmp_path))
