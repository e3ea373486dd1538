"""``tfkit.check_model``: a verdict for each processor, and what it rests on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tfkit
from tests.compat.crafted import FLOAT, Crafted, plain
from tests.old_tensorflow.recorded import FIXTURES
from tfkit.compat.check import CANNOT, LOWERED, RUNS, CheckReport
from tfkit.errors import ModelError, SignatureError, UsageError
from tfkit.graph.attributes import bool_value, float_value, type_value
from tfkit.processors.catalogue import PROCESSORS
from tfkit.tensors import DType


def verdicts(report: CheckReport) -> dict[str, str]:
    return {row.processor.removeprefix("tensorflow_"): row.verdict for row in report.rows}


def leaky(model: Crafted, *, name: str = "dense_1/LeakyRelu") -> str:
    return model.node(name, "LeakyRelu", ["x"], T=FLOAT, alpha=float_value(0.1))


def test_every_processor_of_eas_has_a_row_in_its_order(tmp_path: Path) -> None:
    model, _ = plain()
    report = tfkit.check_model(model.write(tmp_path / "model"))
    assert tuple(row.processor for row in report.rows) == PROCESSORS
    assert set(verdicts(report).values()) == {RUNS}
    assert report.passes(strict=True)
    assert (report.written_by, report.nodes, report.signatures) == ("2.21.0", 4, ("serving_default",))


def test_what_lowering_helps_with_is_no_refusal_but_strictly(tmp_path: Path) -> None:
    model = Crafted()
    model.signature(y=leaky(model))
    report = tfkit.check_model(model.write(tmp_path / "model"), processors=["tensorflow_cpu_1.1[24]"])
    assert verdicts(report) == {"cpu_1.12": LOWERED, "cpu_1.14": RUNS}
    row = report.rows[0]
    (finding,) = row.blocking
    assert (finding.op, finding.misfit.kind, finding.misfit.since, finding.solved) == ("LeakyRelu", "op", "1.14", True)
    assert [(rule.op, rule.count) for rule in row.rules] == [("LeakyRelu", 1)]
    assert report.passes()
    assert not report.passes(strict=True)


def test_a_refusal_names_the_node_its_layer_its_signature_and_what_to_do(tmp_path: Path) -> None:
    model = Crafted()
    model.signature("good", y=model.node("y", "Neg", ["x"], T=FLOAT))
    model.signature("bad", y=model.node("block/dense_1/odd", "OddOp", ["x"], T=FLOAT))
    own = model.metagraph.meta_info_def.stripped_op_list.op.add(name="OddOp")
    own.input_arg.add(name="a", type_attr="T")
    own.output_arg.add(name="b", type_attr="T")
    (row,) = tfkit.check_model(model.write(tmp_path / "model"), processors=["tensorflow_cpu_2.7"]).rows
    assert row.verdict == CANNOT
    (problem,) = row.problems
    (place,) = problem.places
    assert (problem.op, problem.misfit.since, problem.solved) == ("OddOp", None, False)
    assert (place.node, place.function, place.layer) == ("block/dense_1/odd", "", "block/dense_1")
    assert place.signatures == ("bad",)
    assert problem.advice.startswith("No TensorFlow has it")
    assert [each.solved for each in row.blocking] == [False]


def test_only_what_the_named_signatures_need_is_lowered(tmp_path: Path) -> None:
    model = Crafted(producer=134)
    model.signature("good", y=model.node("y", "Neg", ["x"], T=FLOAT))
    model.signature("bad", y=model.node("rare", "RaggedRange", ["x", "x", "x"], T=FLOAT, Tsplits=type_value(9)))
    folder = model.write(tmp_path / "model")
    everything, good = (
        tfkit.check_model(folder, processors=["tensorflow_cpu_1.12"], signatures=names).rows[0]
        for names in (None, ["good"])
    )
    assert good.problems == ()
    assert good.verdict != CANNOT
    assert {place.node for finding in everything.blocking for place in finding.places} >= {"rare"}


def test_a_node_in_a_function_is_told_with_the_layer_that_calls_it(tmp_path: Path) -> None:
    model = Crafted()
    function = model.function("__inference_loop_body_7")
    function.node("leaky", "LeakyRelu", ["a"], T=FLOAT, alpha=float_value(0.1))
    function.gives("leaky:activations:0")
    model.call("functional/lstm_1/call", "__inference_loop_body_7")
    model.signature(y="functional/lstm_1/call")
    (row,) = tfkit.check_model(model.write(tmp_path / "model"), processors=["tensorflow_cpu_1.12"]).rows
    (place,) = row.blocking[0].places
    assert (place.function, place.layer) == ("__inference_loop_body_7", "functional/lstm_1")


def test_a_kernel_is_missed_by_its_dtype(tmp_path: Path) -> None:
    half = type_value(DType.BFLOAT16)
    model = Crafted()
    model.node("down", "Cast", ["x"], SrcT=FLOAT, DstT=half)
    model.node("tanh", "Tanh", ["down"], T=half)
    model.signature(y=model.node("y", "Cast", ["tanh"], SrcT=half, DstT=FLOAT))
    (row,) = tfkit.check_model(model.write(tmp_path / "model"), processors=["tensorflow_cpu_2.3"]).rows
    (finding,) = row.blocking
    assert (finding.misfit.kind, finding.misfit.since) == ("kernel", "2.4")
    assert "no CPU kernel of Tanh for T=bfloat16" in finding.misfit.text
    assert "XLA_CPU" in finding.misfit.text, "it has a kernel there, which EAS may not have"


@pytest.mark.parametrize("op", ["ReadFile", "WriteFile", "PyFunc", "OddOp", "Print"])
def test_what_reaches_outside_is_warned_of(op: str, tmp_path: Path) -> None:
    model = Crafted()
    model.node("outside", op, [])
    model.node("unused", "EagerPyFunc", [])
    model.node("y", "Identity", ["x", "^outside"], T=FLOAT)
    model.signature(y="y")
    (warned,) = tfkit.check_model(model.write(tmp_path / "model")).warnings
    assert (warned.op, warned.nodes, warned.signatures) == (op, ("outside",), ("serving_default",))


def test_what_ends_an_old_tensorflow_is_warned_of_where_it_runs_as_it_is(tmp_path: Path) -> None:
    model = Crafted()
    boxes, scores = model.constant("boxes", np.eye(2, 4, dtype=np.float32)), model.constant("scores", [0.5, 0.25])
    rest = [model.constant("most", 1), model.constant("overlap", 0.5), model.constant("least", 0.0)]
    model.node("chosen", "NonMaxSuppressionV3", [boxes, scores, *rest], T=FLOAT)
    model.node("y", "Identity", ["x", "^chosen"], T=FLOAT)
    model.signature(y="y")
    folder = model.write(tmp_path / "model")
    (warned,) = tfkit.check_model(folder, processors=["tensorflow_cpu_1.12"]).warnings
    assert (warned.op, warned.kind, warned.nodes) == ("NonMaxSuppressionV3", "ends TensorFlow 1.12", ("chosen",))
    assert not tfkit.check_model(folder, processors=["tensorflow_cpu_1.14"]).warnings


@pytest.mark.parametrize("op", ["PyFunc", "EagerPyFunc"])
def test_what_calls_python_runs_nowhere(op: str, tmp_path: Path) -> None:
    model = Crafted()
    model.node("block/python", op, ["x"], Tin=FLOAT, Tout=FLOAT)
    model.node("y", "Identity", ["x", "^block/python"], T=FLOAT)
    model.signature(y="y")
    report = tfkit.check_model(model.write(tmp_path / "model"))
    assert set(verdicts(report).values()) == {CANNOT}
    problem = report.rows[-1].problems[0]
    assert (problem.op, problem.misfit.kind, problem.places[0].layer) == (op, "python", "block")
    assert problem.advice == f"Write {op} in block with other operations."


def test_saving_and_restoring_is_no_reach_outside() -> None:
    """Every SavedModel with variables reads them."""
    kinds = {each.kind for each in tfkit.check_model(FIXTURES[-1].model).warnings}
    assert not kinds & {"reads files", "writes files"}


def test_a_model_that_cannot_be_inlined_is_refused_for_that(tmp_path: Path) -> None:
    model, function = plain()
    function.node("nobody", "NobodyKnows", ["a"])
    function.gives("nobody:b:0")
    (row,) = tfkit.check_model(model.write(tmp_path / "model"), processors=["tensorflow_cpu_1.15"]).rows
    assert row.verdict == CANNOT
    assert "NobodyKnows" in row.problems[0].misfit.text


def test_attributes_that_say_nothing_are_refused_as_they_are_and_dropped_by_lowering(tmp_path: Path) -> None:
    model = Crafted()
    model.constant("w", [[1.0, 2.0]])
    hints = {"grad_a": bool_value(False), "grad_b": bool_value(False)}
    model.node("w2", "MatMul", ["w", "w"], T=FLOAT, transpose_b=bool_value(True), **hints)
    model.signature(y=model.node("y", "Mul", ["x", "w2"], T=FLOAT))
    report = tfkit.check_model(model.write(tmp_path / "model"), processors=["tensorflow_cpu_*"])
    assert verdicts(report) == {
        **dict.fromkeys(("cpu_1.12", "cpu_1.14", "cpu_1.15", "cpu_2.3", "cpu_2.4"), LOWERED),
        "cpu_2.7": RUNS,
    }


def test_refusals(tmp_path: Path) -> None:
    model, _ = plain()
    folder = model.write(tmp_path / "model")
    with pytest.raises(UsageError, match="no processor is named 'tensorflow_cpu_9'"):
        tfkit.check_model(folder, processors=["tensorflow_cpu_9"])
    with pytest.raises(SignatureError, match="no signature 'other'"):
        tfkit.check_model(folder, signatures=["other"])
    with pytest.raises(ModelError):
        tfkit.check_model(tmp_path)
    with pytest.raises(ModelError, match="no graph with the tags"):
        tfkit.check_model(folder, tags=["train"])


def test_a_dtype_that_no_processor_knows_is_refused_with_its_name(tmp_path: Path) -> None:
    float8 = type_value(DType.UINT64 + 2)
    model = Crafted()
    model.node("small", "Cast", ["x"], SrcT=FLOAT, DstT=float8)
    model.signature(y=model.node("y", "Cast", ["small"], SrcT=float8, DstT=FLOAT))
    rows = tfkit.check_model(
        model.write(tmp_path / "model"), processors=["tensorflow_cpu_1.12", "tensorflow_cpu_2.7", "installed"]
    ).rows
    assert [row.verdict for row in rows] == [CANNOT, CANNOT, RUNS]
    (problem,) = rows[1].problems
    assert problem.misfit.text == "TensorFlow 2.7 has no dtype float8_e4m3fn"
    assert {place.node for place in problem.places} == {"small", "y"}
    assert "keep those values in float16 or float32" in problem.advice
