"""``tfkit.verify_model``: real models in the real TensorFlows, compared with what their source gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import tfkit
from tests.compat.crafted import FLOAT, Crafted
from tests.old_tensorflow.recorded import FIXTURES
from tests.runtimes import installed_runtime
from tests.served_models import echo_model, faulty_model, mixed_model, slow_model
from tfkit.arrays import Array
from tfkit.compat.page import render_page
from tfkit.compat.recorded import EVIDENCE
from tfkit.compat.report import VerifyReport
from tfkit.eas.messages import PredictRequest, encode_request, encode_response
from tfkit.errors import InputError, SignatureError, TensorFlowError, UsageError
from tfkit.graph.attributes import bool_value, float_value, type_value
from tfkit.lower.edit import Edit
from tfkit.lower.model import lower_model
from tfkit.lower.rules import Rule, all_rules
from tfkit.tensors import DType

INT32 = type_value(DType.INT32)
OLD = "tensorflow_cpu_1.12"


def statuses(report: VerifyReport) -> dict[str, str]:
    return {row.ran.processor: row.status for row in report.rows}


def verify(model: Path, *processors: str, **options: object) -> VerifyReport:
    return tfkit.verify_model(model, processors=processors or ("installed",), **options)  # type: ignore[arg-type]


def doubling(folder: Path, factor: float = 2.0) -> Path:
    model = Crafted(3)
    model.signature(y=model.node("y", "Mul", ["x", model.constant("factor", float(factor))], T=FLOAT))
    return model.write(folder)


def leaky(folder: Path) -> Path:
    model = Crafted(3)
    model.node("shifted", "Sub", ["x", model.constant("half", 0.5)], T=FLOAT)
    model.signature(y=model.node("y", "LeakyRelu", ["shifted"], T=FLOAT, alpha=float_value(0.1)))
    return model.write(folder)


def transposing(folder: Path) -> Path:
    """The rows' products with a matrix that is not symmetric."""
    model = Crafted(2)
    weights = model.constant("weights", [[1.0, 2.0], [3.0, 4.0]])
    attrs = {"T": FLOAT, "adj_x": bool_value(False), "adj_y": bool_value(True)}
    model.signature(y=model.node("y", "BatchMatMulV2", ["x", weights], **attrs))
    return model.write(folder)


