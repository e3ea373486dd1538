"""``tfkit.export_model``: what it proves, what it keeps, what it refuses; after a refusal nothing is left behind."""

import json

import numpy as np
import pytest

from tests.export.odd_models import call, export, variables, warnings_of_export
from tfkit.eas.messages import decode_request, decode_response
from tfkit.errors import InputError, ModelError, SignatureError, TensorFlowError, UsageError, VerdictError
from tfkit.savedmodel.reader import read_metagraphs


@pytest.mark.parametrize(
    ("name", "options", "error", "problem", "hint"),
    [
        ("constant", {}, VerdictError, r"no output \('y'\) varies", "--no-verify"),
        ("other_in_a_graph", {}, VerdictError, r"output 'y' differs from the source \(batch size 1\)", "--atol"),
        ("doubling_in_a_graph", {}, VerdictError, "output 'y' differs", "model.predict(x)"),
        ("subclassed_of_integers", {}, UsageError, "input 'tokens': model 'mine' does not say its dtype", "inputs={"),
        ("plain", {"inputs": ["x=@none.npy"]}, InputError, r"none\.npy", ""),
        ("sampling", {}, VerdictError, "changes from call to call", "--no-verify"),
        ("stateful", {}, VerdictError, "keeps state between calls", "--no-verify"),
        ("never_called", {}, ModelError, "does not say what it takes", "Call the model once"),
        ("not_built", {}, ModelError, "is not built", "Call the model once"),
        ("ragged_output", {}, ModelError, "output 'words' is a RaggedTensor", "dense"),
        ("python_inside", {}, TensorFlowError, "does not run in TensorFlow 2.*C library.*PyFunc", "tf.numpy_function"),
        ("python_branch", {}, ModelError, "model 'mine' cannot be made a graph", "tf.function"),
        ("picky", {}, InputError, r"fails on batch of 1 \(x \[1, 3\]\): .*x must be 10", "--input"),
        (
            "one_length_only",
            {},
            InputError,
            r"fails .*\(x \[1, 64\]\): .*dimensions of 64, 32, .* were tried",
            "--input",
        ),
        ("plain", {"rename": {"z": "a"}}, SignatureError, "no input or output 'z'", "Known: x"),
        ("plain", {"rename": {"x": ""}}, UsageError, "empty name", ""),
        ("one_input_unused", {"rename": {"used": "unused"}}, SignatureError, "two inputs would be called .unused.", ""),
        ("plain", {"signature": ""}, UsageError, "needs a name", ""),
        ("plain", {"processor": ["installed"]}, UsageError, "expected the name of one", "export_everywhere"),
        ("plain", {"atol": -1.0}, UsageError, "atol -1.0", ""),
        ("plain", {"rtol": float("nan")}, UsageError, "rtol nan", ""),
        ("plain", {"inputs": {"z": np.ones((1, 5))}}, SignatureError, "no input 'z'", "Known: x"),
        ("plain", {"inputs": {"x": np.ones((1, 4))}}, SignatureError, r"shape \[1, 4\]", ""),
    ],
)
def test_refusals(in_keras, tmp_path, name, options, error, problem, hint):
    with pytest.raises(error, match=problem) as caught:
        in_keras(export, name, tmp_path / "new" / "model", **options)
    assert hint in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_refusal_leaves_the_old_export_alone(in_keras, tmp_path):
    old = in_keras(export, "plain", tmp_path / "model")
    before = (old.path / "saved_model.pb").read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        in_keras(export, "plain", tmp_path / "model")
    with pytest.raises(VerdictError):
        in_keras(export, "constant", tmp_path / "model", force=True)
    assert (old.path / "saved_model.pb").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    assert in_keras(export, "plain", tmp_path / "model", force=True, signature="other").signature.name == "other"


