"""``--freeze``: the variables are constants of the graph, and the numbers are the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.old_tensorflow.recorded import FIXTURES, Fixture
from tests.runtimes import installed_runtime
from tfkit.errors import ModelError
from tfkit.export import export_everywhere, export_model
from tfkit.graph.graph_def import read_graph
from tfkit.proto import message
from tfkit.runtime import Runtime

SAMPLES = Path(__file__).parents[2] / "sample_models"
VARIABLES = {"VarHandleOp", "VariableV2", "Variable", "ReadVariableOp", "RestoreV2"}
COUNTER = """
import sys
import tensorflow as tf

class Counter(tf.Module):
    def __init__(self):
        self.count = tf.Variable(0.0, name="count")

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="step")])
    def add(self, step):
        return {"count": self.count.assign_add(step)}

counter = Counter()
tf.saved_model.save(counter, sys.argv[1], signatures=counter.add)
"""
pytestmark = pytest.mark.network


def ops(model: Path) -> set[str]:
    saved = message("tensorflow.SavedModel").FromString((model / "saved_model.pb").read_bytes())
    return {node.op for node in read_graph(saved.meta_graphs[0].graph_def).nodes.values()}


@pytest.mark.parametrize("name", ["digits_cnn", "penguins"])
def test_a_keras_model_in_one_file(name: str, in_keras: Callable[..., Any], tmp_path: Path) -> None:
    for processor in ("tensorflow_cpu_1.12", "tensorflow_cpu_2.7"):
        installed_runtime(processor)
        model = SAMPLES / f"{name}.keras"
        report = in_keras(export_model, model, tmp_path / processor, processor=processor, freeze=True)
        assert max(output.max_abs_error for output in report.check.outputs) < 1e-5
        assert not ops(tmp_path / processor) & VARIABLES
        assert not (tmp_path / processor / "variables").exists()


@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_models_of_old_tensorflows_give_what_was_recorded(fixture: Fixture, tmp_path: Path) -> None:
    """References and handles, embeddings and tables; what tells where an asset is may stay a variable."""
    installed_runtime("tensorflow_cpu_1.15")
    export_model(fixture.model, tmp_path / "out", processor="tensorflow_cpu_1.15", freeze=True)
    assert "RestoreV2" not in ops(tmp_path / "out")
    assert not (tmp_path / "out" / "variables").exists()
    with Runtime("tensorflow_cpu_1.15", device="cpu") as runtime:
        model = runtime.load(tmp_path / "out")
        for case in fixture.cases():
            case.check(model.predict(case.inputs, signature=case.signature))


def test_for_every_processor(in_keras: Callable[..., Any], tmp_path: Path) -> None:
    processors = ["tensorflow_cpu_1.15", "tensorflow_cpu_2.3"]
    for processor in processors:
        installed_runtime(processor)
    report = in_keras(
        export_everywhere, SAMPLES / "digits_mlp.keras", tmp_path / "all", processors=processors, freeze=True
    )
    assert not report.failed
    assert not ops(tmp_path / "all" / "tensorflow_cpu_1.15") & VARIABLES


def test_a_variable_that_the_model_changes_is_no_constant(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", COUNTER, tmp_path / "counter"], check=True, capture_output=True, timeout=120)
    with pytest.raises(ModelError, match=r"variable 'count.*' cannot be frozen: node .* \(AssignAddVariableOp\)"):
        export_model(tmp_path / "counter", tmp_path / "out", freeze=True, verify=False)
    assert not (tmp_path / "out").exists()