def record(model: Path, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
    folder = model / EVIDENCE
    folder.mkdir(parents=True)
    (folder / "1.request.bin").write_bytes(encode_request(PredictRequest(dict(inputs), "serving_default")))
    (folder / "1.response.bin").write_bytes(encode_response(outputs))


def rows(*values: float) -> Array:
    return np.array(values, np.float32).reshape(-1, 3)


# --- with what it is compared


def test_without_a_reference_nothing_is_said_about_the_source(tmp_path: Path) -> None:
    """And one runtime alone is consistent with nothing."""
    report = verify(doubling(tmp_path / "model"))
    assert statuses(report) == {"installed": "baseline"}
    assert not report.passed
    assert report.verdict == "nothing could be compared"
    assert "no reference" in report.notes[0]


@pytest.mark.network
def test_runtimes_that_agree_are_consistent_and_no_more(tmp_path: Path) -> None:
    installed_runtime(OLD)
    report = verify(doubling(tmp_path / "model"), OLD)
    assert report.passed
    assert report.verdict == "consistent between runtimes"
    assert statuses(report) == {"installed": "baseline", OLD: "passed"}
    assert [case.inputs["x"].shape for case in report.cases] == [(1, 3), (3, 3)]
    assert all(row.ran.latency is not None and row.ran.latency.cold_ms > 0 for row in report.rows)


def test_what_the_export_recorded_is_the_reference(tmp_path: Path) -> None:
    model = doubling(tmp_path / "model")
    record(model, {"x": rows(1, 2, 3)}, {"y": rows(2, 4, 6)})
    report = verify(model)
    assert report.passed
    assert report.verdict == "equal to the source's recorded outputs, within what is allowed"
    assert statuses(report) == {"installed": "passed"}


def test_a_model_that_gives_something_else_than_was_recorded_fails(tmp_path: Path) -> None:
    model = doubling(tmp_path / "model", factor=2.01)
    record(model, {"x": rows(1, 2, 3)}, {"y": rows(2, 4, 6)})
    report = verify(model)
    assert not report.passed
    assert report.verdict.startswith("not equal to the source's recorded outputs: installed differs")
    assert report.rows[0].outputs[0].mismatched == 3


def test_another_saved_model_is_a_reference(tmp_path: Path) -> None:
    model, same, other = (doubling(tmp_path / name, factor) for name, factor in (("a", 2), ("b", 2), ("c", 3)))
    assert verify(model, reference=same).passed
    report = verify(model, reference=other, batch_sizes=(5,))
    assert not report.passed
    assert report.rows[0].outputs[0].values == 15


def test_a_function_is_a_reference(tmp_path: Path) -> None:
    report = verify(doubling(tmp_path / "model"), reference=lambda _, inputs: {"y": inputs["x"] * 2})
    assert report.passed
    assert report.verdict.startswith("equal to the source")


def test_recorded_runs_in_a_folder_are_a_reference(tmp_path: Path) -> None:
    model, kept = doubling(tmp_path / "model"), tmp_path / "kept"
    record(kept, {"x": rows(1, 2, 3)}, {"y": rows(2, 4, 6)})
    assert verify(model, reference=kept / EVIDENCE).passed
    (kept / EVIDENCE / "1.response.bin").unlink()
    with pytest.raises(InputError, match=r"has no 1\.response\.bin beside it"):
        verify(model, reference=kept / EVIDENCE)


def test_recorded_outputs_for_given_inputs_are_a_reference(tmp_path: Path) -> None:
    model, outputs = doubling(tmp_path / "model"), tmp_path / "outputs.npz"
    np.savez(outputs, y=rows(2, 4, 6))
    assert verify(model, reference=outputs, inputs=["x=[[1, 2, 3]]"]).passed
    assert not verify(model, reference=outputs, inputs=["x=[[1, 2, 4]]"]).passed
    with pytest.raises(InputError, match="mean nothing without their inputs"):
        verify(model, reference=outputs)


def test_a_warm_up_file_is_run_as_it_is(tmp_path: Path) -> None:
    model, request = doubling(tmp_path / "model"), tmp_path / "warm_up.bin"
    request.write_bytes(encode_request(PredictRequest({"x": rows(*range(12))}, "serving_default")))
    report = verify(model, reference=model, warm_up=request)
    assert report.passed
    assert [(case.what, case.inputs["x"].shape) for case in report.cases] == [("warm-up file", (4, 3))]


def test_every_signature_is_run_where_no_input_is_given(tmp_path: Path) -> None:
    model = mixed_model()
    report = verify(model, reference=model)
    assert report.passed
    assert {each.signature for each in report.rows[0].outputs} == {"serving_default", "halve", "difference"}
    one = verify(model, reference=model, signature="halve")
    assert {each.signature for each in one.rows[0].outputs} == {"halve"}


def test_an_input_leads_to_the_signature_that_has_it() -> None:
    model = mixed_model()
    report = verify(model, reference=model, inputs=["0=[[1, 2], [3, 4]]"])
    assert {each.signature for each in report.rows[0].outputs} == {"difference"}
    assert [case.what for case in report.cases] == ["batch of 1", "2 rows"]
    assert set(report.skipped) == {"serving_default", "halve"}
    assert "not compared: signature halve, serving_default" in report.verdict
    with pytest.raises(SignatureError, match="no signature of the model takes word and 0: difference takes"):
        verify(model, inputs=['word=["a"]', "0=[[1, 2]]"])


def test_a_signature_that_the_reference_does_not_answer_is_left_out_and_told(tmp_path: Path) -> None:
    def answer(signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if signature == "second":
            raise TensorFlowError("it is tired")
        return {"y": -inputs["x"]}

    model = Crafted(3)
    y = model.node("y", "Neg", ["x"], T=FLOAT)
    for name in ("first", "second"):
        model.signature(name, y=y)
    folder = model.write(tmp_path / "model")
    report = verify(folder, reference=answer)
    assert report.passed
    assert "not compared: signature second" in report.verdict
    assert "signature 'second': the reference itself fails on batch of 1" in report.skipped["second"]
    with pytest.raises(InputError, match="it is tired"):
        verify(folder, reference=answer, signature="second")


def test_a_reference_with_other_names_is_refused_before_it_is_run(tmp_path: Path) -> None:
    model = doubling(tmp_path / "model")
    other = Crafted(3)
    other.signature(z=other.node("z", "Neg", ["x"], T=FLOAT))
    with pytest.raises(SignatureError, match="the reference gives z; the model gives y"):
        verify(model, reference=other.write(tmp_path / "other"))
    third = Crafted(3)
    third.signature("only", y=third.node("y", "Neg", ["x"], T=FLOAT))
    third.write(tmp_path / "third")
    with pytest.raises(SignatureError, match="no signature 'serving_default': it has only"):
        verify(model, reference=tmp_path / "third")


def test_inputs_with_unequal_rows_are_one_request(tmp_path: Path) -> None:
    model = mixed_model()
    options = {"reference": model, "signature": "difference"}
    unequal = ["a=[[1, 2], [3, 4], [5, 6]]", "0=[[1, 2], [3, 4]]"]
    with pytest.raises(InputError, match=r"fails on the given inputs as one request \(rows: 0 2, a 3\)") as caught:
        verify(model, inputs=unequal, **options)
    assert caught.value.hint == "If it wants as many rows of each, give as many."
    with pytest.raises(SignatureError, match="a batch of 2 was asked for, of inputs with unequal numbers of rows"):
        verify(model, inputs=unequal, batch_sizes=[2], **options)
    report = verify(model, inputs=["a=[[1, 2], [3, 4], [5, 6]]", "0=[[1, 2]]"], **options)
    assert [case.what for case in report.cases] == ["batch of 1", "3 rows"], "a single row goes with any number"
    assert report.passed


def test_outputs_that_do_not_vary_prove_nothing(tmp_path: Path) -> None:
    model = Crafted(3)
    model.signature(y=model.node("y", "ZerosLike", ["x"], T=FLOAT))
    folder = model.write(tmp_path / "model")
    report = verify(folder, reference=folder)
    assert not report.passed
    assert "prove nothing" in report.verdict
    assert statuses(report) == {"installed": "passed"}


def test_each_processor_can_have_a_model_of_its_own(tmp_path: Path) -> None:
    doubling(tmp_path / "all" / "installed")
    report = verify(tmp_path / "all", reference=tmp_path / "all" / "installed")
    assert report.passed
    with pytest.raises(InputError, match="holds models for installed"):
        verify(tmp_path / "all", OLD)


# --- whatever goes wrong is a row


def test_a_run_that_takes_too_long_is_ended_and_is_a_row() -> None:
    inputs = ["rounds=[100000]"]
    report = verify(slow_model(), reference=lambda _, given: dict(given), inputs=inputs, timeout_s=5.0)
    assert statuses(report) == {"installed": "timed out"}
    assert not report.passed
    assert "took longer than 5 s for predict" in report.rows[0].ran.reason


def test_a_run_that_fails_is_a_row() -> None:
    report = verify(faulty_model(), reference=lambda *_: {"text": np.array(b"", object)}, inputs=["mode=1"])
    assert statuses(report) == {"installed": "does not run"}
    assert "mode 1 is refused" in report.rows[0].ran.reason


@pytest.mark.network
def test_a_crash_is_a_row_and_the_next_runtime_is_run_all_the_same() -> None:
    installed_runtime(OLD)
    sizes = {"inputs": ["size=[3, 4]"], "signature": "crash"}
    report = verify(FIXTURES[0].model, OLD, "installed", reference=lambda *_: {}, **sizes)
    assert statuses(report)[OLD] == "crashed"
    assert "ended with signal" in report.rows[0].ran.reason
    assert report.rows[1].ran.processor == "installed"
    assert not report.passed


@pytest.mark.network
def test_a_model_that_does_not_load_is_a_row(tmp_path: Path) -> None:
    installed_runtime(OLD)
    report = verify(leaky(tmp_path / "model"), OLD)
    assert statuses(report) == {"installed": "baseline", OLD: "does not load"}
    assert not report.passed
    assert "LeakyRelu" in report.rows[1].ran.reason


def test_a_runtime_that_is_not_installed_is_a_row_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "empty"))
    model = doubling(tmp_path / "model")
    report = verify(model, "installed", "tensorflow_cpu_1.1?", reference=model)
    assert statuses(report)[OLD] == "not installed"
    assert report.rows[0].ran.reason == f"tfkit runtime install {OLD}"
    assert report.passed, "a pattern asks for those that are here"
    named = verify(model, "installed", OLD, reference=model)
    assert not named.passed, "a name asks for that one"
    assert named.verdict.startswith(f"{OLD} not installed; where it ran, equal to {model}")


