"""Warm-up requests from one format to another."""

import base64
import json
import re
import shutil

import numpy as np
import pytest

from tests.warmup.described import REQUESTS, same, texts
from tfkit import proto
from tfkit.eas.messages import PredictRequest, decode_request, encode_request
from tfkit.errors import InputError, MessageError, MissingError, UsageError
from tfkit.inputs.tfrecord import write_records
from tfkit.warmup.convert import convert_warmup
from tfkit.warmup.folder import read_folder
from tfkit.warmup.sources import read_items
from tfkit.warmup.tf_serving import WARMUP_FILE, encode_log

IMAGES = REQUESTS[0]


@pytest.fixture
def bins(tmp_path):
    """A ``.bin`` file of each request."""
    paths = [tmp_path / f"{number}.bin" for number in range(len(REQUESTS))]
    for path, request in zip(paths, REQUESTS, strict=True):
        path.write_bytes(encode_request(request))
    return paths


def requests_in(path, model=None):
    return [item.request for item in read_items(path, model)]


@pytest.mark.parametrize("to", ["eas", "tf-serving"])
def test_requests_go_to_another_format_and_come_back(bins, tmp_path, to):
    report = convert_warmup(bins, tmp_path / "out", to=to)
    assert (report.requests, report.format, report.path) == (len(bins), to, tmp_path / "out")
    back = requests_in(tmp_path / "out")
    assert all(same(one, other) for one, other in zip(back, REQUESTS, strict=True))


def test_the_same_requests_give_the_same_bytes(bins, tmp_path):
    for number in (1, 2):
        convert_warmup(bins, tmp_path / f"{number}.records", to="tf-serving")
        convert_warmup(bins[:3], tmp_path / f"{number}.triton", to="triton", signature="predict_images")
    assert (tmp_path / "1.records").read_bytes() == (tmp_path / "2.records").read_bytes()
    files = [
        {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
        for folder in (tmp_path / "1.triton", tmp_path / "2.triton")
    ]
    assert files[0] == files[1]
    assert len(files[0]) > 3


def test_one_request_is_a_file_and_several_are_a_folder(bins, tmp_path):
    assert convert_warmup([bins[0]], tmp_path / "w.bin", to="eas").requests == 1
    assert same(decode_request((tmp_path / "w.bin").read_bytes()), IMAGES)
    with pytest.raises(UsageError, match="can hold one request"):
        convert_warmup(bins, tmp_path / "many.bin", to="eas")
    convert_warmup(bins, tmp_path / "many", to="eas")
    assert [each.file for each in read_folder(tmp_path / "many")] == ["0001.bin", "0002.bin", "0003.bin", "0004.bin"]
    assert not (tmp_path / "many.bin").exists()
    convert_warmup([tmp_path / "many"], tmp_path / "again", to="tf-serving")
    assert len(requests_in(tmp_path / "again")) == len(bins)


def test_a_savedmodel_keeps_tensorflow_serving_s_file_in_its_extra_assets(bins, model, tmp_path):
    report = convert_warmup(bins[:2], model, to="tf-serving", model_name="digits")
    assert report.path == model / WARMUP_FILE
    assert sorted(each.name for each in (model / "assets.extra").iterdir()) == [WARMUP_FILE.name]
    convert_warmup([model], tmp_path / "requests", to="eas")
    assert len(read_folder(tmp_path / "requests")) == 2
    with pytest.raises(UsageError, match="exists already"):
        convert_warmup(bins, model, to="tf-serving")
    assert convert_warmup(bins, model, to="tf-serving", force=True).requests == len(bins)


def test_a_savedmodel_stays_as_it_was_where_nothing_can_be_written(model, tmp_path):
    (tmp_path / "bad.bin").write_text("{}")
    with pytest.raises(MessageError):
        convert_warmup([tmp_path / "bad.bin"], model, to="tf-serving")
    assert [each.name for each in model.iterdir()] == ["saved_model.pb"]
    with pytest.raises(InputError, match="without warm-up requests"):
        convert_warmup([model], tmp_path / "w", to="eas")


def test_triton_s_samples_fit_the_model_that_is_there(bins, tmp_path):
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "config.pbtxt").write_text("max_batch_size: 8")
    report = convert_warmup([bins[0]], tmp_path / "triton", to="triton")
    assert any("repeats one row" in each for each in report.notes)
    assert "triton has no place for signatures: 1 request named 'predict_images'" in report.notes
    assert "triton has no place for outputs: 1 request asked for some, not for all" in report.notes
    (back,) = requests_in(tmp_path / "triton")
    assert back.inputs["images"].tolist() == [IMAGES.inputs["images"][0].tolist()] * 2
    config, samples = (tmp_path / "triton" / name for name in ("config.pbtxt", "model_warmup.pbtxt"))
    config.write_text(config.read_text() + "\n" + samples.read_text())
    assert len(requests_in(tmp_path / "triton")) == 1


