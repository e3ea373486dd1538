"""What lint says of warm-up files."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warmup.described import REQUESTS, texts
from tfkit.arrays import NUMPY_DTYPES
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, ModelError, UsageError
from tfkit.graph.values import Examples, IntRange, Vocabulary
from tfkit.inputs.tfrecord import write_records
from tfkit.tensors import DType
from tfkit.warmup.convert import convert_warmup
from tfkit.warmup.folder import StoredRequest, write_manifest
from tfkit.warmup.lint import Severity, lint_warmup
from tfkit.warmup.tf_serving import encode_log
from tfkit.warmup.value_checks import Span, check_values
from tfkit.warmup.wire_checks import check_damaged, check_wire

OUTPUTS = ("ids", "images", "word")


def request(rows=2, name="serving_default", outputs=OUTPUTS, **inputs):
    """A request that the model takes, but for what is given."""
    values = {
        "images": np.arange(4 * rows, dtype=np.float32).reshape(rows, 4),
        "ids": np.arange(rows) % 3,
        "word": texts(*(b"w%d" % row for row in range(rows))),
        **inputs,
    }
    return PredictRequest({key: value for key, value in values.items() if value is not None}, name, outputs)


@pytest.fixture
def lint(model, tmp_path):
    """Lints one request, or the bytes of a file."""

    def run(content, **settings):
        data = encode_request(content) if isinstance(content, PredictRequest) else content
        (tmp_path / "w.bin").write_bytes(data)
        return lint_warmup([tmp_path / "w.bin"], model=model, **settings)

    return run


def codes(report, severity=None):
    return {each.code for each in report.findings if severity in (None, each.severity)}


def test_a_request_like_production_s_is_fine(lint):
    report = lint(request())
    assert report.findings == ()
    assert report.passes(strict=True)
    assert [(each.path.name, each.format, each.requests) for each in report.files] == [("w.bin", "eas", 1)]


@pytest.mark.parametrize(
    ("content", "severity", "code", "message"),
    [
        (request(name="serving"), "error", "unknown-signature", "no signature 'serving'"),
        (request(name=""), "note", "default-signature", "default, 'serving_default'"),
        (request(image=np.ones(1)), "error", "unknown-input", "no such input"),
        (request(ids=None), "error", "missing-input", "needs it: int64"),
        (request(images=np.ones((2, 4))), "error", "wrong-dtype", r"float64: expected float32\[\?, 4\]"),
        (request(images=np.ones((2, 5), np.float32)), "error", "wrong-shape", r"\[2, 5\]: expected"),
        (request(images=np.ones(4, np.float32)), "error", "wrong-shape", r"\[4\]: expected"),
        (request(images=np.array([[1, np.nan, np.inf, 0]] * 2, np.float32)), "warning", "not-finite", "4 of 8"),
        (request(images=np.zeros((2, 4), np.float32)), "note", "all-zero", "all 8 values are zero"),
        (request(images=np.full((2, 4), 7, np.float32)), "note", "constant", r"all 8 values are 7\.0"),
        (request(ids=np.array([1, 3])), "error", "out-of-range", "1 of 2 values, such as 3, are outside of 0 to 2"),
        (request(ids=np.array([-1, 0])), "error", "out-of-range", "such as -1"),
        (request(ids=np.array([1, 2, 0])), "warning", "unequal-rows", "ids 3, images 2"),
        (request(rows=0), "warning", "no-values", "no values"),
        (request(outputs=("ids", "words")), "error", "unknown-output", "no output 'words'"),
        (request(outputs=("ids", "ids")), "warning", "doubled-output", "2 times"),
        (request(outputs=()), "note", "all-outputs", "ids, images, word"),
        (b"", "error", "empty-file", "is empty"),
        (b"\x28\x01", "error", "damaged", "neither inputs nor a signature"),
        (b'{"x": 1}', "error", "wrong-format", "JSON text"),
        (base64.b64encode(encode_request(request())), "error", "wrong-format", "base64"),
        (encode_request(request())[:-1], "error", "damaged", "cut off"),
        (encode_request(request()) + b"\x28\x01", "warning", "unknown-field", "does not: 5"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_code_a_severity_and_says_what_came(lint, content, severity, code, message):
    report = lint(content)
    found = next(each for each in report.findings if each.code == code)
    assert found.severity == severity
    assert re.search(message, found.message), found.message
    assert found.file.endswith("w.bin")
    assert report.passes() == (severity != "error")
    assert report.passes(strict=True) == (severity == "note")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (request(name="serving"), "serving_default"),
        (request(image=np.ones(1)), "Did you mean 'images'"),
        (request(outputs=("words",)), "Did you mean 'word'"),
        (request(images=np.ones(4, np.float32)), r"batch dimension is missing: \[1, 4\]"),
        (request(images=np.ones((1, 2, 4), np.float32)), r"too much: \[2, 4\]"),
        (b'{"x": 1}', "warmup-gen MODEL --input @FILE.json"),
    ],
)
def test_a_hint_says_what_to_do(lint, content, hint):
    hints = " ".join(each.hint for each in lint(content).findings)
    assert re.search(hint, hints), hints


def test_findings_name_the_input(lint):
    report = lint(request(ids=np.array([9, 9]), images=np.zeros((2, 4), np.float32)))
    assert {(each.input, each.code) for each in report.findings} == {
        ("ids", "out-of-range"), ("ids", "constant"), ("images", "all-zero"),
    }  # fmt: skip


# --- two messages in one


def test_two_requests_in_one_file_are_told_with_the_place_of_the_second(lint):
    data = encode_request(request())
    report = lint(data + encode_request(request(rows=3)))
    (found,) = [each for each in report.findings if each.code == "concatenated"]
    assert found.severity == "error"
    assert f"another request seems to start at byte {len(data)}" in found.message


@pytest.mark.parametrize(
    ("first", "second", "severity"),
    [
        (PredictRequest({"a": np.ones(1)}), PredictRequest({"a": np.ones(1)}), "error"),
        (PredictRequest({"a": np.ones(1)}, "s"), PredictRequest({"b": np.ones(1)}, "s"), "error"),
        (PredictRequest({"a": np.ones(1)}, "", ("y",)), PredictRequest({"a": np.ones(1)}, "", ("y",)), "error"),
        (PredictRequest({"a": np.ones(1)}, "", ("y",)), PredictRequest({"b": np.ones(1)}), "warning"),
        (PredictRequest({"a": np.ones(1)}), PredictRequest({"b": np.ones(1)}, "s"), "warning"),
    ],
)
def test_the_second_message_is_seen_by_its_fields(first, second, severity):
    start = encode_request(first)
    (found,) = check_wire(start + encode_request(second))
    assert (found.code, found.severity) == ("concatenated", severity)
    assert f"byte {len(start)}" in found.message


@pytest.mark.parametrize(
    "each", [*REQUESTS, request(outputs=()), PredictRequest({}, "s"), PredictRequest({}, "", ("y", "y"))]
)
def test_one_message_is_one(each):
    assert list(check_wire(encode_request(each))) == []


def test_each_damaged_input_is_told():
    one, other = (encode_request(PredictRequest({name: np.ones(3, np.float32)})) for name in "ab")
    damaged = (one + other).replace(b"\x0a\x01\x03", b"\x0a\x01\x04")
    found = list(check_damaged(damaged))
    assert [each.code for each in found] == ["damaged-input"] * 2
    assert "input 'a': 3 values for shape [4]: expected 4" in found[0].message


# --- values


def values_codes(dtype, array, domain=None, samples=None):
    return [(each.severity.value, each.code) for each in check_values(dtype, array, domain, samples)]


COLOURS = (b"red", b"green")
DIGITS = Vocabulary(tuple(b"%d" % number for number in range(10)), closed=True)


@pytest.mark.parametrize(
    ("dtype", "array", "domain", "expected"),
    [
        (DType.INT64, np.array([10, 30]), Vocabulary((10, 20), closed=True), [("error", "unknown-key")]),
        (DType.INT64, np.array([10, 30]), Vocabulary((10, 20)), []),
        (DType.INT64, np.array([40, 30]), Vocabulary((10, 20)), [("note", "unknown-key")]),
        (DType.INT64, np.array([40]), Vocabulary(tuple(range(1000)), closed=True), []),  # there may be more keys
        (DType.STRING, texts(b"red", b"blue"), Vocabulary(COLOURS, closed=True), [("error", "unknown-key")]),
        (DType.STRING, texts(b"A red car"), Vocabulary(COLOURS, closed=True), []),  # the model may split it
        (DType.STRING, texts(b"blue"), Vocabulary(COLOURS), [("note", "unknown-key")]),
        (DType.STRING, texts(b"3.5"), DIGITS, []),
        (DType.STRING, texts(b"x"), DIGITS, [("error", "unknown-key")]),
        (DType.STRING, texts(b"\xff\xd8\xff\xe0"), Vocabulary((b"\x89PNG1",), closed=True), []),
        (DType.STRING, texts(b"cat.jpg"), Vocabulary((b"\x89PNG1",), closed=True), [("error", "unknown-key")]),
        (DType.STRING, texts(b"charlie"), Examples(()), [("error", "no-example")]),
        (DType.STRING, texts(b"\n\0"), Examples(()), []),
        (DType.FLOAT, np.array([0, 5], np.float32), IntRange(0, 5), [("error", "out-of-range")]),
        (DType.INT32, np.array([0, 5]), IntRange(0, 5, closed=False), [("warning", "out-of-range")]),
        (DType.INT32, np.array([0, 5]), IntRange(0, 5, sure=False), [("warning", "out-of-range")]),
        (DType.INT32, np.array([0, 5]), Vocabulary((1, 5), closed=True, sure=False), [("warning", "unknown-key")]),
        (DType.BOOL, np.array([False, False]), None, []),
        (DType.STRING, texts(b"", b""), None, [("note", "all-zero")]),
        (DType.COMPLEX64, np.array([1j, np.nan], np.complex64), None, [("warning", "not-finite")]),
        (DType.QINT8, np.array([1, 2], NUMPY_DTYPES[DType.QINT8][0]).view(NUMPY_DTYPES[DType.QINT8]), IntRange(0, 2),
         [("error", "out-of-range")]),
    ],
)  # fmt: skip
def test_values_are_held_against_what_the_graph_takes(dtype, array, domain, expected):
    assert values_codes(dtype, array, domain) == expected


@pytest.mark.parametrize(
    ("high", "samples", "unscaled"),
    [(255, (0, 1), True), (1, (0, 255), True), (2, (0, 1), False), (255, (-100, 200), False), (255, None, False)],
)
def test_pixels_beside_samples_of_another_scale_are_told(high, samples, unscaled):
    array = np.linspace(0, high, 5, dtype=np.float32)
    found = values_codes(DType.FLOAT, array, None, None if samples is None else Span(*samples))
    assert found == ([("warning", "unscaled")] if unscaled else [])


@pytest.mark.parametrize("given_", [["images"], []])
def test_samples_of_an_export_count_where_they_were_given(lint, model, given_):
    folder = model / "assets.extra" / "tfkit"
    folder.mkdir(parents=True)
    (folder / "export.json").write_text(json.dumps({"given": given_}))
    sample = request(images=np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4))
    (folder / "1.request.bin").write_bytes(encode_request(sample))
    report = lint(request(images=np.linspace(0, 255, 8, dtype=np.float32).reshape(2, 4)))
    assert codes(report) == ({"unscaled"} if given_ else set())


# --- other formats


def test_each_record_of_tensorflow_serving_s_file_is_checked(model, tmp_path):
    with (tmp_path / "records").open("wb") as stream:
        write_records(stream, [encode_log(request()), encode_log(request(ids=None)), b"\xff"])
    report = lint_warmup([tmp_path / "records"], model=model)
    assert [(each.code, each.place) for each in report.findings] == [
        ("missing-input", "record 2"), ("damaged", "record 3"),
    ]  # fmt: skip
    assert report.files[0].requests == 2


def test_more_than_a_thousand_records_are_told(model, tmp_path):
    with (tmp_path / "records").open("wb") as stream:
        write_records(stream, [encode_log(request())] * 1001)
    report = lint_warmup([tmp_path / "records"], model=model)
    assert codes(report, Severity.ERROR) == {"too-many-records"}
    assert codes(report, Severity.NOTE) == {"same-form"}


def test_a_tfrecord_called_bin_or_packed_is_taken_by_no_service(model, tmp_path):
    convert_warmup_of(tmp_path, request())
    (tmp_path / "records").rename(tmp_path / "w.bin")
    report = lint_warmup([tmp_path / "w.bin"], model=model)
    assert codes(report) == {"wrong-format"}
    assert "warmup-convert" in report.findings[0].hint
    (tmp_path / "tf_serving_warmup_requests").write_bytes(gzip.compress((tmp_path / "w.bin").read_bytes()))
    assert codes(lint_warmup([tmp_path / "tf_serving_warmup_requests"], model=model)) == {"wrong-format"}


def convert_warmup_of(folder, *requests):
    with (folder / "records").open("wb") as stream:
        write_records(stream, map(encode_log, requests))


def test_a_file_cut_off_is_unreadable_from_there_on(model, tmp_path):
    convert_warmup_of(tmp_path, request(), request(rows=3))
    data = (tmp_path / "records").read_bytes()
    (tmp_path / "records").write_bytes(data[:-5])
    report = lint_warmup([tmp_path / "records"], model=model)
    assert codes(report) == {"unreadable"}
    assert "record 2 is cut off" in report.findings[0].message


def test_a_savedmodel_a_triton_folder_and_a_folder_of_requests_are_checked(model, tmp_path):
    convert_warmup_of(tmp_path, request(ids=np.array([5, 5])))
    convert_warmup([tmp_path / "records"], tmp_path / "requests", to="eas")
    convert_warmup([tmp_path / "records"], tmp_path / "triton", to="triton")
    convert_warmup([tmp_path / "records"], model, to="tf-serving")
    report = lint_warmup([tmp_path / "requests", tmp_path / "triton", model], model=model)
    wrong = [each for each in report.findings if each.code == "out-of-range"]
    assert [each.place for each in wrong] == ["", "sample 'sample_0001'", "record 1"]
    assert wrong[0].file.endswith("requests/0001.bin")
    assert [each.format for each in report.files] == ["eas", "triton", "tf-serving"]


def test_text_for_a_model_of_several_inputs_is_told(model, tmp_path):
    (tmp_path / "w.txt").write_text("hello\n")
    report = lint_warmup([tmp_path / "w.txt"], model=model)
    assert codes(report) == {"unreadable"}
    assert "one text" in report.findings[0].message


def test_a_frozen_graph_s_requests_name_theirputs(tmp_path, frozen):
    good = PredictRequest({"images": np.ones((1, 2), np.float32) * [[1, 2]]}, "", ("scores",))
    good.inputs["images"] = good.inputs["images"].astype(np.float32)
    (tmp_path / "good.bin").write_bytes(encode_request(good))
    (tmp_path / "bad.bin").write_bytes(encode_request(PredictRequest(good.inputs)))
    assert lint_warmup([tmp_path / "good.bin"], model=frozen).passes(strict=True)
    assert codes(lint_warmup([tmp_path / "bad.bin"], model=frozen)) == {"unknown-output"}


@pytest.fixture
def frozen(tmp_path):
    """A frozen graph that hands ``images`` on as ``scores``."""
    from tfkit import proto

    graph = proto.message("tensorflow.GraphDef")()
    graph.versions.producer = 27
    placeholder = graph.node.add(name="images", op="Placeholder")
    placeholder.attr["dtype"].type = 1
    for size in (-1, 2):
        placeholder.attr["shape"].shape.dim.add(size=size)
    graph.node.add(name="scores", op="Identity", input=["images"]).attr["T"].type = 1
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    return tmp_path / "graph.pb"


# --- recorded traffic


@pytest.fixture
def recorded(tmp_path):
    """A folder of recorded requests: 70 of two rows, 20 of 16 rows, 10 that ask for one output."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    stored = []
    for name, each, count in (
        ("two.bin", request(2, name=""), 70),
        ("many.bin", request(16), 20),
        ("one.bin", request(2, outputs=("ids",)), 10),
    ):
        data = encode_request(each)
        (folder / name).write_bytes(data)
        stored.append(StoredRequest.describe(name, data, count))
    write_manifest(folder, stored)
    return folder


