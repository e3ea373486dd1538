"""Warm-up files: one request that fits the model, as it was asked for."""

import hashlib

import numpy as np
import pytest

from tfkit import proto
from tfkit.eas.messages import PredictRequest, decode_request, encode_request
from tfkit.errors import InputError, SignatureError, UsageError
from tfkit.tensors import DType
from tfkit.warmup.files import read_warmup
from tfkit.warmup.generate import make_warmup

WORD = 'word=["red"]'


@pytest.fixture
def output(tmp_path):
    return tmp_path / "warm_up_test.bin"


@pytest.fixture
def images(tmp_path):
    """An npy file of five rows of images."""
    path = tmp_path / "images.npy"
    np.save(path, np.arange(20.0).reshape(5, 4))
    return path


@pytest.mark.parametrize("how", ["random", "zeros"])
def test_a_text_that_the_model_parses_is_an_example(model, output, how):
    file = model / "saved_model.pb"
    saved = proto.message("tensorflow.SavedModel").FromString(file.read_bytes())
    parser = saved.meta_graphs[0].graph_def.node.add(name="parser", op="ParseSingleExample", input=["word"])
    parser.attr["sparse_keys"].list.s.append(b"tags")
    parser.attr["sparse_types"].list.type.append(DType.STRING)
    file.write_bytes(saved.SerializeToString())
    make_warmup(model, output, inputs=[f"word={how}"])
    (word,) = decode_request(output.read_bytes()).inputs["word"]
    assert proto.message("tensorflow.Example").FromString(word).features.feature["tags"].bytes_list.value


def test_the_file_is_one_message_that_protobuf_reads(model, output, images):
    (report,) = make_warmup(model, output, inputs=[f"images=@{images}", "ids=[2]", WORD]).files
    message = proto.message("PredictRequest").FromString(output.read_bytes())
    assert message.signature_name == "serving_default"
    assert list(message.inputs["images"].float_val) == [0, 1, 2, 3]
    assert list(message.inputs["ids"].int64_val) == [2]
    assert list(message.inputs["word"].string_val) == [b"red"]
    assert not message.output_filter
    assert report.size_bytes == output.stat().st_size
    assert report.sha256 == hashlib.sha256(output.read_bytes()).hexdigest()


def test_what_is_left_out_is_random_inside_what_the_graph_allows(model, output):
    (report,) = make_warmup(model, output, batch_size=64).files
    request = read_warmup(output)
    assert set(request.inputs["ids"].tolist()) == {0, 1, 2}
    assert all(summary.made_up for summary in report.inputs)
    assert len(request.inputs["word"]) == 64


def test_the_same_seed_gives_the_same_file(model, output):
    first = make_warmup(model, output, seed=3)
    assert make_warmup(model, output, seed=3, force=True) == first
    assert make_warmup(model, output, seed=4, force=True) != first


def test_signature_and_outputs_are_written_as_asked(model, output):
    (report,) = make_warmup(model, output, signature="predict_images", fetch=["word", "ids"]).files
    request = read_warmup(output)
    assert (request.signature_name, request.output_filter) == ("predict_images", ("word", "ids"))
    assert (report.signature_name, report.output_filter) == ("predict_images", ("word", "ids"))


def test_samples_give_one_row_and_literals_all_of_theirs(model, output, images):
    make_warmup(model, output, inputs=[f"images=@{images}"])
    assert read_warmup(output).inputs["images"].shape == (1, 4)
    make_warmup(model, output, inputs=[f"images=@{images}", "ids=[0, 1, 2]"], force=True)
    request = read_warmup(output)
    assert [len(request.inputs[name]) for name in ("images", "ids", "word")] == [3, 3, 3]


def test_given_values_of_unequal_numbers_keep_theirs(model, output):
    """As the nodes and the edges of a graph have them; that they are unequal is told."""
    (report,) = make_warmup(model, output, inputs={"images": np.zeros((2, 4)), "ids": np.arange(3)}).files
    held = {name: len(array) for name, array in read_warmup(output).inputs.items()}
    assert held == {"images": 2, "ids": 3, "word": 3}
    assert "the inputs have unequal numbers of rows" in "".join(report.warnings)


def test_values_can_be_given_from_python(model, output):
    values = {"images": np.ones((2, 4)), "ids": [0, 1], "word": np.array(["a", "b"])}
    make_warmup(model, output, inputs=values)
    request = read_warmup(output)
    assert request.inputs["images"].dtype == np.float32
    assert request.inputs["word"].tolist() == [b"a", b"b"]


