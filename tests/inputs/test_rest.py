"""The body of TensorFlow Serving's REST call as samples."""

import json

import pytest

from tfkit.errors import InputError, SignatureError
from tfkit.inputs import given_request, given_rows, parse_inputs
from tfkit.tensors import DType, Signature, TensorSpec

TWO = {"word": (DType.STRING, (None,)), "x": (DType.FLOAT, (None, 2))}


@pytest.fixture
def body(tmp_path):
    """Writes a body and gives its path."""

    def write(value):
        path = tmp_path / "body.json"
        path.write_text(json.dumps(value))
        return path

    return write


@pytest.mark.parametrize(
    "value",
    [
        {"instances": [{"word": "a", "x": [1, 2]}, {"word": {"b64": "/w=="}, "x": [3, 4]}]},
        {"signature_name": "predict", "inputs": {"word": ["a", {"b64": "/w=="}], "x": [[1, 2], [3, 4]]}},
    ],
)
def test_inputs_are_named_by_row_or_by_column(body, make, value):
    arrays = make(f"@{body(value)}", inputs=TWO)
    assert arrays["word"].tolist() == [b"a", b"\xff"]
    assert arrays["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("value", [{"instances": [[1, 2], [3, 4]]}, {"inputs": [[1, 2], [3, 4]]}])
def test_the_only_input_needs_no_name(body, make, value):
    path = body(value)
    assert make(f"@{path}")["x"].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(SignatureError, match="does not say which input"):
        make(f"@{path}", inputs=TWO)


def test_bytes_of_the_only_input_are_no_object_of_inputs(body, make):
    text = {"x": (DType.STRING, (None,))}
    assert make(f"@{body({'instances': [{'b64': '/w=='}]})}", inputs=text)["x"].tolist() == [b"\xff"]


def test_a_body_is_a_whole_request(body):
    options = parse_inputs([f"@{body({'signature_name': 'words', 'instances': [[1, 2], [3, 4]]})}"])
    assert given_request(options).signature_name == "words"
    signature = Signature("words", (TensorSpec("x", DType.FLOAT, (None, 2)),), ())
    assert given_rows(options, signature) == {2}


def test_a_body_for_one_input_is_told_how_it_is_given(body, make):
    for value in (
        {"signature_name": "words", "instances": [[1, 2]]},
        {"inputs": {"x": {"dtype": "DT_FLOAT", "array_shape": {"dim": [2]}, "float_val": [1, 2]}}},
    ):
        path = body(value)
        with pytest.raises(InputError, match="is a whole request: expected the values of 'x'") as caught:
            make(f"x=@{path}")
        assert caught.value.hint == f"Give it as @{path}"
    assert make(f"x=@{body({'instances': [[1, 2]]})}")["x"].tolist() == [[1, 2]]


def test_an_object_with_other_keys_is_a_plain_set(body, make):
    path = body({"inputs": [[1, 2]], "word": ["a"]})
    arrays = make(f"@{path}", inputs={"inputs": (DType.FLOAT, (None, 2)), "word": (DType.STRING, (None,))})
    assert arrays["inputs"].tolist() == [[1, 2]]
    assert given_request(parse_inputs([f"@{path}"])) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"instances": []}, "expected a list of rows"),
        ({"instances": 3}, "expected a list of rows"),
        ({"instances": [{"x": [1, 2]}, {"y": [1, 2]}]}, "row 2 of \"instances\" is an object of 'y'"),
        ({"instances": [{"x": [1, 2]}, [1, 2]]}, r"row 2 of .* is \[1, 2\]"),
        ({"instances": [{"y": [1, 2]}]}, "no input 'y'"),
        ({"instances": [[1, 2], [3]]}, "different lengths"),
        ({"inputs": {"x": {"y": 1}}}, "input 'x' holds"),
    ],
)
def test_what_is_wrong_is_told(body, make, value, message):
    with pytest.raises(InputError, match=message):
        make(f"@{body(value)}")