def test_what_no_warm_up_covers_is_told_with_its_share(lint, recorded):
    report = lint(request(2), recorded=recorded)
    assert [(each.code, each.severity) for each in report.findings] == [
        ("batch-not-covered", "warning"), ("form-not-covered", "warning"),
    ]  # fmt: skip
    assert "20 of 100 recorded requests have a batch size" in report.findings[0].message
    assert report.coverage is not None
    assert (report.coverage.requests, report.coverage.covered, report.coverage.share) == (100, 70, 0.7)
    assert [(each.requests, each.covered) for each in report.coverage.forms] == [(70, True), (20, False), (10, False)]


def testputs_that_are_named_and_allputs_are_the_same(lint, recorded):
    report = lint(request(2, outputs=()), recorded=recorded)
    assert report.coverage is not None
    assert report.coverage.covered == 70


def test_a_warm_up_that_covers_nothing_fails(lint, recorded):
    report = lint(request(5), recorded=recorded)
    assert codes(report, Severity.ERROR) == {"nothing-covered"}


def test_what_was_recorded_covers_itself(model, recorded):
    report = lint_warmup([recorded], model=model, recorded=recorded)
    assert report.coverage is not None
    assert report.coverage.share == 1
    assert report.passes(strict=True)


def test_a_recording_without_requests_is_an_error(lint, tmp_path):
    (tmp_path / "empty").mkdir()
    write_manifest(tmp_path / "empty", [])
    report = lint(request(), recorded=tmp_path / "empty")
    assert codes(report, Severity.ERROR) == {"nothing-recorded"}
    assert codes(lint_warmup([tmp_path / "empty"], model=report.model)) == {"empty-file"}