def test_there_is_one_signature_and_no_stray(in_keras, tmp_path):
    report = in_keras(export, "plain", tmp_path / "model", signature="predict", rename={"x": "images", "y": "scores"})
    (metagraph,) = read_metagraphs(report.path)
    assert metagraph.tags == ("serve",)
    assert metagraph.signatures == {"predict": report.signature}
    (images,), (scores,) = report.signature.inputs, report.signature.outputs
    assert (images.name, images.tensor, scores.name) == ("images", "predict_images:0", "scores")
    assert report.renamed == {"x": "images", "y": "scores"}
    assert sorted(each.name for each in report.path.iterdir()) == [
        "assets",
        "assets.extra",
        "saved_model.pb",
        "variables",
    ]


def test_evidence_holds_the_inputs_used_and_the_sources_outputs(in_keras, tmp_path):
    report = in_keras(export, "plain", tmp_path / "model", signature="predict")
    assert report.check.batch_sizes == (1, 3)
    for number, batch_size in enumerate(report.check.batch_sizes, start=1):
        place = report.path / "assets.extra" / "tfkit"
        request = decode_request((place / f"{number}.request.bin").read_bytes())
        response = decode_response((place / f"{number}.response.bin").read_bytes())
        assert (request.signature_name, request.output_filter) == ("predict", ())
        assert request.inputs["x"].shape == (batch_size, 5)
        np.testing.assert_array_equal(response.outputs["y"], in_keras(call, "plain", np.array(request.inputs["x"])))
    kept = json.loads((place / "export.json").read_text())
    assert kept == report.record()
    assert kept["verify"]["result"] == "passed"
    assert kept["source"]["kind"] == "keras model"


def test_the_same_seed_gives_the_same_evidence(in_keras, tmp_path):
    reports = [in_keras(export, "plain", tmp_path / str(number), seed=seed) for number, seed in enumerate((5, 5, 6))]
    first, same, other = ((report.path / report.evidence[0]).read_bytes() for report in reports)
    assert first == same != other


def test_evidence_is_limited(in_keras, tmp_path):
    report = in_keras(export, "wide", tmp_path / "model")
    assert [each.rsplit("/", 1)[1] for each in report.evidence] == ["1.request.bin", "1.response.bin"]
    assert any("not kept as evidence" in note for note in report.notes)


def test_what_eas_cannot_carry_is_noted(in_keras, tmp_path):
    report = in_keras(export, "of_unsigned_integers", tmp_path / "model")
    assert report.evidence == ()
    assert any("EAS cannot serve this model: input 'x': EAS has no dtype uint32" in note for note in report.notes)


def test_without_verification_nothing_is_run_and_that_is_recorded(in_keras, tmp_path):
    report = in_keras(export, "sampling", tmp_path / "model", verify=False)
    assert report.check.skipped == "--no-verify"
    assert report.record()["verify"]["result"] == "skipped"
    assert report.evidence == ()


def test_a_wider_tolerance_accepts_a_difference(in_keras, tmp_path):
    report = in_keras(export, "other_in_a_graph", tmp_path / "model", rtol=0.01)
    (check,) = report.check.outputs
    assert 0 < check.max_abs_error < 0.01
    assert check.tolerance.rtol == 0.01


def test_an_input_without_effect_is_noted(in_keras, tmp_path):
    report = in_keras(export, "one_input_unused", tmp_path / "model")
    assert report.notes == ("input 'unused' had no effect on any output",)


def test_samples_say_that_a_subclassed_model_takes_whole_numbers(in_keras, tmp_path):
    report = in_keras(export, "subclassed_of_integers", tmp_path / "model", inputs={"tokens": np.array([[1, 2, 3]])})
    assert [str(spec) for spec in report.signature.inputs] == ["int64[?, 3]"]
    assert "sizes beside the batch are the samples': tokens [3]; for open ones" in report.notes[0]


def test_a_dtype_that_is_assumed_is_warned_of(in_keras, tmp_path):
    (warning,) = in_keras(warnings_of_export, "subclassed_of_floats", tmp_path / "model")
    assert "does not say its inputs' dtypes: taken as float32" in warning


