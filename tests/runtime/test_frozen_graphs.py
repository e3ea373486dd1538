"""Frozen graphs in a runtime: tensors by name, whatever name comes; graphs that are not what they seem."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.served_models import echo_model
from tests.serving import Server
from tfkit import Client, proto
from tfkit.errors import ModelError, SignatureError
from tfkit.runtime import Runtime
from tfkit.tensors import DType

# Asks a closed session, where other graphs may have taken the memory of its own.
AFTER_CLOSE = """
import sys
import numpy as np
from tfkit.errors import TensorFlowError
from tfkit.runtime.library import Library
from tfkit.runtime.options import RuntimeOptions
from tfkit.runtime.session import Session

library = Library.load(RuntimeOptions(device="cpu"))
session = Session(library, sys.argv[1])
function = session.prepare(None, ["x"], ["y"])
session.close()
others = [Session(library, sys.argv[1]) for _ in range(3)]
for ask in (lambda: session.prepare(None, ["x"], ["y"]), lambda: function({"x": np.array(2, np.float32)})):
    try:
        ask()
    except TensorFlowError as error:
        print(error.message)
"""


def write_graph(path: Path, *, producer: int = 27, variable: bool = False) -> Path:
    """A graph that negates: ``x``, a scalar's shape, -> ``y``."""
    graph = proto.message("tensorflow.GraphDef")()
    graph.versions.producer = producer
    placeholder = graph.node.add(name="x", op="Placeholder")
    placeholder.attr["dtype"].type = DType.FLOAT
    placeholder.attr["shape"].shape.SetInParent()
    graph.node.add(name="y", op="Neg", input=["x"]).attr["T"].type = DType.FLOAT
    if variable:
        node = graph.node.add(name="v", op="VariableV2")
        node.attr["dtype"].type = DType.FLOAT
        node.attr["shape"].shape.SetInParent()
    path.write_bytes(graph.SerializeToString())
    return path


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(device="cpu") as runtime:
        yield runtime


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_graph(tmp_path / "graph.pb")


@pytest.mark.parametrize(
    "name", ["", "y:", "y:00", "y:-1", "y:x", "y:0:0", ":0", "^y", "y\0", "y\udc80", "y:\u0661", "y:" + "1" * 5000]
)
def test_what_is_no_tensor_s_name_is_refused_and_the_process_goes_on(runtime: Runtime, graph: Path, name: str) -> None:
    model = runtime.load(graph)
    process = runtime._process
    given = np.array(2, np.float32)
    with pytest.raises(SignatureError, match="is no tensor's name: expected NODE or NODE:INDEX"):
        model.predict({"x": given}, fetch=[name])
    with pytest.raises(SignatureError, match="is no tensor's name"):
        model.predict({name: given}, fetch=["y"])
    assert model.predict({"x": given}, fetch=["y"])["y"] == -2
    assert runtime._process is process


def test_a_tensor_is_the_same_with_and_without_its_index(runtime: Runtime, graph: Path) -> None:
    model = runtime.load(graph)
    outputs = model.predict({"x:0": np.array(2, np.float32)}, fetch=["x", "y", "y:0"])
    assert {name: value.item() for name, value in outputs.items()} == {"x": 2, "y": -2, "y:0": -2}
    for name in ("x", "x:0"):
        with pytest.raises(SignatureError, match=r"shape \[3\]"):
            model.predict({name: np.ones(3, np.float32)}, fetch=["y"])
    with pytest.raises(SignatureError, match="no such tensor"):
        model.predict({"x": np.array(2, np.float32)}, fetch=["y:1"])


def test_an_empty_shape_of_an_old_graph_is_an_unknown_one(runtime: Runtime, tmp_path: Path) -> None:
    """As TensorFlow 1.0 and older wrote them, and every TensorFlow reads them."""
    model = runtime.load(write_graph(tmp_path / "old.pb", producer=21))
    assert model.predict({"x": np.ones(3, np.float32)}, fetch=["y"])["y"].tolist() == [-1, -1, -1]


def test_a_graph_with_variables_is_refused_when_it_is_loaded(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="1 variables, without their values") as caught:
        runtime.load(write_graph(tmp_path / "graph.pb", variable=True))
    assert "checkpoint" in caught.value.hint


def test_paths_that_are_no_utf8_are_loaded(runtime: Runtime, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    model = runtime.load(write_graph(folder / "graph.pb"))
    assert model.predict({"x": np.array(2, np.float32)}, fetch=["y"])["y"] == -2
    shutil.copytree(echo_model(), folder / "model")
    given = np.ones((1, 2), np.float32)
    assert runtime.load(folder / "model").predict({"x": given})["total"].tolist() == [2]


def test_a_path_that_is_no_utf8_is_served(tmp_path: Path) -> None:
    path = write_graph(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.pb")))
    with Server(path, "--name", "cafe") as server:
        assert Client(server.url).predict({"x": np.array(2, np.float32)}, fetch=["y"])["y"] == -2
        assert server.ready["model"] == str(path)


def test_a_closed_session_answers_nothing(graph: Path) -> None:
    command = (sys.executable, "-c", AFTER_CLOSE, graph)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{graph}: the session is closed"] * 2