def test_a_folder_that_holds_no_requests_is_an_input_error(lint, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no folder of requests"):
        lint(request(), recorded=tmp_path / "empty")


# --- the whole


def test_the_schema_of_the_report_is_fixed(lint, recorded):
    report = lint(request(ids=np.array([7, 1])), recorded=recorded).as_dict()
    assert json.loads(json.dumps(report)) == report
    assert set(report) == {"model", "files", "counts", "findings", "coverage"}
    assert set(report["files"][0]) == {"path", "format", "requests"}
    assert set(report["counts"]) == {"error", "warning", "note"}
    assert set(report["findings"][0]) == {"severity", "code", "message", "hint", "file", "place", "input"}
    assert set(report["coverage"]) == {"folder", "requests", "covered", "share", "forms"}
    assert set(report["coverage"]["forms"][0]) == {"signature_name", "output_filter", "inputs", "requests", "covered"}


def test_what_cannot_be_checked_at_all_is_no_finding(model, tmp_path):
    with pytest.raises(UsageError, match="nothing to check"):
        lint_warmup([], model=model)
    with pytest.raises(InputError, match="does not exist"):
        lint_warmup([tmp_path / "none.bin"], model=model)
    with pytest.raises(ModelError):
        lint_warmup([tmp_path], model=tmp_path / "none")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.binary(max_size=100)
    | st.text(max_size=60).map(str.encode)
    | st.builds(
        lambda at, byte: (data := bytearray(encode_request(request())))[:at] + bytes([byte]) + data[at + 1 :],
        st.integers(0, 150),
        st.integers(0, 255),
    )
)
def test_any_bytes_have_findings_and_never_end_the_process(lint, content):
    for each in lint(bytes(content)).findings:
        assert each.message
