"""Loading and closing a model again and again leaves nothing behind in a runtime's process."""

from __future__ import annotations

import psutil
import pytest

from tests.old_tensorflow.recorded import FIXTURES
from tests.runtimes import installed_runtime
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import Runtime

pytestmark = pytest.mark.network

WARM_UP = 10  # until allocators and thread pools have what they keep
GROWTH_BYTES = 100_000  # a cycle; a model that stays loaded takes 1.2 to 5 million
LONG, SHORT = 200, 40


@pytest.mark.parametrize(
    ("processor", "cycles"),
    [(f.processor, LONG if f.minor == "1.15" else SHORT) for f in FIXTURES] + [(INSTALLED, LONG)],
)
def test_load_and_close_again_and_again(processor: str, cycles: int) -> None:
    fixture = next((fixture for fixture in FIXTURES if fixture.processor == processor), FIXTURES[-1])
    if processor != INSTALLED:
        installed_runtime(processor)
    case, frozen_case = fixture.first("serving_default"), fixture.cases("frozen")[0]
    with Runtime(processor) as runtime:
        assert runtime.version
        process = psutil.Process(runtime._process.pid)
        resident = []
        for _ in range(WARM_UP + cycles):
            model, frozen = runtime.load(fixture.model), runtime.load(fixture.frozen)
            case.check(model.predict(case.inputs))
            frozen_case.check(frozen.predict(frozen_case.inputs, fetch=list(frozen_case.outputs)))
            model.close()
            frozen.close()
            resident.append(process.memory_info().rss)
    before, after = resident[WARM_UP - 1], resident[-1]
    print(f"{processor}: {cycles} cycles, {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")
    assert after - before < cycles * GROWTH_BYTES