def bins_of(folder, *requests):
    """A ``.bin`` file of each ``(signature, outputs)``, all of one input."""
    folder.mkdir()
    for number, (name, outputs) in enumerate(requests):
        request = PredictRequest({"x": np.ones((1, 2), np.float32)}, name, outputs)
        (folder / f"{number}.bin").write_bytes(encode_request(request))
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (["a", "b"], "1.bin: a request of signature 'b', after requests of signature 'a'", "--signature a.$"),
        (["a", ""], "1.bin: a request of the default signature", "--signature a. Requests that name none"),
        (["", "", "b"], "2.bin: a request of signature 'b', after requests of the default", "--signature b. Requests"),
    ],
)
def test_a_triton_model_has_requests_of_one_signature(tmp_path, names, message, hint):
    files = bins_of(tmp_path / "in", *((name, ()) for name in names))
    with pytest.raises(InputError, match=message) as caught:
        convert_warmup(files, tmp_path / "out", to="triton")
    assert re.search(hint, caught.value.hint)
    assert not (tmp_path / "out").exists()


def test_a_signature_chooses_and_what_comes_double_is_written_once(tmp_path):
    files = bins_of(tmp_path / "in", ("a", ()), ("a", ("y",)), ("", ()), ("b", ()))
    report = convert_warmup(files, tmp_path / "out", to="triton", signature="a")
    assert report.requests == len(requests_in(tmp_path / "out")) == 1
    assert report.notes[:4] == (
        "1 request of other signatures left out: 'b'",
        "2 requests left out: the same as another in triton",
        "triton has no place for signatures: 3 requests named 'a'",
        "triton has no place for outputs: 1 request asked for some, not for all",
    )
    assert convert_warmup(files, tmp_path / "eas", to="eas", signature="a").requests == 2
    with pytest.raises(InputError, match="no request of signature 'c'") as caught:
        convert_warmup(files[3:], tmp_path / "none", to="eas", signature="c")
    assert "Known: b" in caught.value.hint


def test_samples_of_triton_are_given_the_signature_and_the_outputs_that_they_lack(tmp_path):
    files = bins_of(tmp_path / "in", ("a", ("y",)))
    convert_warmup(files, tmp_path / "triton", to="triton")
    report = convert_warmup([tmp_path / "triton"], tmp_path / "plain", to="eas")
    assert report.notes == ("1 request of Triton's mean the model's default signature: --signature names another",)
    report = convert_warmup([tmp_path / "triton"], tmp_path / "w.bin", to="eas", signature="a", fetch=["y"])
    assert report.notes == ()
    assert (tmp_path / "w.bin").read_bytes() == files[0].read_bytes()
    report = convert_warmup(files, tmp_path / "again", to="eas", fetch=["z"])
    assert report.notes == ("--fetch changes nothing: each request asks for outputs of its own",)
    assert requests_in(tmp_path / "again")[0].output_filter == ("y",)


@pytest.fixture
def text_model(tmp_path):
    """A SavedModel of one string input, ``text``."""
    saved = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = saved.meta_graphs.add()
    metagraph.meta_info_def.tags.append("serve")
    metagraph.graph_def.node.add(name="text", op="Placeholder").attr["dtype"].type = 7
    signature = metagraph.signature_def["classify"]
    signature.method_name = "tensorflow/serving/predict"
    for place in (signature.inputs, signature.outputs):
        place["text"].name = "text:0"
        place["text"].dtype = 7
        place["text"].tensor_shape.dim.add(size=-1)
    (tmp_path / "text_model").mkdir()
    (tmp_path / "text_model" / "saved_model.pb").write_bytes(saved.SerializeToString())
    return tmp_path / "text_model"


def test_lines_of_text_become_requests_and_lines_again(text_model, tmp_path):
    (tmp_path / "w.txt").write_text("good\nbad\n")
    with pytest.raises(UsageError, match="only the model says"):
        convert_warmup([tmp_path / "w.txt"], tmp_path / "requests", to="eas")
    convert_warmup([tmp_path / "w.txt"], tmp_path / "requests", to="eas", model=text_model)
    first = decode_request((tmp_path / "requests" / "0001.bin").read_bytes())
    assert same(first, PredictRequest({"text": texts(b"good")}, "classify"))
    report = convert_warmup([tmp_path / "requests"], tmp_path / "again.txt", to="eas-text")
    assert (tmp_path / "again.txt").read_text() == "good\nbad\n"
    assert report.notes == ("eas-text has no place for signatures: 2 requests named 'classify'",)