def test_unknown_dimensions_get_a_size_that_the_model_takes(in_keras, tmp_path):
    report = in_keras(export, "large_pictures", tmp_path / "model")
    request = decode_request((report.path / report.evidence[0]).read_bytes())
    assert request.inputs["x"].shape == (1, 64, 64, 1)


def test_values_get_larger_where_small_ones_change_nothing(in_keras, tmp_path):
    report = in_keras(export, "deaf_to_small_values", tmp_path / "model")
    request = decode_request((report.path / report.evidence[2]).read_bytes())
    assert 100 < request.inputs["x"].max() < 256


def test_samples_are_used_where_random_values_are_refused(in_keras, tmp_path):
    samples = np.arange(10, 16, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "samples.npy", samples)
    given = [({"x": samples}, (1, 2)), ([f"x=@{tmp_path}/samples.npy"], (1, 2)), (["x=random:10:20"], (1, 3))]
    for number, (inputs, sizes) in enumerate(given):
        report = in_keras(export, "picky", tmp_path / str(number), inputs=inputs)
        assert report.check.batch_sizes == sizes, "two samples make no batch of three"
        assert report.given == (("x",) if sizes == (1, 2) else ()), "random values are nobody's samples"
    request = decode_request((tmp_path / "0" / report.evidence[2]).read_bytes())
    np.testing.assert_array_equal(request.inputs["x"], samples)


def test_one_sample_cannot_show_that_outputs_vary(in_keras, tmp_path):
    report = in_keras(export, "constant", tmp_path / "model", inputs={"x": np.ones((1, 5))})
    assert report.notes == ("all samples are alike: whether the outputs follow the inputs was not checked",)


def test_the_live_model_is_left_as_it_was(in_keras, tmp_path):
    with pytest.raises(VerdictError):
        in_keras(export, "stateful", tmp_path / "model")
    seeds = in_keras(variables, "stateful")
    with pytest.raises(VerdictError):
        in_keras(export, "stateful", tmp_path / "model")
    for before, after in zip(seeds, in_keras(variables, "stateful"), strict=True):
        np.testing.assert_array_equal(before, after)


def test_layers_that_make_bytes_when_they_are_called_are_asked_as_predict_asks_them(in_keras, tmp_path):
    report = in_keras(export, "of_bytes", tmp_path / "model")
    (check,) = report.check.outputs
    assert check.max_abs_error < 1e-3


def test_a_size_that_follows_from_the_request_stays_open_whatever_keras_says(in_keras, tmp_path):
    report = in_keras(export, "attention_scores", tmp_path / "model")
    shapes = {spec.name: str(spec) for spec in report.signature.outputs}
    assert shapes == {
        "cut": "float32[?, 5, 5, 1]", "outputs": "float32[?, 6, 8]", "scores": "float32[?, 2, 6, ?]",
    }  # fmt: skip


def test_an_output_of_the_first_row_alone_is_seen_to_vary(in_keras, tmp_path):
    assert in_keras(export, "first_row_only", tmp_path / "model").check.batch_sizes == (1, 3)
    with pytest.raises(VerdictError, match=r"varies over the samples \(all of them begin with the same row\)"):
        in_keras(export, "first_row_only", tmp_path / "no", inputs={"x": np.arange(9.0).reshape(3, 3)})


@pytest.mark.parametrize("lengths", [[2, 1, 3], [1, 1, 1, 1, 1, 1], [6]])
def test_samples_of_which_no_part_is_a_request_are_one(lengths, in_keras, tmp_path):
    given = {"values": np.arange(6.0), "lengths": np.array(lengths)}
    report = in_keras(export, "ragged_sums", tmp_path / "model", inputs=given)
    is_whole = len(lengths) < 6
    rows = f"as one request (rows: lengths {len(lengths)}, values 6)"
    assert any(rows in note for note in report.notes) == is_whole
    assert report.check.batch_sizes == ((6,) if is_whole else (1, 3))
