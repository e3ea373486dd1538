"""Whatever calls whatever: a lowered graph gives what the graph with its functions gives, in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.lower.random_graphs import write_random_model
from tests.runtimes import installed_runtime
from tfkit.lower.flat import read_flat
from tfkit.lower.model import lower_model
from tfkit.runtime import Runtime

MODELS = 30
INPUTS = [
    {"x": np.array(x, np.float32), "k": np.array(k, np.int32)}
    for k, x in ((0, [0.5, -0.25, 1]), (2, [-1, -2, 0.5]), (-1, [0, 0, 0]), (1, [3, 1, -0.5]))
]


@pytest.fixture(scope="module")
def installed() -> Iterator[Runtime]:
    with Runtime(device="cpu") as runtime:
        yield runtime


@pytest.fixture(scope="module", params=["tensorflow_cpu_1.12", "tensorflow_cpu_1.15", "tensorflow_cpu_2.4"])
def old(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    installed_runtime(request.param)
    with Runtime(request.param, device="cpu") as runtime:
        yield runtime


@pytest.mark.network
@pytest.mark.timeout(900)
def test_random_graphs_give_the_same_numbers_in_the_same_order(
    installed: Runtime, old: Runtime, tmp_path: Path
) -> None:
    ops: set[str] = set()
    for seed in range(MODELS):
        source, lowered = tmp_path / f"source{seed}", tmp_path / f"lowered{seed}"
        source.mkdir()
        lowered.mkdir()
        write_random_model(source, seed)
        ops.update(node.op for node in read_flat(source).graph.nodes.values())
        lower_model(source, lowered, old.options.processor)
        expected, came = installed.load(source), old.load(lowered)
        for inputs in INPUTS:  # one after the other: each leaves its trace in the variable
            want, have = expected.predict(inputs), came.predict(inputs)
            for name, array in want.items():
                np.testing.assert_allclose(have[name], array, rtol=1e-3, atol=1e-4, err_msg=f"seed {seed}, {name}")
        expected.close()
        came.close()
    assert {"Switch", "Merge", "Enter", "NextIteration", "AssignVariableOp"} <= ops, "what the seeds are to cover"
