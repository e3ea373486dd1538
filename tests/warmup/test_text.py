"""Text warm-up files, one request a line."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warmup.described import texts
from tfkit.eas.messages import PredictRequest
from tfkit.errors import InputError, SignatureError
from tfkit.tensors import DType, Signature, TensorSpec
from tfkit.warmup.text import read_texts, write_texts


def taking(dtype=DType.STRING, shape=(None,), more=()):
    return Signature("classify", (TensorSpec("text", dtype, shape), *more), ())


@pytest.mark.parametrize(
    ("shape", "given"), [((None,), (1,)), ((), ()), ((None, 1), (1, 1)), (None, (1,)), ((1, None), (1, 1))]
)
def test_each_line_is_a_request_of_one_text(tmp_path, shape, given):
    (tmp_path / "w.txt").write_bytes("good film\r\n\ngrün\xff".encode("latin-1"))
    requests = list(read_texts(tmp_path / "w.txt", taking(shape=shape)))
    assert [number for number, _ in requests] == [1, 3]
    assert [request.inputs["text"].reshape(-1).tolist() for _, request in requests] == [
        [b"good film"],
        [b"gr\xfcn\xff"],
    ]
    assert {request.inputs["text"].shape for _, request in requests} == {given}
    assert {request.signature_name for _, request in requests} == {"classify"}


@pytest.mark.parametrize(
    "signature",
    [
        taking(DType.FLOAT),
        taking(shape=(None, 3)),
        taking(more=(TensorSpec("b", DType.STRING, ()),)),
        Signature("s", (), ()),
    ],
)
def test_a_model_that_takes_more_than_a_text_takes_no_lines(tmp_path, signature):
    (tmp_path / "w.txt").write_text("a\n")
    with pytest.raises(SignatureError, match="one text"):
        list(read_texts(tmp_path / "w.txt", signature))


def test_what_is_written_is_read_back(tmp_path):
    stream = io.BytesIO()
    assert (
        write_texts(stream, [PredictRequest({"text": texts(b"a b")}), PredictRequest({"text": texts(b"c", shape=())})])
        == 2
    )
    (tmp_path / "w.txt").write_bytes(stream.getvalue())
    assert [each.inputs["text"].tolist() for _, each in read_texts(tmp_path / "w.txt", taking())] == [[b"a b"], [b"c"]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": np.ones(1, np.float32)}, "one string input"),
        ({"x": texts(b"a", b"b")}, "one string input"),
        ({}, "no inputs"),
        ({"x": texts(b"a\nb")}, "line breaks"),
        ({"x": texts(b"")}, "is empty"),
    ],
)
def test_what_is_no_line_is_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        write_texts(io.BytesIO(), [PredictRequest(inputs)])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_lines(tmp_path, content):
    (tmp_path / "w.txt").write_bytes(content)
    stream = io.BytesIO()
    for _, request in read_texts(tmp_path / "w.txt", taking()):
        text = request.inputs["text"][0]
        assert text in content
        if b"\r" not in text:
            write_texts(stream, [request])