def test_a_reference_that_fails_is_no_row_but_the_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the reference itself fails on .*mode 1 is refused"):
        verify(faulty_model(), reference=faulty_model(), inputs=["mode=1"])


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"batch_sizes": (0,)}, UsageError, "batch sizes"),
        ({"batch_sizes": (4,), "inputs": ["x=[[1, 2, 3]]"]}, SignatureError, "a batch of 4 .* 1 row of x given"),
        ({"atol": float("nan")}, UsageError, "atol nan"),
        ({"timeout_s": 0.0}, UsageError, "time-out of 0.0 s"),
        ({"signature": "other"}, SignatureError, "no signature 'other'"),
        ({"inputs": ["z=[1]"]}, SignatureError, "no input 'z'"),
        ({"processors": ["none"]}, UsageError, "no processor is named"),
    ],
)
def test_refusals(tmp_path: Path, options: dict[str, object], error: type[Exception], problem: str) -> None:
    model = doubling(tmp_path / "model")
    with pytest.raises(error, match=problem):
        tfkit.verify_model(model, **({"processors": ["installed"]} | options))  # type: ignore[arg-type]


# --- a rule that is wrong is found out


def off(edit: Edit) -> None:
    """LeakyRelu with another slope."""
    slope = edit.const(edit.node.float_attr("alpha") + 0.01, DType.FLOAT)
    low = edit.add("Mul", (edit.input(0), slope), T=DType.FLOAT)
    edit.become("Maximum", (edit.input(0), low), T=DType.FLOAT)