def test_records_that_hold_no_inputs_by_name_are_left_out_and_told(tmp_path):
    log = proto.message("tensorflow.serving.PredictionLog")()
    log.classify_log.SetInParent()
    with (tmp_path / "records").open("wb") as stream:
        write_records(stream, [log.SerializeToString(), encode_log(IMAGES)])
    report = convert_warmup([tmp_path / "records"], tmp_path / "w.bin", to="eas")
    assert report.requests == 1
    assert "record 1 is left out: a classify_log" in report.notes[0]
    with (tmp_path / "records").open("wb") as stream:
        write_records(stream, [log.SerializeToString()] * 10 + [encode_log(IMAGES)])
    report = convert_warmup([tmp_path / "records"], tmp_path / "w2.bin", to="eas")
    assert "record 1 and 9 more are left out: a classify_log" in report.notes[0]
    with (tmp_path / "records").open("wb") as stream:
        write_records(stream, [log.SerializeToString()])
    with pytest.raises(InputError, match="no request that can be converted"):
        convert_warmup([tmp_path / "records"], tmp_path / "w3.bin", to="eas")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"to": "EAS"}, UsageError, "no format is called 'EAS': expected one of eas, eas-text"),
        ({"to": "eas", "output": "w.txt"}, UsageError, "holds text"),
        ({"to": "eas-text"}, UsageError, "called .txt"),
        ({"to": "eas-text", "output": "w.txt"}, InputError, r"0.bin: a request of images"),
        ({"to": "eas", "sources": ["none.bin"]}, InputError, "does not exist"),
        ({"to": "eas", "sources": []}, UsageError, "nothing to convert"),
        ({"to": "eas", "sources": ["."]}, InputError, "holds no warm-up requests"),
        ({"to": "eas", "output": "0.bin/folder"}, InputError, "Not a directory|File exists"),
        ({"to": "eas", "sources": ["0.bin", "1.bin"], "output": "no/folder/w.bin"}, UsageError, "hold one request"),
        ({"to": "tf-serving", "sources": ["none.bin"], "output": "no/folder/w"}, InputError, "does not exist"),
        ({"to": "triton", "output": "1.bin"}, InputError, "is a file"),
        ({"to": "triton", "fetch": ["y"]}, UsageError, "no place for the outputs that a request asks for: y"),
        ({"to": "eas", "fetch": ["y", "y"]}, UsageError, "output 'y' is asked for twice"),
        ({"to": "eas", "sources": ["twice.bin"]}, MessageError, "twice.bin: the file holds two requests"),
        ({"to": "triton", "sources": ["3.bin"]}, InputError, "3.bin: input 'one': Triton has no dtype"),
    ],
)
def test_what_does_not_go_leaves_nothing(bins, tmp_path, monkeypatch, settings, error, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twice.bin").write_bytes(bins[0].read_bytes() * 2)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=message):
        convert_warmup(**{"sources": ["0.bin"], "output": "out", **settings})
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("to", "place"), [("eas", "a/b/out/0001.bin"), ("tf-serving", "a/b/out")])
def test_folders_above_the_output_are_made(bins, tmp_path, to, place):
    convert_warmup(bins[:1], tmp_path / "a" / "b" / "out", to=to)
    assert (tmp_path / place).is_file()


def test_a_folder_s_files_are_replaced_only_by_force(bins, tmp_path):
    convert_warmup(bins[:1], tmp_path / "out", to="eas")
    before = (tmp_path / "out" / "0001.bin").read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        convert_warmup(bins[1:2], tmp_path / "out", to="eas")
    assert (tmp_path / "out" / "0001.bin").read_bytes() == before
    convert_warmup(bins[1:2], tmp_path / "out", to="eas", force=True)
    assert (tmp_path / "out" / "0001.bin").read_bytes() != before
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["0001.bin", "manifest.json"]
    with pytest.raises(UsageError, match="where the requests come from"):
        convert_warmup([tmp_path / "out"], tmp_path / "out", to="eas", force=True)


