"""``tfkit doctor`` on this machine, and on worse ones: real folders and variables, nothing of ours replaced."""

import json
import os
import subprocess
import sys

import pytest

from tests.processors.tiny import write_library
from tests.runtimes import installed_runtime
from tfkit.doctor import Status, diagnose
from tfkit.processors.catalogue import find_processor
from tfkit.processors.libraries import library_paths


def found(diagnosis, name):
    return next(each for each in diagnosis.findings if each.name == name)


def distribution(folder, name, version, metadata="", entry_points=""):
    """Makes an installed distribution out of its metadata."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}")
    if entry_points:
        (info / "entry_points.txt").write_text(entry_points)


def test_this_machine_is_fit():
    """As a command, in JSON: versions, the library, the devices."""
    command = [sys.executable, "-m", "tfkit.cli", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert set(report) == {"tfkit", "healthy", "findings"}
    assert report["healthy"]
    findings = {each["name"]: each for each in report["findings"]}
    assert all(set(each) == {"name", "status", "detail", "advice"} for each in report["findings"])
    for name in ("Python", "platform", "tensorflow", "keras", "numpy", "protobuf", "typer", "pip", "CPU", "cache"):
        assert findings[name]["detail"], name
    assert findings["runtime"]["status"] == "ok"
    assert "CPU:0" in findings["devices"]["detail"]


def test_what_is_missing_ends_with_code_4_and_what_to_do(tmp_path):
    """A tfkit that needs packages that are not here, or that are here in another version."""
    distribution(
        tmp_path,
        "tfkit-serving",
        "0.1.0",
        "Requires-Dist: no-such-package>=3\nRequires-Dist: numpy<1\nRequires-Dist: later; python_version > '9'\n",
    )
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from tfkit.cli.app import main; main()"
    command = [sys.executable, "-c", start, "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 4
    assert "missing  no-such-package" in done.stdout
    assert "-> python -m pip install 'no-such-package>=3'" in done.stdout
    assert "warning  numpy" in done.stdout
    assert "later" not in done.stdout
    assert "no-such-package" in done.stderr
    assert "Traceback" not in done.stderr


def test_tensorflow_that_is_not_installed_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    diagnosis = diagnose()
    runtime = found(diagnosis, "runtime")
    assert runtime.status is Status.MISSING
    assert "pip install tensorflow" in runtime.advice
    assert runtime in diagnosis.missing


def test_the_namesake_on_pypi_is_noticed(monkeypatch, tmp_path):
    distribution(tmp_path, "tfkit", "0.8.1", entry_points="[console_scripts]\ntfkit = tfkit.scripts:run\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # the runtime is tried elsewhere
    diagnosis = diagnose()
    clash = found(diagnosis, "name clash")
    assert clash.status is Status.WARNING
    assert "tfkit 0.8.1" in clash.detail
    assert "pip uninstall tfkit" in clash.advice
    assert found(diagnosis, "command").status is Status.WARNING


def test_a_command_of_another_environment_is_noticed(monkeypatch, tmp_path):
    (tmp_path / "tfkit").write_text("#!/bin/sh\n")
    (tmp_path / "tfkit").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert str(tmp_path / "tfkit") in found(diagnose(), "command").detail


@pytest.mark.parametrize(("backend", "status"), [("jax", Status.WARNING), ("tensorflow", Status.OK)])
def test_another_keras_backend_is_noticed(monkeypatch, backend, status):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert found(diagnose(), "KERAS_BACKEND").status is status


def test_a_cache_that_does_not_exist_yet_is_fine(monkeypatch, tmp_path):
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "not" / "yet"))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    diagnosis = diagnose()
    cache = found(diagnosis, "cache")
    assert cache.status is Status.OK
    assert str(tmp_path / "not" / "yet") in cache.detail
    assert found(diagnosis, "processors").detail == "0 of 11 are installed"


def of_the_right_size(name):
    """Files as large as a runtime's, with nothing in them."""
    processor = find_processor(name)
    paths = library_paths(processor)
    paths.c_api.parent.mkdir(parents=True)
    for path, file in zip((paths.framework, paths.c_api), processor.wheel.files, strict=True):
        path.touch()
        os.truncate(path, file.size_bytes)
    return paths


def test_installed_runtimes_and_their_cuda_are_looked_at(monkeypatch, tmp_path):
    """One that was overwritten, one that was cut off, and one for the GPU that needs all of CUDA to load."""
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for name in ("tensorflow_cpu_1.15", "tensorflow_gpu_1.12"):
        of_the_right_size(name)
    os.truncate(of_the_right_size("tensorflow_cpu_2.4").framework, 5)
    diagnosis = diagnose()
    assert found(diagnosis, "processors").detail == "3 of 11 are installed"
    for name, damage in (("tensorflow_cpu_1.15", "damaged: its SHA-256"), ("tensorflow_cpu_2.4", "damaged: 5 bytes")):
        damaged = found(diagnosis, name)
        assert damaged.status is Status.WARNING
        assert damage in damaged.detail
        assert damaged.advice == f"tfkit runtime install {name} --force"
    cuda = found(diagnosis, "CUDA of tensorflow_gpu_1.12")
    assert cuda.status is Status.WARNING
    assert "libcudnn.so.7 not found in" in cuda.detail
    assert "/etc/ld.so.cache" in cuda.detail


def test_all_of_cuda_is_fine(monkeypatch, tmp_path):
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    of_the_right_size("tensorflow_gpu_1.12")
    for name in find_processor("tensorflow_gpu_1.12").cuda:
        write_library(tmp_path / name)
    cuda = found(diagnose(), "CUDA of tensorflow_gpu_1.12")
    assert (cuda.status, cuda.detail) == (Status.OK, f"7 libraries in {tmp_path}")


@pytest.mark.network
def test_an_installed_runtime_that_is_whole_is_fine(monkeypatch):
    installed_runtime("tensorflow_cpu_1.15")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    whole = found(diagnose(), "tensorflow_cpu_1.15")
    assert (whole.status, whole.advice) == (Status.OK, "")
    assert "TensorFlow 1.15.5, 0.3 GB in" in whole.detail
