"""What is said of each processor on this machine, and on one with CUDA."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.processors.tiny import write_library
from tfkit.processors.catalogue import INSTALLED, PROCESSORS, Processor, find_processor
from tfkit.processors.cuda import has_card
from tfkit.processors.install import install_runtime
from tfkit.processors.status import list_runtimes, runtime_status

KEYS = {
    "name", "tensorflow", "device", "installed", "path", "size_bytes", "download_bytes", "damage", "runs_on", "reason",
    "advice", "cuda", "missing_cuda", "searched",
}  # fmt: skip


def test_all_processors_are_listed_and_none_but_the_installed_one_is_in_an_empty_home(home: Path) -> None:
    statuses = {status.processor.name: status for status in list_runtimes()}
    assert list(statuses) == [*PROCESSORS, INSTALLED]
    assert [name for name, status in statuses.items() if status.installed] == [INSTALLED]
    assert statuses[INSTALLED].size_bytes > 100e6
    assert not home.exists()
    for status in statuses.values():
        assert set(status.as_dict()) == KEYS
        if status.processor.device == "cpu":
            assert (status.runs_on, status.reason) == (("cpu",), "")


def test_an_installed_runtime_has_its_size_and_place(tiny: Processor, wheel: Path) -> None:
    assert runtime_status(tiny).as_dict()["path"] is None
    paths = install_runtime(tiny, source=wheel)
    status = runtime_status(tiny, verify=True)
    assert status.installed
    assert tiny.wheel is not None
    assert (status.folder, status.size_bytes) == (paths.c_api.parent, tiny.wheel.installed_bytes)
    os.truncate(paths.c_api, 10)
    status = runtime_status(tiny)
    assert not status.installed
    assert "_tiny.so: damaged: 10 bytes" in status.damage


def test_the_libraries_that_lack_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    linked, opened = find_processor("tensorflow_gpu_1.12"), find_processor("tensorflow_gpu_1.15")
    for name in {*linked.cuda[:-1], *opened.cuda[:-1]}:
        write_library(tmp_path / name)
    status = runtime_status(linked)
    assert status.cuda.missing == ("libcudnn.so.7",)
    assert status.runs_on == ()
    assert status.reason.startswith("it does not load without CUDA")
    assert status.reason.endswith("not found: libcudnn.so.7")
    status = runtime_status(opened)
    assert status.runs_on == ("cpu",)
    assert status.reason.endswith("not found: libcudnn.so.7")
    assert ("CUDA 10.0" in status.advice) == has_card()


def test_with_all_of_cuda_it_depends_on_the_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    for name in find_processor("tensorflow_gpu_2.7").cuda:
        write_library(tmp_path / name)
    status = runtime_status(find_processor("tensorflow_gpu_2.7"))
    assert status.cuda.missing == ()
    if has_card():
        assert (status.runs_on, status.reason) == (("gpu", "cpu"), "")
    else:
        assert (status.runs_on, status.reason) == (("cpu",), "this machine has no NVIDIA card")
