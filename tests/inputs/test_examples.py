"""TFRecord files of tf.train.Examples as samples."""

import gzip

import pytest

from tfkit import proto
from tfkit.errors import InputError, SignatureError
from tfkit.inputs import parse_inputs, signature_of
from tfkit.inputs.tfrecord import write_records
from tfkit.tensors import DType


def example(**features):
    """A serialized Example; bytes, floats and whole numbers each go into their own kind of list."""
    message = proto.message("tensorflow.Example")()
    for name, values in features.items():
        held = message.features.feature[name]
        for kind, of in ((held.bytes_list, bytes), (held.int64_list, int), (held.float_list, float)):
            if values and isinstance(values[0], of):
                kind.value.extend(values)
    return message.SerializeToString(deterministic=True)


@pytest.fixture
def records(tmp_path):
    """Writes records to a file and gives its path."""

    def write(*held):
        path = tmp_path / "x.tfrecord"
        with path.open("wb") as stream:
            write_records(stream, held)
        return path

    return write


PEOPLE = (example(name=[b"Jane"], age=[41], size=[1.5, 2.5]), example(name=[b"Bob"], age=[7], size=[3.5, 4.5]))
INPUTS = {"name": (DType.STRING, (None,)), "age": (DType.INT32, (None, 1)), "size": (DType.FLOAT, (None, 2, 1))}


def test_features_are_taken_by_name_in_the_shape_of_the_input(records, make):
    path = records(*PEOPLE)
    arrays = make(f"@{path}", inputs=INPUTS)
    assert arrays["name"].tolist() == [b"Jane", b"Bob"]
    assert arrays["age"].tolist() == [[41], [7]]
    assert arrays["size"].tolist() == [[[1.5], [2.5]], [[3.5], [4.5]]]
    assert make(f"x=@{path}:age", inputs={"x": (DType.INT64, (None,))}, batch_size=1)["x"].tolist() == [41]


def test_a_compressed_file_is_read_as_well(records, make):
    path = records(*PEOPLE)
    packed = path.with_name("x.tfrecord.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert make(f"x=@{packed}:age", inputs={"x": (DType.INT64, (None,))})["x"].tolist() == [41, 7]


@pytest.mark.parametrize("option", ["@{}", "examples=@{}"])
def test_an_input_of_texts_gets_the_serialized_examples(records, make, option):
    path = records(*PEOPLE)
    array = make(option.format(path), inputs={"examples": (DType.STRING, (None,))})["examples"]
    assert array.tolist() == list(PEOPLE)


def test_records_of_any_bytes_are_texts(records, make):
    path = records(b"\xff\xff", b"")
    assert make(f"x=@{path}", inputs={"x": (DType.STRING, (None,))})["x"].tolist() == [b"\xff\xff", b""]


@pytest.mark.parametrize(
    ("held", "name", "message"),
    [
        ((PEOPLE[0], example(name=[b"Bob"])), "age", "record 2: it has no feature 'age'"),
        ((PEOPLE[0], b"\xff\xff"), "age", "record 2: it is no tf.train.Example"),
        ((PEOPLE[0], example(age=[])), "age", "record 2: feature 'age' has no values"),
        ((PEOPLE[0], example(age=[1, 2])), "age", r"record 2 has shape \[2\]"),
        ((example(age=[2**40]),), "age", "record 1: input 'age' holds 1099511627776"),
        ((example(age=[b"a"]),), "age", "record 1: input 'age' holds b'a'"),
        ((PEOPLE[0],), "aeg", "no column 'aeg'"),
        ((b"\xff\xff",), "age", "record 1: it is no tf.train.Example"),
        ((), "age", "holds no rows"),
    ],
)
def test_what_is_wrong_is_told_with_the_record(records, make, held, name, message):
    with pytest.raises(InputError, match=message):
        make(f"{name}=@{records(*held)}", inputs={name: (DType.INT32, (None, 1))})


def test_an_input_without_a_feature_is_not_made_up_silently(records, make):
    inputs = {"nmae" if name == "name" else name: held for name, held in INPUTS.items()}
    with pytest.raises(SignatureError, match="no column 'nmae'"):
        make(f"@{records(*PEOPLE)}", inputs=inputs)


def test_features_say_what_they_are(records):
    found = {spec.name: spec.dtype for spec in signature_of(parse_inputs([f"@{records(*PEOPLE)}"])).inputs}
    assert found == {"name": DType.STRING, "age": DType.INT32, "size": DType.FLOAT}