def not_transposed(edit: Edit) -> None:
    """BatchMatMulV2 whose matrix is not transposed."""
    edit.become("MatMul", edit.node.inputs, T=DType.FLOAT, transpose_a=False, transpose_b=False)


@pytest.mark.network
@pytest.mark.parametrize(
    ("op", "wrong", "make"), [("LeakyRelu", off, leaky), ("BatchMatMulV2", not_transposed, transposing)]
)
def test_a_rule_with_a_fault_is_found_out(
    op: str,
    wrong: Callable[[Edit], None],
    make: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed_runtime(OLD)
    source = make(tmp_path / "source")

    def lowered(name: str) -> VerifyReport:
        (tmp_path / name).mkdir()
        lower_model(source, tmp_path / name, OLD)
        return verify(tmp_path / name, OLD, reference=source)

    assert lowered("right").passed
    monkeypatch.setitem(all_rules(), op, [Rule(op, "something else", wrong)])
    report = lowered("wrong")
    assert not report.passed
    assert statuses(report) == {OLD: "differs"}
    worst = report.rows[0].outputs[0].worst
    assert worst is not None
    assert worst.came != worst.expected


# --- the report


def test_the_report_is_json_whatever_came_out(tmp_path: Path) -> None:
    model = doubling(tmp_path / "model")
    infinite = {"y": np.full((1, 3), np.inf, np.float32)}
    report = verify(model, reference=lambda *_: infinite, inputs=["x=[[1, 2, 3]]"])
    assert not report.passed
    json.dumps(report.as_dict(), allow_nan=False)


def test_the_page_holds_no_markup_of_the_model_s(tmp_path: Path) -> None:
    model = Crafted(3)
    evil = "<script>alert(1)</script>"
    model.signature(evil, **{evil: model.node("y", "Neg", ["x"], T=FLOAT)})
    folder = model.write(tmp_path / "<b>model")
    page = render_page(verify(folder, reference=folder))
    assert "&lt;script&gt;" in page
    for markup in ("<script", "<b>", "http:", "https:", "src="):
        assert markup not in page
    assert page.count("<svg") == 1


def test_the_page_says_when_with_what_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "empty"))
    model = doubling(tmp_path / "model")
    report = verify(model, "installed", "tensorflow_cpu_1.1?", reference=model, inputs=["x=[[1, 2, 3]]"])
    page = render_page(report)
    assert f"tfkit {tfkit.__version__}, {report.created:%Y-%m-%d}" in page
    assert "Inputs: x=[[1, 2, 3]]; what they leave out is random (seed 0)" in page
    assert '<a href="#installed">installed</a>' in page
    assert '<h2 id="installed">' in page
    assert "on 1 of 4 processors" in page
    assert "<td>tensorflow_cpu_1.12, tensorflow_cpu_1.14, tensorflow_cpu_1.15</td>" in page


def test_dtypes_of_all_kinds_are_compared() -> None:
    inputs = {
        "DT_STRING": 'x=["a", "b"]',
        "DT_QINT8": "x=[1, -2]",
        "DT_COMPLEX64": 'x=["1+2j", "3"]',
        "DT_BOOL": "x=[true]",
    }
    for dtype, given in inputs.items():
        report = verify(echo_model(), reference=echo_model(), inputs=[given], signature=f"echo_{dtype}")
        assert statuses(report) == {"installed": "passed"}, report.as_dict()
