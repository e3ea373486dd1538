"""The short way for requests that are alike but for their floats: the same answers, and only for what is alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.serve.asking import post
from tests.served_models import echo_model, mixed_model
from tests.serving import Server
from tfkit.eas.messages import PredictRequest, decode_response, encode_request


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(echo_model()) as server:
        yield server


def echo(server: Server, given: np.ndarray, signature: str) -> np.ndarray:
    answer = post(server, encode_request(PredictRequest({"x": given}, signature)))
    assert answer.status == 200, answer.text
    return decode_response(answer.body).outputs["y"]


@pytest.mark.parametrize(
    ("signature", "dtype"),
    [
        ("echo_DT_FLOAT", np.float32),
        ("echo_DT_DOUBLE", np.float64),
        ("echo_DT_COMPLEX64", np.complex64),
        ("echo_DT_COMPLEX128", np.complex128),
        ("echo_DT_HALF", np.float16),
        ("echo_DT_INT64", np.int64),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 2, 3), (0, 2), (40, 500)])
def test_the_same_shape_again_and_again(server: Server, signature: str, dtype: type, shape: tuple[int, ...]) -> None:
    for seed in range(4):
        given = np.asarray(np.random.default_rng(seed).uniform(0, 100, shape)).astype(dtype)
        came = echo(server, given, signature)
        assert (came.dtype, came.shape) == (given.dtype, given.shape)
        np.testing.assert_array_equal(came, given)


def test_values_that_look_like_something_else(server: Server) -> None:
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38], np.float32)
    for _ in range(3):
        came = echo(server, special, "echo_DT_FLOAT")
        assert came.tobytes() == special.tobytes()


def test_shapes_of_the_same_size_are_told_apart(server: Server) -> None:
    given = np.arange(12, dtype=np.float32)
    for _ in range(3):
        for shape in ((3, 4), (4, 3), (2, 6), (6, 2)):
            assert echo(server, given.reshape(shape), "echo_DT_FLOAT").shape == shape


def test_requests_of_one_length_that_differ_in_more_than_values_are_decoded(server: Server) -> None:
    good = encode_request(PredictRequest({"x": np.ones((1, 2), np.float32)}, "", ("total",)))
    for _ in range(3):
        assert list(decode_response(post(server, good).body).outputs) == ["total"]
    answer = post(server, good.replace(b"total", b"totem"))
    assert (answer.status, "'totem'" in answer.text) == (400, True)
    answer = post(server, good.replace(b"\x0a\x01x", b"\x0a\x01z"))
    assert (answer.status, "'z'" in answer.text) == (400, True)
    answer = post(server, good[:-1] + b"\xff")
    assert answer.status == 400
    assert post(server, good).status == 200


def test_two_float_inputs_in_either_order() -> None:
    with Server(mixed_model()) as server:
        for value in range(4):
            a, b = np.full((1, 2), value, np.float32), np.full((1, 2), 10 * value, np.float32)
            for inputs in ({"a": a, "0": b}, {"0": b, "a": a}):
                body = encode_request(PredictRequest(inputs, "difference"))
                assert decode_response(post(server, body).body).outputs["difference"].tolist() == (a - b).tolist()


def test_strings_beside_floats_are_decoded_each_time() -> None:
    with Server(mixed_model()) as server:
        for value, word in enumerate((b"green", b"black", b"green", b"blue!")):
            words = np.array([word], dtype=object)
            both = encode_request(PredictRequest({"word": words, "a": np.full((1, 2), value, np.float32)}))
            outputs = decode_response(post(server, both).body).outputs
            index = {b"green": 1}.get(word, -1)
            assert (outputs["total"].tolist(), outputs["index"].tolist()) == ([value * 4], [index])
