"""What the check says of a model as it is, beside what the real TensorFlows do with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.compat.crafted import CHANGES, FLOAT, INT32, ONLY_LOGGED, plain
from tests.old_tensorflow.recorded import FIXTURES, Fixture
from tests.runtimes import CPU_PROCESSORS, installed_runtime
from tfkit.compat.loading import blockers
from tfkit.compat.written import read_written
from tfkit.errors import TensorFlowError
from tfkit.graph.attributes import bool_value
from tfkit.lower.target import Target
from tfkit.runtime import Runtime


def fits(model: Path, processor: str) -> bool:
    return not list(blockers(read_written(model), Target(processor)))


@pytest.fixture(scope="module", params=CPU_PROCESSORS)
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    installed_runtime(request.param)
    with Runtime(request.param, device="cpu") as runtime:
        yield runtime


@pytest.mark.network
@pytest.mark.parametrize("name", CHANGES)
def test_a_crafted_model_runs_where_the_check_says_so(runtime: Runtime, name: str, tmp_path: Path) -> None:
    model, function = plain()
    CHANGES[name](model, function)
    folder = model.write(tmp_path / name)
    processor = runtime.options.processor
    try:
        runtime.load(folder).predict({"x": np.ones(2, np.float32)})
    except TensorFlowError:
        runs = False
    else:
        runs = True
    if name in ONLY_LOGGED and processor.endswith("2.7"):
        assert runs
        assert not fits(folder, processor)
    else:
        assert fits(folder, processor) == runs


@pytest.mark.network
@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_a_model_of_an_old_tensorflow_runs_where_the_check_says_so(runtime: Runtime, fixture: Fixture) -> None:
    runs = True
    try:
        model = runtime.load(fixture.model)
        for case in fixture.cases():
            model.predict(case.inputs, signature=case.signature)
    except TensorFlowError:
        runs = False
    assert fits(fixture.model, runtime.options.processor) == runs


def test_what_an_unknown_attribute_asks_for_is_missed_where_it_would_only_be_logged(tmp_path: Path) -> None:
    """TensorFlow 2.7 loads a TensorListSetItem that may grow its list, and then does not let it grow."""
    model, function = plain()
    given = {"element_dtype": FLOAT, "resize_if_index_out_of_bounds": bool_value(True)}
    function.node("list", "EmptyTensorList", ["a", "a"], shape_type=INT32, element_dtype=FLOAT)
    function.node("set", "TensorListSetItem", ["list:handle:0", "a", "a"], **given)
    function.gives("set:output_handle:0")
    found = list(blockers(read_written(model.write(tmp_path / "model")), Target("tensorflow_cpu_2.7")))
    assert [(each.node, each.misfit.kind) for each in found] == [("set", "attribute")]
    assert "does without it" in found[0].misfit.text
