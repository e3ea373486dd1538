"""What an old TensorFlow cannot load is named, with what to do; nothing is served."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.old_tensorflow.recorded import FIXTURES, Fixture
from tests.runtimes import installed_runtime
from tests.serving import Server
from tfkit.errors import EXIT_RUNTIME, TensorFlowError
from tfkit.runtime import Runtime

pytestmark = pytest.mark.network

EXPORT = """
import sys, keras, tfkit
tfkit.export_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="gelu")]), sys.argv[1])
"""
# What Keras 3 writes and TensorFlow 2.7 lacks; the others stop at an attribute of the first.
NEW_OPS = {fixture.minor: "VarHandleOp" for fixture in FIXTURES} | {"2.7": "DisableCopyOnRead"}


@pytest.fixture(scope="module")
def todays_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Keras 3 model as tfkit exports it."""
    folder = tmp_path_factory.mktemp("export") / "model"
    command = (sys.executable, "-c", EXPORT, folder)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def test_todays_model_is_refused_by_name_and_the_runtime_goes_on(
    old: Fixture, runtime: Runtime, todays_model: Path
) -> None:
    with pytest.raises(TensorFlowError, match=f"TensorFlow {old.version} cannot load it") as caught:
        runtime.load(todays_model)
    assert NEW_OPS[old.minor] in caught.value.message
    assert str(todays_model) in caught.value.message
    assert "tfkit export" in caught.value.hint
    case = old.first("serving_default")
    case.check(runtime.load(old.model).predict(case.inputs))


def test_serve_ends_with_exit_code_5_and_names_the_operation(old: Fixture, todays_model: Path) -> None:
    with Server(todays_model, "--processor", old.processor, wait=False) as server:
        assert server.process.wait(30) == EXIT_RUNTIME
        assert NEW_OPS[old.minor] in server.log
        assert "tfkit export" in server.log
        assert "Traceback" not in server.log
        assert not server.ready


def test_operation_that_came_later_is_named() -> None:
    """TensorFlow 1.14's fixture uses one that 1.12 lacks."""
    older, newer = FIXTURES[:2]
    installed_runtime(older.processor)
    with Runtime(older.processor) as runtime, pytest.raises(TensorFlowError, match="TensorListResize") as caught:
        runtime.load(newer.model)
    assert "tfkit export" in caught.value.hint


def test_frozen_graph_with_an_unknown_operation_is_refused(old: Fixture, runtime: Runtime, tmp_path: Path) -> None:
    content = old.frozen.read_bytes()
    assert b"\x12\x07Softmax" in content
    damaged = tmp_path / "frozen.pb"
    damaged.write_bytes(content.replace(b"\x12\x07Softmax", b"\x12\x07Sophmax"))
    with pytest.raises(TensorFlowError, match="Sophmax"):
        runtime.load(damaged)


def test_damaged_table_is_an_error_of_the_load(old: Fixture, runtime: Runtime, tmp_path: Path) -> None:
    shutil.copytree(old.model, tmp_path / "model")
    (tmp_path / "model" / "assets" / "words.txt").unlink()
    with pytest.raises(TensorFlowError, match=r"words\.txt"):
        runtime.load(tmp_path / "model")
