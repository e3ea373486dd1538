"""Finding the library of a processor, and noticing that it is not whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.runtimes import CPU_PROCESSORS, installed_runtime
from tfkit.errors import MissingError, UsageError
from tfkit.processors.catalogue import PROCESSORS, Processor, find_processor
from tfkit.processors.install import install_runtime
from tfkit.processors.libraries import check_library, find_library, is_installed


def test_the_installed_tensorflow_s_library_is_found() -> None:
    paths = find_library()
    assert paths.framework.is_file()
    assert paths.c_api.is_file()


def test_tensorflow_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingError, match="TensorFlow is not installed") as caught:
        find_library()
    assert "pip install tensorflow" in caught.value.hint


def test_tensorflow_without_its_library_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingError, match="not found, though TensorFlow is installed"):
        find_library()


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_that_is_not_installed_says_how_to_install_it(name: str, home: Path) -> None:
    with pytest.raises(MissingError, match=f"{name} is not installed in {home}") as caught:
        find_library(name)
    assert caught.value.hint == f"Run: tfkit runtime install {name}"
    assert caught.value.exit_code == 4


def test_an_unknown_processor_is_a_mistake_of_the_user() -> None:
    with pytest.raises(UsageError):
        find_library("tensorflow_cpu_3.0")


def test_a_library_that_was_cut_off_or_removed_is_told(tiny: Processor, wheel: Path) -> None:
    paths = install_runtime(tiny, source=wheel)
    size = paths.c_api.stat().st_size
    with paths.c_api.open("r+b") as file:
        file.truncate(size // 2)
    with pytest.raises(MissingError, match=rf"_tiny\.so: damaged: {size // 2} bytes, not the {size}") as caught:
        check_library(tiny)
    assert "--force" in caught.value.hint
    paths.framework.unlink()
    with pytest.raises(MissingError, match=r"libtiny_framework\.so\.1: not there"):
        check_library(tiny)
    assert not is_installed(tiny)


def test_a_changed_byte_is_found_by_reading_it_all(tiny: Processor, wheel: Path) -> None:
    paths = install_runtime(tiny, source=wheel)
    with paths.framework.open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    check_library(tiny)
    with pytest.raises(MissingError, match="damaged: its SHA-256"):
        check_library(tiny, thorough=True)


@pytest.mark.network
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CPU_PROCESSORS)
def test_the_real_runtimes_come_out_of_their_wheels_as_the_catalogue_says(name: str) -> None:
    paths = installed_runtime(name)
    assert find_library(name) == paths
    check_library(find_processor(name), thorough=True)
