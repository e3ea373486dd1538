"""Models on an NVIDIA card. Each test runs by itself on a machine that has one, for each processor whose CUDA is there.

pytest -m gpu tests/runtime/test_gpu.py
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.old_tensorflow.recorded import FIXTURES, Case, Fixture
from tests.runtimes import GPU_PROCESSORS, installed_runtime
from tests.serving import Server
from tfkit import Client
from tfkit.errors import MissingError
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.processors.cuda import find_cuda, has_card
from tfkit.runtime import LoadedModel, Runtime

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.network,
    pytest.mark.skipif(not has_card(), reason="this machine has no NVIDIA card, or no driver for it"),
]

# Asks the driver itself, in a process that ends: a context of ours would count as memory in use.
FREE_MEMORY = """
import ctypes
driver = ctypes.CDLL("libcuda.so.1")
context, device, free, total = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_size_t(), ctypes.c_size_t()
assert driver.cuInit(0) == 0
assert driver.cuDeviceGet(ctypes.byref(device), 0) == 0
assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
assert driver.cuCtxSetCurrent(context) == 0
assert driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
print(free.value, total.value)
"""


@pytest.fixture(scope="module", params=[INSTALLED, *GPU_PROCESSORS])
def processor(request: pytest.FixtureRequest) -> str:
    """A processor that can use a card here."""
    known = find_processor(request.param)
    if known.device == "cpu":
        pytest.skip(f"{known.name}: TensorFlow {known.tensorflow} is a build for the CPU")
    if missing := find_cuda(known).missing:
        pytest.skip(f"{known.name}: {', '.join(missing)} not found here")
    if known.wheel is not None:
        installed_runtime(known.name)
    return known.name


@pytest.fixture(scope="module")
def fixture(processor: str) -> Fixture:
    """What a TensorFlow wrote that the processor can load."""
    minor = find_processor(processor).minor
    return next((each for each in FIXTURES if tuple(map(int, each.minor.split("."))) == minor), FIXTURES[-1])


@pytest.fixture(scope="module")
def on_card(processor: str, fixture: Fixture) -> Iterator[LoadedModel]:
    with Runtime(processor, device="gpu:0") as runtime:
        yield runtime.load(fixture.model)


def test_card_gives_the_recorded_outputs(fixture: Fixture, on_card: LoadedModel) -> None:
    assert "GPU" in kinds(on_card)
    for case in fixture.cases():
        check_roughly(case, on_card)


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_card_is_taken_when_there_is_one(processor: str, fixture: Fixture, device: str) -> None:
    with Runtime(processor, device=device) as runtime:
        model = runtime.load(fixture.model)
        assert "GPU" in kinds(model)
        check_roughly(fixture.first("serving_default"), model)


def test_cpu_leaves_the_card_alone(processor: str, fixture: Fixture) -> None:
    with Runtime(processor, device="cpu") as runtime:
        model = runtime.load(fixture.model)
        assert "GPU" not in kinds(model)
        fixture.first("serving_default").check(model.predict(fixture.first("serving_default").inputs))


def test_card_that_is_not_there_is_named(processor: str, fixture: Fixture) -> None:
    with Runtime(processor, device="gpu:63") as runtime, pytest.raises(MissingError, match="gpu:63"):
        runtime.load(fixture.model)


def test_fraction_limits_what_tensorflow_may_take(processor: str, fixture: Fixture) -> None:
    with Runtime(processor, device="gpu:0", gpu_memory_fraction=0.25) as runtime:
        (limit,) = (device.memory_bytes for device in runtime.load(fixture.model).devices if device.kind == "GPU")
    _, total = card_memory()
    assert 0.2 * total < limit < 0.3 * total


def test_growth_takes_memory_as_it_is_needed(processor: str, fixture: Fixture) -> None:
    taken = {growth: memory_taken(processor, fixture, growth) for growth in (True, False)}
    _, total = card_memory()
    assert taken[False] > 0.4 * total, "half of the card at once"
    assert taken[True] < taken[False] - 0.3 * total


def test_service_computes_on_the_card(processor: str, fixture: Fixture) -> None:
    with Server(fixture.model, "--processor", processor, "--device", "gpu:0") as server:
        assert server.ready["device"] == "gpu"
        case = fixture.first("look_up")
        case.check(Client(server.url, timeout_s=60).predict(case.inputs, signature="look_up"))


def kinds(model: LoadedModel) -> set[str]:
    return {device.kind for device in model.devices}


def check_roughly(case: Case, model: LoadedModel) -> None:
    """Cards round products of matrices to fewer bits than processors do."""
    case.check(model.predict(case.inputs, signature=case.signature), rtol=1e-2)


def card_memory() -> tuple[int, int]:
    """The first card's free memory and all of it, in bytes."""
    command = (sys.executable, "-c", FREE_MEMORY)
    free, total = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    return int(free), int(total)


def memory_taken(processor: str, fixture: Fixture, growth: bool) -> int:
    """What a small model takes of the card, in bytes."""
    before, _ = card_memory()
    with Runtime(processor, device="gpu:0", gpu_memory_fraction=0.5, gpu_memory_growth=growth) as runtime:
        check_roughly(fixture.first("serving_default"), runtime.load(fixture.model))
        after, _ = card_memory()
    return before - after
