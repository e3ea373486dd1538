"""What a process says while it loads TensorFlow's library: nothing needless, but why it could not, or died of it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processors.tiny import extension_library
from tests.runtimes import installed_runtime
from tests.served_models import echo_model
from tests.serving import Server
from tfkit.doctor import Status, diagnose
from tfkit.errors import MissingError
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.processors.cuda import has_card
from tfkit.processors.libraries import library_paths
from tfkit.runtime import Runtime
from tfkit.runtime.cuda import preload_cuda
from tfkit.runtime.options import RuntimeOptions

LOAD = """
import sys
from tfkit.runtime.library import Library
from tfkit.runtime.options import RuntimeOptions
options = RuntimeOptions(sys.argv[1])
object.__setattr__(options, "intra_op_threads", int(sys.argv[2]))  # past the check
Library.load(options)
"""
ABORT = """
import os
from tfkit.runtime.quiet import quiet_stderr
with quiet_stderr():
    os.write(2, b"chatter")
    os.abort()
"""
TWICE = """
from tfkit.runtime.library import Library
from tfkit.runtime.options import RuntimeOptions
first = Library.load(RuntimeOptions(device="cpu"))
assert Library.load(RuntimeOptions(device="cpu")) is first
Library.load(RuntimeOptions(device="cpu", inter_op_threads=2))
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", code, *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(has_card(), reason="with a card TensorFlow may have something to say about it")
def test_loading_says_nothing() -> None:
    done = python(LOAD, INSTALLED, "1")
    assert (done.returncode, done.stderr) == (0, "")


def test_last_words_of_a_tensorflow_that_aborts_are_read_on_stderr() -> None:
    """A failed CHECK, here of its number of threads."""
    done = python(LOAD, INSTALLED, str(2**32 - 1))
    assert done.returncode == -signal.SIGABRT
    assert "Check failed: num_threads >= 1" in done.stderr


@pytest.mark.network
@pytest.mark.parametrize("processor", ["tensorflow_cpu_1.12", "tensorflow_cpu_2.3"])
def test_last_words_of_an_old_tensorflow_as_well(processor: str) -> None:
    installed_runtime(processor)
    done = python(LOAD, processor, str(2**32 - 1))
    assert done.returncode == -signal.SIGABRT
    assert "Check failed: num_threads >= 1" in done.stderr


def test_a_death_while_stderr_is_held_back_is_told() -> None:
    done = python(ABORT)
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in done.stderr
    assert "chatter" not in done.stderr


def test_options_that_come_too_late_are_refused() -> None:
    done = python(TWICE)
    assert "with other options, and one process holds one TensorFlow" in done.stderr


def test_an_operation_library_without_operations_is_told() -> None:
    library = extension_library()
    with Server(echo_model(), "--op-library", str(library)) as server:
        assert f"loading the operation library {library}" in server.log
        assert f"{library} registers no operation" in server.log


@pytest.mark.network
def test_a_damaged_library_is_told_with_what_mends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "tensorflow_cpu_1.12"
    folder = installed_runtime(name).c_api.parent
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path))
    damaged = library_paths(find_processor(name)).framework
    shutil.copytree(folder, damaged.parent)
    with damaged.open("r+b") as file:
        file.write(bytes(64))
    with Runtime(name) as runtime, pytest.raises(MissingError, match="damaged: its SHA-256") as caught:
        assert runtime.version
    assert caught.value.hint == f"Run: tfkit runtime install {name} --force"
    finding = next(each for each in diagnose().findings if each.name == name)
    assert finding.status is Status.WARNING
    assert "--force" in finding.advice


@pytest.mark.network
def test_a_gpu_of_a_build_without_is_refused_with_twins_that_there_are(tmp_path: Path) -> None:
    for minor, twin in (("1.15", "tensorflow_gpu_1.15"), ("2.3", None)):
        installed_runtime(f"tensorflow_cpu_{minor}")
        with (
            Runtime(f"tensorflow_cpu_{minor}", device="gpu") as runtime,
            pytest.raises(MissingError, match=f"^device gpu: tensorflow_cpu_{minor} has no GPU") as caught,
        ):
            runtime.load(Path(__file__).parents[1] / "old_tensorflow" / "fixtures" / f"tf_{minor}" / "model")
        assert ("tensorflow_gpu" in caught.value.hint) == bool(twin)
        assert not twin or twin in caught.value.hint


@pytest.mark.skipif(has_card(), reason="this machine has an NVIDIA card")
@pytest.mark.parametrize("name", ["tensorflow_gpu_1.12", "tensorflow_gpu_1.15"])
def test_without_a_card_nobody_is_sent_to_install_cuda(name: str) -> None:
    with pytest.raises(MissingError, match=r"^device gpu:0: .* this machine has no NVIDIA card") as caught:
        preload_cuda(find_processor(name), RuntimeOptions(name, device="gpu:0"))
    assert "Install" not in caught.value.hint
