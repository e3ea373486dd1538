"""``tfkit.Runtime``: real models in the real TensorFlow C library, in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tests.served_models import classify_model, echo_model, faulty_model, mixed_model, slow_model
from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.errors import (
    InputError,
    MissingError,
    ModelError,
    RuntimeCrashError,
    SignatureError,
    TensorFlowError,
    TfkitError,
    UsageError,
)
from tfkit.runtime import Runtime
from tfkit.tensors import DType


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(device="cpu") as runtime:
        yield runtime


def strings(*values: bytes) -> Array:
    return np.array(values, dtype=object)


def sample(dtype: DType) -> Array:
    if dtype is DType.STRING:
        return strings(b"", b"short", b"x" * 22, b"y" * 23, b"z" * 5000, "grün".encode(), b"\x00\xff").reshape(7, 1)
    held = NUMPY_DTYPES[dtype]
    if held.names:
        return np.array([[0], [1], [5]], held[0]).view(held)
    if dtype is DType.BOOL:
        return np.array([[True, False], [False, True]])
    if held.kind == "c":
        return np.array([[1 + 2j, -3.5j]], held)
    if held.kind in "iu":
        return np.array([[np.iinfo(held).min, 0, np.iinfo(held).max]], held)
    return np.array([[0.5, -2.0, float("inf")]], held)


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if DType.INVALID < dtype < DType.RESOURCE])
def test_every_dtype_goes_in_and_out_unchanged(runtime: Runtime, dtype: DType) -> None:
    model = runtime.load(echo_model())
    given = sample(dtype)
    signature = f"echo_{dtype.proto_name}"
    came = model.predict({"x": given}, signature=signature)["y"]
    assert came.dtype == given.dtype
    assert came.shape == given.shape
    assert came.tolist() == given.tolist()
    for shape in ((), (0,), (2, 0, 3)):
        part = given.reshape(-1)[:1].reshape(()) if shape == () else np.empty(shape, given.dtype)
        assert model.predict({"x": part}, signature=signature)["y"].shape == shape


def test_an_array_that_is_not_contiguous_is_read_in_its_own_order(runtime: Runtime) -> None:
    given = np.arange(12, dtype=np.float32).reshape(3, 4).T[::2]
    came = runtime.load(echo_model()).predict({"x": given}, signature="echo_DT_FLOAT")["y"]
    np.testing.assert_array_equal(came, given)


def test_variables_tables_and_several_outputs(runtime: Runtime) -> None:
    model = runtime.load(mixed_model())
    inputs = {"a": np.array([[1, 2], [3, 4]], np.float32), "word": strings(b"green", b"pink")}
    outputs = model.predict(inputs)
    assert sorted(outputs) == ["index", "total", "word"]
    assert outputs["total"].tolist() == [6, 14]
    assert outputs["index"].tolist() == [1, -1]
    assert outputs["word"].tolist() == [b"green", b"pink"], "an output that is an input"
    assert list(model.predict(inputs, fetch=["total", "total"])) == ["total"]
    assert model.predict({"a": inputs["a"]}, signature="halve")["half"].tolist() == [[0.5, 1.0], [1.5, 2.0]]


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        ({}, {}, ["'a' is missing", "float32[?, 2]"]),
        ({"a": np.zeros((1, 3), np.float32)}, {"signature": "halve"}, ["'a'", "[1, 3]", "float32[?, 2]"]),
        ({"a": np.zeros((1, 2), np.float64)}, {"signature": "halve"}, ["'a'", "float64", "float32[?, 2]"]),
        ({"a": np.zeros((1, 2), np.float32), "b": np.zeros(1)}, {"signature": "halve"}, ["no input 'b'", "Known: a"]),
        ({"a": np.zeros((1, 2), np.float32)}, {"signature": "half"}, ["'half'", "halve"]),
        ({"a": np.zeros((1, 2), np.float32)}, {"signature": "halve", "fetch": ["hafl"]}, ["'hafl'", "'half'"]),
    ],
)
def test_what_does_not_fit_the_signature_is_named(runtime: Runtime, inputs: dict, options: dict, words: list) -> None:
    with pytest.raises(SignatureError) as caught:
        runtime.load(mixed_model()).predict(inputs, **options)
    for word in words:
        assert word in str(caught.value)


def test_errors_carry_tensorflows_code_and_message(runtime: Runtime) -> None:
    model = runtime.load(faulty_model())
    with pytest.raises(TensorFlowError, match="mode 1 is refused") as refused:
        model.predict({"mode": np.array(1, np.int32)})
    assert (refused.value.code, refused.value.http_status) == (3, 400)
    with pytest.raises(TensorFlowError, match="No such file") as failed:
        model.predict({"mode": np.array(2, np.int32)})
    assert (failed.value.code, failed.value.http_status) == (5, 500)
    assert model.predict({"mode": np.array(0, np.int32)})["text"].item() == b"fine"


def test_strings_that_a_table_keeps_outlive_the_request(runtime: Runtime) -> None:
    model = runtime.load(faulty_model())
    keys = strings(*(b"k" * length for length in range(200)))
    assert model.predict({"keys": keys}, signature="remember")["size"].item() == 200
    for _ in range(20):
        model.predict({"keys": strings(*(os.urandom(150) for _ in range(200)))}, signature="recall")
    assert model.predict({"keys": keys}, signature="recall")["values"].tolist() == list(range(200))


def test_a_killed_process_is_an_error_and_the_next_call_works() -> None:
    with Runtime(device="cpu") as runtime:
        model = runtime.load(slow_model())
        assert model.predict({"rounds": np.array([2], np.int32)})["rounds"].tolist() == [2]
        pid = runtime._process.pid  # what else would be killed?
        timer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
        timer.start()
        with pytest.raises(RuntimeCrashError, match=r"TensorFlow 2\.\d+.*signal 9"):
            model.predict({"rounds": np.array([2_000_000], np.int32)})
        timer.join()
        assert model.predict({"rounds": np.array([3], np.int32)})["rounds"].tolist() == [3]


def test_the_process_ends_with_its_owner_s_close() -> None:
    with Runtime(device="cpu") as runtime:
        assert runtime.version.startswith("2.")
        pid = runtime._process.pid
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_cannot_be_loaded(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        runtime.load(tmp_path / "nowhere")
    with pytest.raises((SignatureError, ModelError), match="gpu"):
        runtime.load(echo_model(), tags=("serve", "gpu"))
    with pytest.raises(SignatureError, match="classif"):
        runtime.load(classify_model()).predict({"inputs": strings(b"x")})


def test_an_op_that_tensorflow_does_not_know_is_named(runtime: Runtime, tmp_path: Path) -> None:
    damaged = tmp_path / "model"
    damaged.mkdir()
    content = (echo_model() / "saved_model.pb").read_bytes()
    (damaged / "saved_model.pb").write_bytes(content.replace(b"\x12\x08Identity", b"\x12\x08Idemtity"))
    with pytest.raises(TensorFlowError, match=r"Idemtity") as caught:
        runtime.load(damaged)
    assert str(damaged) in str(caught.value)


def test_devices() -> None:
    with pytest.raises(UsageError, match="tpu"):
        Runtime(device="tpu")
    with Runtime(device="gpu:63") as runtime, pytest.raises(MissingError, match="gpu:63"):
        runtime.load(echo_model())


def test_bfloat16_is_held_by_ml_dtypes(runtime: Runtime) -> None:
    given = np.array([1.5, -2], ml_dtypes.bfloat16)
    assert runtime.load(echo_model()).predict({"x": given}, signature="echo_DT_BFLOAT16")["y"].dtype == given.dtype


def test_calls_from_many_threads_take_turns(runtime: Runtime) -> None:
    model = runtime.load(echo_model())
    wrong = []

    def ask(number: int) -> None:
        for step in range(20):
            given = np.full((1, 2), number * 100 + step, np.float32)
            if model.predict({"x": given})["doubled"].tolist() != (given * 2).tolist():
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_models_can_be_closed_and_loaded_again(runtime: Runtime) -> None:
    for _ in range(5):
        model = runtime.load(mixed_model())
        model.predict({"a": np.ones((1, 2), np.float32)}, signature="halve")
        model.close()


def test_arrays_of_another_byte_order_keep_their_values(runtime: Runtime) -> None:
    given = np.array([[1.5, -2]], ">f4")
    assert runtime.load(echo_model()).predict({"x": given})["doubled"].tolist() == [[3, -4]]


def test_a_closed_model_never_stands_for_another(runtime: Runtime) -> None:
    first = runtime.load(echo_model())
    first.close()
    first.close()
    other = runtime.load(mixed_model())
    with pytest.raises(TensorFlowError, match="closed"):
        first.predict({"x": np.ones((1, 2), np.float32)})
    assert other.predict({"a": np.ones((1, 2), np.float32)}, signature="halve")["half"].tolist() == [[0.5, 0.5]]


def test_an_array_that_cannot_be_sent_leaves_the_process_alone(runtime: Runtime) -> None:
    model = runtime.load(faulty_model())
    model.predict({"keys": strings(b"a")}, signature="remember")
    with pytest.raises(InputError, match="datetime64"):
        model.predict({"keys": np.array(["2026-01-01"], "datetime64[D]")}, signature="remember")
    assert model.predict({"keys": strings(b"a")}, signature="recall")["values"].tolist() == [0]


def test_a_variable_may_keep_the_strings_it_is_given(runtime: Runtime) -> None:
    model = runtime.load(faulty_model())
    keys = strings(*(bytes([65 + length % 26]) * length for length in range(0, 3000, 30)))
    for _ in range(3):
        model.predict({"keys": keys}, signature="keep")
        for _ in range(5):
            model.predict({"keys": strings(*(os.urandom(3000) for _ in range(50)))}, signature="recall")
        assert model.predict({"mode": np.array(0, np.int32)}, signature="kept")["keys"].tolist() == keys.tolist()


def test_a_model_without_its_variables_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    shutil.copytree(mixed_model(), tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "variables")
    with pytest.raises(ModelError, match=r"variables\.index is missing"):
        runtime.load(tmp_path / "model")


def test_a_runtime_can_be_used_after_its_close() -> None:
    with Runtime(device="cpu") as runtime:
        model = runtime.load(echo_model())
    try:
        assert model.predict({"x": np.ones((1, 2), np.float32)})["total"].tolist() == [2]
    finally:
        runtime.close()


def test_a_model_of_another_runtime_is_refused(runtime: Runtime) -> None:
    """The worker's numbers for models begin at 1 in each: the answer would be another model's."""
    model = runtime.load(echo_model())
    other = Runtime(device="cpu")
    for use in (lambda: other.run(model, {}, signature=None, fetch=[]), lambda: other.unload(model)):
        with pytest.raises(UsageError, match="another runtime loaded this model"):
            use()


def test_a_bug_in_the_process_is_an_error_and_the_process_goes_on(runtime: Runtime) -> None:
    model = runtime.load(echo_model())
    process = runtime._process
    with pytest.raises(TfkitError, match=r"(?s)Traceback.*KeyError: 10000") as caught:
        runtime._call("predict", {}, session=10_000, signature=None, fetch=[])
    assert caught.value.exit_code == 70
    assert model.predict({"x": np.ones((1, 2), np.float32)})["total"].tolist() == [2]
    assert runtime._process is process


def test_what_is_no_array_is_refused_by_name(runtime: Runtime) -> None:
    model = runtime.load(echo_model())
    with pytest.raises(InputError, match="input 'x' is a list: expected a numpy array"):
        model.predict({"x": [[1.0, 2.0]]})  # type: ignore[dict-item]  # what an unchecked program may do