@pytest.mark.parametrize("signature_name", ["", "predict_images"])
def test_a_whole_sample_request_keeps_its_rows_signature_and_outputs(model, output, tmp_path, signature_name):
    sample = PredictRequest(
        {
            "images": np.ones((3, 4), np.float32),
            "ids": np.array([0, 1, 2]),
            "word": np.array([b"a", b"b", b"c"], dtype=object),
        },
        signature_name,
        ("ids",),
    )
    (tmp_path / "sample.bin").write_bytes(encode_request(sample))
    make_warmup(model, output, inputs=[f"@{tmp_path / 'sample.bin'}"])
    request = read_warmup(output)
    assert request.inputs["images"].shape == (3, 4)
    assert (request.signature_name, request.output_filter) == (signature_name, ("ids",))
    make_warmup(
        model, output, inputs=[f"@{tmp_path / 'sample.bin'}"], signature="serving_default", fetch=["word"], force=True
    )
    request = read_warmup(output)
    assert (request.signature_name, request.output_filter) == ("serving_default", ("word",))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"inputs": ["image=zeros"]}, SignatureError, "Did you mean 'images'"),
        ({"inputs": ["images=[1, 2]"]}, SignatureError, r"shape \[2\]: expected float32\[\?, 4\]"),
        ({"inputs": ["ids=[0.5]"]}, SignatureError, "0.5"),
        ({"inputs": ["ids=[1, 3]"]}, SignatureError, "input 'ids': 1 of 2 values, such as 3, are outside of 0 to 2"),
        ({"inputs": ["ids=random:10:2000"]}, SignatureError, "outside of 0 to 2"),
        ({"signature": "predict_image"}, SignatureError, "Did you mean 'predict_images'"),
        ({"fetch": ["words"]}, SignatureError, "Did you mean 'word'"),
        ({"fetch": ["ids", "ids"]}, UsageError, "twice"),
        ({"batch_size": 0}, UsageError, "batch size 0"),
        ({"inputs": ["@nothing.bin"]}, InputError, "does not exist"),
    ],
)
def test_what_does_not_fit_leaves_no_file(model, output, settings, error, message):
    with pytest.raises(error, match=message):
        make_warmup(model, output, **settings)
    assert list(output.parent.glob("*warm_up*")) == []


def test_a_file_is_replaced_only_by_force(model, output):
    output.write_bytes(b"mine")
    with pytest.raises(UsageError, match="--force"):
        make_warmup(model, output)
    assert output.read_bytes() == b"mine"
    make_warmup(model, output, force=True)
    assert read_warmup(output).signature_name == "serving_default"


def test_the_report_says_what_the_file_holds(model, output):
    inputs = ["images=[[0.5, NaN, 1, 2]]", "ids=[1]", 'word=[{"b64": "/w=="}]']
    summaries = {each.name: each for each in make_warmup(model, output, inputs=inputs).files[0].inputs}
    assert summaries["images"].first == (0.5, "nan", 1.0, 2.0)
    assert summaries["images"].low is None
    assert (summaries["ids"].low, summaries["ids"].high, summaries["ids"].shape) == (1, 1, (1,))
    assert summaries["word"].first == ("\\xff",)


def test_what_lint_warns_of_is_in_the_report(model, output):
    (file,) = make_warmup(model, output, inputs="images=[NaN, NaN, NaN, NaN]").files
    assert file.warnings == ("input 'images': 4 of 4 values are NaN or infinite",)


@pytest.fixture
def frozen(tmp_path):
    """A frozen graph: images and ids are handed on, keep has a default; nothing that scores needs hangs on ids."""
    graph = proto.message("tensorflow.GraphDef")()
    graph.versions.producer = 27
    for name, dtype in (("images", 1), ("ids", 9)):
        placeholder = graph.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = dtype
        for size in (-1, 2):
            placeholder.attr["shape"].shape.dim.add(size=size)
        graph.node.add(name=f"{name}_out", op="Identity", input=[name]).attr["T"].type = dtype
    graph.node.add(name="keep", op="PlaceholderWithDefault", input=["images"]).attr["dtype"].type = 1
    graph.node.add(name="scores", op="AddV2", input=["images_out", "keep"]).attr["T"].type = 1
    file = tmp_path / "graph.pb"
    file.write_bytes(graph.SerializeToString())
    return file


def test_a_frozen_graph_s_request_feeds_what_the_named_outputs_need(frozen, output):
    make_warmup(frozen, output, inputs=["images=[[1, 2]]"], fetch=["scores:0"])
    request = read_warmup(output)
    assert request.inputs["images"].tolist() == [[1, 2]]
    assert (list(request.inputs), request.signature_name, request.output_filter) == (["images"], "", ("scores:0",))
    make_warmup(frozen, output, batch_size=3, fetch=["scores", "ids_out"], force=True)
    assert {name: array.shape for name, array in read_warmup(output).inputs.items()} == {
        "images": (3, 2),
        "ids": (3, 2),
    }


def test_a_frozen_graph_s_outputs_have_to_be_named(frozen, output):
    with pytest.raises(SignatureError, match=r"frozen graph.*name those(?s:.)*scores:0"):
        make_warmup(frozen, output)
    with pytest.raises(SignatureError, match=r"'score:0'(?s:.)*scores:0"):
        make_warmup(frozen, output, fetch=["score:0"])
    assert not output.exists()


@pytest.mark.parametrize("name", ["^scores", "scores:00", "scores:", "images:1"])
def test_what_no_service_takes_for_a_tensor_is_refused(frozen, output, name):
    with pytest.raises(SignatureError, match="tensor"):
        make_warmup(frozen, output, fetch=[name])
    assert not output.exists()


def test_a_frozen_graph_has_no_signature_to_name(frozen, output):
    with pytest.raises(SignatureError, match="no signature 'predict'"):
        make_warmup(frozen, output, fetch=["scores"], signature="predict")


def test_a_frozen_graph_s_inputs_are_called_as_they_are_given(frozen, output):
    """What has a default need not be given, but may be."""
    make_warmup(frozen, output, inputs=["images:0=[[1, 2]]", "keep=0.5"], fetch=["scores"])
    request = read_warmup(output)
    assert {name: array.tolist() for name, array in request.inputs.items()} == {"images:0": [[1, 2]], "keep": 0.5}
    (output.parent / "sample.bin").write_bytes(output.read_bytes())
    make_warmup(frozen, output, inputs=[f"@{output.parent / 'sample.bin'}"], fetch=["scores"], force=True)
    assert list(read_warmup(output).inputs) == ["images:0", "keep"]