def contents(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("source", "to", "output"),
    [
        ("two/0001.bin", "eas", "two"),
        ("link.bin", "eas", "two"),
        ("two", "eas", "two/0001.bin"),
        ("two", "tf-serving", "two/manifest.json"),
        ("two", "tf-serving", "two"),
        ("model", "tf-serving", "model"),
        ("model/assets.extra/tf_serving_warmup_requests", "tf-serving", "model"),
        ("model", "tf-serving", "model/assets.extra/tf_serving_warmup_requests"),
        ("records.bin", "eas", "records.bin"),
        ("records.bin", "tf-serving", "records.bin"),
        ("triton/model_warmup.pbtxt", "triton", "triton"),
    ],
)
def test_no_request_is_lost_where_it_comes_from(model, tmp_path, monkeypatch, source, to, output):
    monkeypatch.chdir(tmp_path)
    files = bins_of(tmp_path / "in", ("a", ()), ("b", ()))
    convert_warmup(files, "two", to="eas")
    for records in ("model", "records.bin"):
        convert_warmup(files, records, to="tf-serving")
    convert_warmup(files[:1], "triton", to="triton")
    (tmp_path / "link.bin").symlink_to("two/0001.bin")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="is where the requests come from"):
        convert_warmup([source], output, to=to, signature="a", force=True)
    assert contents(tmp_path) == before


def test_a_single_request_is_replaced_by_its_like(tmp_path):
    (file,) = bins_of(tmp_path / "in", ("", ()))
    convert_warmup([file], file, to="eas", signature="a", fetch=["y"], force=True)
    assert (requests_in(file)[0].signature_name, requests_in(file)[0].output_filter) == ("a", ("y",))


@pytest.mark.parametrize(
    ("to", "taken", "message"),
    [
        ("eas", "0002.bin", "0002.bin is no regular file"),
        ("triton", "model_warmup.pbtxt", "pbtxt is no regular file"),
        ("triton", "warmup", "warmup is a file"),
    ],
)
def test_where_one_file_has_no_place_none_is_replaced(tmp_path, to, taken, message):
    files = bins_of(tmp_path / "in", ("a", ()), ("a", ("y",)))
    convert_warmup(files[:1], tmp_path / "out", to=to)
    place = tmp_path / "out" / taken
    if place.is_dir():
        shutil.rmtree(place)
        place.touch()
    else:
        place.unlink(missing_ok=True)
        place.mkdir()
    before = contents(tmp_path)
    with pytest.raises(InputError, match=message):
        convert_warmup(files, tmp_path / "out", to=to, signature="a", force=True)
    assert contents(tmp_path) == before


_DATA = encode_request(PredictRequest({"x": np.ones(2, np.float32)}, "s"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b'{"x": [1]}', "JSON text"),
        (b'[{"x": 1}]\n', "JSON text"),
        (base64.b64encode(_DATA), "in base64"),
        (base64.encodebytes(_DATA * 3), "in base64"),
        (_DATA.hex().encode(), "hexadecimal"),
        (b'signature_name: "s"\ninputs { key: "x" value { dtype: DT_FLOAT } }', "protobuf's text format"),
        (b"x,y\n1,2\n", "is text"),
        (b"\x93NUMPY\x01\x00v\x00", "NumPy"),
        (b"PK\x03\x04" + bytes(20), "zip archive"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG"),
        (_DATA[:-2], "cut off"),
        (b"\x28\x01", "neither inputs nor a signature"),
        (encode_log(IMAGES), "PredictionLog of TensorFlow Serving"),
    ],
)
def test_a_file_that_is_something_else_is_told_what_it_is(tmp_path, content, what):
    (tmp_path / "w.bin").write_bytes(content)
    with pytest.raises(MessageError, match=what):
        convert_warmup([tmp_path / "w.bin"], tmp_path / "out", to="tf-serving")
    assert not (tmp_path / "out").exists()


def test_a_request_of_tensorflow_serving_is_none_of_eas(tmp_path):
    log = proto.message("tensorflow.serving.PredictionLog").FromString(encode_log(IMAGES))
    (tmp_path / "w.bin").write_bytes(log.predict_log.request.SerializeToString())
    with pytest.raises(MessageError, match="PredictRequest of TensorFlow Serving"):
        convert_warmup([tmp_path / "w.bin"], tmp_path / "out", to="tf-serving")


def test_the_report_is_json(bins, tmp_path):
    report = convert_warmup(bins, tmp_path / "out", to="tf-serving").as_dict()
    assert json.loads(json.dumps(report)) == report
    assert set(report) == {"path", "format", "requests", "notes"}


def test_a_name_too_long_is_told(bins, tmp_path):
    for to in ("eas", "tf-serving", "triton"):
        with pytest.raises(MissingError, match="too long"):
            convert_warmup(bins[:1], tmp_path / ("w" * 300), to=to)
    with pytest.raises(InputError, match="too long"):
        convert_warmup([tmp_path / ("w" * 300)], tmp_path / "out", to="eas")
