"""Frozen graphs as sources, written by the real old versions."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.old_sources.tf1_graphs.recorded import TRAINED, Trained
from tests.old_tensorflow.recorded import FIXTURES, Fixture
from tests.runtimes import installed_runtime
from tfkit import proto
from tfkit.errors import SignatureError
from tfkit.export import export_model
from tfkit.runtime import Runtime

CNNS = [trained for trained in TRAINED if trained.name == "cnn"]
SERVING: dict[str, Any] = CNNS[0].options
# The outputs that belong to each input of the old versions' frozen graphs.
OLD_ENDS = {("features",): ("scores", "best"), ("text",): ("joined", "bytes"), ("rounds", "start"): ("trips", "value")}


@pytest.mark.parametrize("trained", CNNS, ids=str)
def test_a_frozen_graph_gives_what_was_recorded(trained: Trained, runtime: Runtime, tmp_path: Path) -> None:
    source = trained.folder / "frozen.pb"

    report = export_model(source, tmp_path / "out", output_tensors=trained.outputs, **SERVING)

    assert (report.source.kind, report.source.name) == ("frozen graph", "frozen.pb")
    assert not (tmp_path / "out" / "variables").exists()
    trained.check(runtime.load(tmp_path / "out").predict(trained.inputs))


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("processor", ["tensorflow_cpu_1.15", "tensorflow_cpu_2.7"])
def test_a_frozen_graph_gives_what_was_recorded_on_processors(processor: str, tmp_path: Path) -> None:
    installed_runtime(processor)
    with Runtime(processor) as old:
        for trained in CNNS:
            output = tmp_path / str(trained)
            source = trained.folder / "frozen.pb"
            export_model(source, output, processor=processor, output_tensors=trained.outputs, **SERVING)
            trained.check(old.load(output).predict(trained.inputs))


@pytest.mark.parametrize("old", FIXTURES, ids=str)
def test_frozen_graphs_of_all_versions_give_what_was_recorded(old: Fixture, runtime: Runtime, tmp_path: Path) -> None:
    """Those of TensorFlow 2 call functions."""
    for number, (inputs, outputs) in enumerate(OLD_ENDS.items()):
        folder = tmp_path / str(number)
        tensors = {name: f"{name}:0" for name in outputs}
        export_model(old.frozen, folder, output_tensors=tensors, verify=False)
        model = runtime.load(folder)
        for case in old.cases("frozen"):
            if tuple(sorted(case.inputs)) == inputs:
                case.check(model.predict(case.inputs))


def test_a_text_file_is_read(runtime: Runtime, tmp_path: Path) -> None:
    from google.protobuf import text_format

    message = proto.message("tensorflow.GraphDef").FromString((CNNS[0].folder / "frozen.pb").read_bytes())
    (tmp_path / "graph.pbtxt").write_text(text_format.MessageToString(message))

    export_model(tmp_path / "graph.pbtxt", tmp_path / "out", verify=False, output_tensors=CNNS[0].outputs, **SERVING)

    CNNS[0].check(runtime.load(tmp_path / "out").predict(CNNS[0].inputs))


def test_a_text_file_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    """``tf.train.write_graph`` writes text by default."""
    from google.protobuf import text_format

    message = proto.message("tensorflow.GraphDef").FromString((CNNS[0].folder / "frozen.pb").read_bytes())
    (tmp_path / "graph.pb").write_text(text_format.MessageToString(message))

    report = export_model(tmp_path / "graph.pb", tmp_path / "out", verify=False, **SERVING)

    assert report.source.sha256 == hashlib.sha256((tmp_path / "graph.pb").read_bytes()).hexdigest()
    assert [spec.name for spec in report.signature.outputs] == ["probabilities"]


def test_the_result_for_a_batch_of_one_size_is_found(tmp_path: Path) -> None:
    """What flattens it is less likely, although its size is open."""
    graph = proto.message("tensorflow.GraphDef")()
    given = graph.node.add(name="x", op="Placeholder")
    given.attr["dtype"].type = 1
    for size in (1, 4):
        given.attr["shape"].shape.dim.add(size=size)
    graph.node.add(name="final_result", op="Softmax", input=["x"]).attr["T"].type = 1
    flat = graph.node.add(name="flat", op="Const")
    flat.attr["dtype"].type = flat.attr["value"].tensor.dtype = 3
    flat.attr["value"].tensor.tensor_shape.dim.add(size=1)
    flat.attr["value"].tensor.int_val.append(-1)
    graph.node.add(name="aside", op="Reshape", input=["final_result", "flat"]).attr["T"].type = 1
    (tmp_path / "one.pb").write_bytes(graph.SerializeToString())

    report = export_model(tmp_path / "one.pb", tmp_path / "out", verify=False)

    assert [spec.name for spec in report.signature.outputs] == ["final_result"]


def test_shapes_that_the_graph_does_not_note_are_worked_out(tmp_path: Path) -> None:
    report = export_model(
        CNNS[0].folder / "frozen.pb", tmp_path / "out", verify=False,
        output_tensors={"y": "probabilities", "features": "conv2d_1/Conv2D"}, **SERVING,
    )  # fmt: skip

    assert [str(spec) for spec in report.signature.outputs] == ["float32[?, ?, ?, 6]", "float32[?, 3]"]


def test_a_placeholder_of_the_oldest_graphs_has_an_unknown_shape(runtime: Runtime, tmp_path: Path) -> None:
    graph = proto.message("tensorflow.GraphDef")()
    graph.versions.producer = 21
    given = graph.node.add(name="x", op="Placeholder")
    given.attr["dtype"].type = 1
    given.attr["shape"].shape.SetInParent()
    graph.node.add(name="y", op="Neg", input=["x"]).attr["T"].type = 1
    (tmp_path / "old.pb").write_bytes(graph.SerializeToString())

    report = export_model(tmp_path / "old.pb", tmp_path / "out", inputs={"x": np.ones((2, 3), np.float32)})

    assert report.signature.input("x").shape is None


def test_nothing_to_ask_is_said(tmp_path: Path) -> None:
    graph = proto.message("tensorflow.GraphDef")()
    constant = graph.node.add(name="c", op="Const")
    constant.attr["dtype"].type = 1
    constant.attr["value"].tensor.dtype = 1
    (tmp_path / "c.pb").write_bytes(graph.SerializeToString())

    with pytest.raises(SignatureError, match="nothing in the graph looks like an output"):
        export_model(tmp_path / "c.pb", tmp_path / "out")
    with pytest.raises(SignatureError, match="no placeholder leads to c:0"):
        export_model(tmp_path / "c.pb", tmp_path / "out", output_tensors={"c": "c:0"})
