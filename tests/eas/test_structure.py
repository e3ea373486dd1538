"""The structure JSON: written as EAS's documents show it, read back for clients."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfkit.eas.structure import default_signature, is_predict, parse_structure, schema, structure, structure_json
from tfkit.errors import MessageError, SignatureError
from tfkit.tensors import INIT_SIGNATURE, PREDICT_METHOD, DType, Signature, TensorSpec

IMAGES = TensorSpec("images", DType.FLOAT, (None, 784), "x:0")
SCORES = TensorSpec("scores", DType.FLOAT, (None, 10), "y:0")
CLASSIFY_METHOD = "tensorflow/serving/classify"

# As the documents print it.
DOCUMENTED = """\
{
    "inputs": [
        {
            "name": "images",
            "shape": [
                -1,
                784
            ],
            "type": "DT_FLOAT"
        }
    ],
    "outputs": [
        {
            "name": "scores",
            "shape": [
                -1,
                10
            ],
            "type": "DT_FLOAT"
        }
    ],
    "signature_name": "predict_images"
}"""

names = st.text(max_size=20)
shapes = st.none() | st.lists(st.none() | st.integers(0, 2**40), max_size=4).map(tuple)
specs = st.builds(TensorSpec, names, st.sampled_from(DType), shapes)


def sorted_specs():
    return st.lists(specs, max_size=4, unique_by=lambda spec: spec.name).map(
        lambda found: tuple(sorted(found, key=lambda spec: spec.name))
    )


signatures = st.builds(Signature, names, sorted_specs(), sorted_specs())


def named(name, method=PREDICT_METHOD, inputs=(IMAGES,), outputs=(SCORES,)):
    return Signature(name, inputs, outputs, method)


def by_name(*found):
    return {signature.name: signature for signature in found}


def test_the_documents_example_is_printed_to_the_letter():
    assert structure_json(named("predict_images")) == DOCUMENTED


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((None, 784), "float32[?, 784]"), ((None,), "float32[?]"), ((), "float32[]"), (None, "float32[...]")],
)
def test_a_spec_is_shown_with_its_dtype_and_shape(shape, shown):
    assert str(TensorSpec("images", DType.FLOAT, shape)) == shown


def test_scalars_and_unknown_ranks_have_an_empty_shape():
    signature = named("f", inputs=(TensorSpec("n", DType.INT64, ()), TensorSpec("x", DType.STRING, None)))
    assert [each["shape"] for each in structure(signature)["inputs"]] == [[], []]


def test_names_beyond_ascii_are_printed_as_they_are():
    assert '"名前"' in structure_json(named("名前"))


@given(signatures)
def test_every_structure_fits_the_schema(signature):
    jsonschema.validate(json.loads(structure_json(signature)), schema(), cls=jsonschema.Draft202012Validator)


def test_the_schema_is_a_schema_and_refuses_what_is_no_structure():
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    good = json.loads(DOCUMENTED)
    assert validator.is_valid(good)
    for key, bad in [("inputs", None), ("inputs", [{"name": "x", "shape": [-2], "type": "DT_FLOAT"}]), ("more", 1)]:
        assert not validator.is_valid(good | {key: bad})
    assert not validator.is_valid({key: value for key, value in good.items() if key != "signature_name"})


def test_the_schema_lists_every_dtype():
    listed = schema()["$defs"]["tensor"]["properties"]["type"]["enum"]
    assert set(listed) == {dtype.proto_name for dtype in DType}


@given(signatures)
def test_a_structure_reads_back_but_for_what_it_cannot_say(signature):
    """Tensor names are not in it, and an empty shape may be a scalar or an unknown rank: it reads as unknown."""

    def seen(found):
        return tuple(TensorSpec(each.name, each.dtype, each.shape or None) for each in found)

    expected = Signature(signature.name, seen(signature.inputs), seen(signature.outputs))
    assert parse_structure(structure_json(signature)) == expected
    assert parse_structure(structure_json(signature).encode()) == expected


def test_tensors_in_any_order_are_read_in_the_order_of_names():
    items = [{"name": name, "shape": [], "type": "DT_FLOAT"} for name in ("b", "a")]
    text = json.dumps({"inputs": items, "outputs": [], "signature_name": "f", "more": 1})
    assert [each.name for each in parse_structure(text).inputs] == ["a", "b"]


def test_reference_types_are_read_as_their_value_type():
    item = {"name": "x", "shape": [2], "type": "DT_INT32_REF"}
    text = json.dumps({"inputs": [item], "outputs": [], "signature_name": "f"})
    assert parse_structure(text).input("x").dtype is DType.INT32


@pytest.mark.parametrize(
    ("change", "named_item"),
    [
        ({"inputs": None}, "inputs"),
        ({"outputs": {"name": "y"}}, "outputs"),
        ({"signature_name": 3}, "signature_name"),
        ({"inputs": [3]}, r"inputs\[0\]"),
        ({"inputs": [{"name": "x", "shape": "no", "type": "DT_FLOAT"}]}, r"inputs\[0\]\.shape"),
        ({"inputs": [{"name": "x", "shape": [True], "type": "DT_FLOAT"}]}, r"inputs\[0\]\.shape"),
        ({"inputs": [{"name": "x", "shape": [-2], "type": "DT_FLOAT"}]}, r"inputs\[0\]\.shape"),
        ({"inputs": [{"name": "x", "shape": [], "type": "DT_FLOOT"}]}, r"inputs\[0\]\.type"),
        ({"inputs": [{"name": "x", "shape": []}]}, r"inputs\[0\]\.type"),
    ],
)
def test_what_is_no_structure_is_refused_by_the_item(change, named_item):
    with pytest.raises(MessageError, match=named_item):
        parse_structure(json.dumps(json.loads(DOCUMENTED) | change))


@pytest.mark.parametrize("text", ["", "no healthy upstream", "[]", "3", b"\xff\xfe", "[" * 100_000])
def test_other_text_is_refused(text):
    with pytest.raises(MessageError):
        parse_structure(text)


def test_the_default_is_serving_default_where_that_is_a_predict_signature():
    assert default_signature(by_name(named("a"), named("serving_default"))).name == "serving_default"


def test_the_default_is_otherwise_the_first_predict_signature_by_name():
    found = by_name(named("z"), named("b"), named("a", CLASSIFY_METHOD), named("serving_default", CLASSIFY_METHOD))
    assert default_signature(found).name == "b"


def test_internal_entry_points_are_never_the_default():
    internal = named(INIT_SIGNATURE, method="")
    assert not is_predict(internal)
    assert not is_predict(named(INIT_SIGNATURE))
    assert default_signature(by_name(internal, named("f"))).name == "f"


def test_a_signature_without_a_method_counts_if_it_has_inputs_and_outputs():
    assert is_predict(named("f", method=""))
    assert not is_predict(named("f", method="", inputs=()))
    assert not is_predict(named("f", method="", outputs=()))


def test_a_model_without_predict_signatures_says_what_it_has():
    with pytest.raises(SignatureError, match=rf"f \({CLASSIFY_METHOD}\)"):
        default_signature(by_name(named("f", CLASSIFY_METHOD)))
    with pytest.raises(SignatureError, match="no signature to ask for"):
        default_signature({})
