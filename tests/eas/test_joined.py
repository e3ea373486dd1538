"""Two requests in one file, which protobuf reads as one."""

import numpy as np
import pytest

from tfkit.eas.joined import decode_one, find_seam
from tfkit.eas.messages import PredictRequest, decode_request, encode_request
from tfkit.errors import MessageError

X, Y = ({name: np.ones(1, np.float32)} for name in "xy")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (PredictRequest(X), PredictRequest(X), "input 'x' comes a second time, at byte"),
        (PredictRequest(X, "s"), PredictRequest(Y, "s"), "the signature name comes a second time, at byte"),
        (PredictRequest(X, "", ("o",)), PredictRequest(X, "", ("o",)), "another request seems to start at byte 23"),
    ],
)
def test_two_requests_are_refused_though_they_read_as_one(first, second, message):
    data = encode_request(first) + encode_request(second)
    assert decode_request(data).inputs
    with pytest.raises(MessageError, match=message) as caught:
        decode_one(data)
    assert "a file of its own" in caught.value.hint


def test_fields_in_an_unusual_order_may_be_one_request():
    data = encode_request(PredictRequest(X)) + encode_request(PredictRequest(Y, "s"))
    seam = find_seam(data)
    assert seam is not None
    assert not seam.is_certain
    assert decode_one(data).signature_name == "s"
    assert find_seam(encode_request(PredictRequest(X | Y, "s", ("o", "o")))) is None
