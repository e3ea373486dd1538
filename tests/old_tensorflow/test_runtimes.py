"""Each old TensorFlow's own models in its own C library give what that TensorFlow recorded."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from tests.old_tensorflow.recorded import FIXTURES, Case, Fixture
from tests.runtimes import installed_runtime
from tfkit.errors import RuntimeCrashError, SignatureError, TensorFlowError
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import LoadedModel, Runtime

pytestmark = pytest.mark.network

CASES = range(len(FIXTURES[0].cases()))
CASE_IDS = [f"{case.signature}-{number}" for number, case in enumerate(FIXTURES[0].cases())]


def test_version(old: Fixture, runtime: Runtime) -> None:
    assert runtime.version == old.version


@pytest.mark.parametrize("number", CASES, ids=CASE_IDS)
def test_saved_model_gives_the_recorded_outputs(old: Fixture, model: LoadedModel, number: int) -> None:
    case = old.cases()[number]
    case.check(model.predict(case.inputs, signature=case.signature))


def test_frozen_graph_gives_the_recorded_outputs(old: Fixture, runtime: Runtime) -> None:
    frozen = runtime.load(old.frozen)
    for case in old.cases("frozen"):
        case.check(frozen.predict(case.inputs, fetch=list(case.outputs)))


def test_many_strings_of_all_lengths_come_back_whole(model: LoadedModel) -> None:
    texts = np.array([bytes([33 + length % 90]) * length for length in range(0, 40_000, 37)], object)
    for _ in range(3):
        came = model.predict({"x": texts}, signature="echo_DT_STRING")["y"]
        assert came.tolist() == texts.tolist()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
@pytest.mark.parametrize("signature", ["echo_DT_STRING", "echo_DT_INT64", "echo_DT_QINT8"])
def test_scalars_and_empty_tensors(old: Fixture, model: LoadedModel, signature: str, shape: tuple[int, ...]) -> None:
    sample = old.first(signature).inputs["x"]
    given = sample.reshape(-1)[3:4].reshape(()) if shape == () else np.empty(shape, sample.dtype)
    came = model.predict({"x": given}, signature=signature)["y"]
    assert came.shape == shape
    assert came.tolist() == given.tolist()


def test_output_can_be_chosen(old: Fixture, model: LoadedModel) -> None:
    case = old.first("serving_default")
    assert list(model.predict(case.inputs, fetch=["best"])) == ["best"]


def test_values_that_the_graph_refuses_carry_tensorflows_code(model: LoadedModel) -> None:
    with pytest.raises(TensorFlowError, match="rounds must be a number") as caught:
        model.predict(loop_for(float("nan")), signature="loop")
    assert (caught.value.code, caught.value.http_status) == (3, 400)


def test_dtype_that_does_not_fit_is_refused_before_tensorflow_sees_it(old: Fixture, model: LoadedModel) -> None:
    features = old.first("serving_default").inputs["features"]
    with pytest.raises(SignatureError, match="float64"):
        model.predict({"features": features.astype(np.float64)})


def test_library_that_aborts_is_an_error_with_its_last_words_and_the_next_call_works(
    old: Fixture, model: LoadedModel
) -> None:
    with pytest.raises(RuntimeCrashError, match=rf"TensorFlow {old.version}.*signal 6") as caught:
        model.predict({"size": np.array([3, 4], np.int32)}, signature="crash")
    assert "Must have a one element tensor" in caught.value.hint
    check_default(old.first("serving_default"), model)


def test_kill_in_mid_request_is_an_error_and_the_next_call_works(
    old: Fixture, runtime: Runtime, model: LoadedModel
) -> None:
    check_default(old.first("serving_default"), model)
    timer = threading.Timer(0.3, os.kill, (runtime._process.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(RuntimeCrashError, match=rf"TensorFlow {old.version}.*signal 9"):
        model.predict(loop_for(9e11), signature="loop")  # more rounds than a float can count: it never ends
    timer.join()
    check_default(old.first("serving_default"), model)


@pytest.mark.parametrize(
    ("processor", "writers"),
    [
        *((newer.processor, FIXTURES[:index]) for index, newer in enumerate(FIXTURES) if index),
        (INSTALLED, FIXTURES),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_models_of_older_tensorflows_give_the_same_numbers(processor: str, writers: tuple[Fixture, ...]) -> None:
    if processor != INSTALLED:
        installed_runtime(processor)
    with Runtime(processor) as runtime:
        for writer in writers:
            model = runtime.load(writer.model)
            for case in writer.cases():
                case.check(model.predict(case.inputs, signature=case.signature))
            model.close()
            frozen = runtime.load(writer.frozen)
            for case in writer.cases("frozen"):
                case.check(frozen.predict(case.inputs, fetch=list(case.outputs)))
            frozen.close()


def test_two_runtimes_side_by_side() -> None:
    """Each answers from a thread of its own while the other works."""
    pair = [fixture for fixture in FIXTURES if fixture.minor in ("1.15", "2.7")]
    failures: list[str] = []

    def ask(fixture: Fixture, runtime: Runtime) -> None:
        model = runtime.load(fixture.model)
        for _ in range(5):
            for case in fixture.cases():
                try:
                    case.check(model.predict(case.inputs, signature=case.signature))
                except Exception as error:  # noqa: BLE001  # a thread's error would be lost
                    failures.append(f"{fixture} {case.signature}: {error}")

    for fixture in pair:
        installed_runtime(fixture.processor)
    with Runtime(pair[0].processor) as first, Runtime(pair[1].processor) as second:
        assert (first.version, second.version) == ("1.15.5", "2.7.4")
        threads = [threading.Thread(target=ask, args=each) for each in zip(pair, (first, second), strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def loop_for(rounds: float) -> dict[str, np.ndarray]:
    return {"rounds": np.array(rounds, np.float32), "start": np.zeros(1, np.float32)}


def check_default(case: Case, model: LoadedModel) -> None:
    case.check(model.predict(case.inputs))
