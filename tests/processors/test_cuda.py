"""Where CUDA's libraries are looked for: real folders, as the machine of a user might have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processors.tiny import write_library
from tfkit.processors.catalogue import Processor, find_processor
from tfkit.processors.cuda import DRIVER, find_cuda, has_card

MADE_UP = Processor("made_up", "1.0.0", "gpu", cuda=("libcumadeup.so.9", "libcuother.so.9"))


@pytest.fixture(autouse=True)
def _no_cuda_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)


def put(folder: Path, *names: str) -> Path:
    for name in names:
        write_library(folder / name)
    return folder


def test_a_build_for_the_cpu_needs_none() -> None:
    cuda = find_cuda(find_processor("tensorflow_cpu_2.7"))
    assert (cuda.found, cuda.missing, cuda.explain()) == ((), (), "")


def test_what_is_nowhere_is_named_with_the_folders_that_were_searched(monkeypatch, tmp_path: Path) -> None:
    home = put(tmp_path / "cuda" / "lib64", "libcumadeup.so.9", "libcuother.so.10").parent
    monkeypatch.setenv("CUDA_HOME", str(home))
    monkeypatch.setenv("CUDA_PATH", str(tmp_path / "nowhere"))
    cuda = find_cuda(MADE_UP)
    assert cuda.found == (("libcumadeup.so.9", home / "lib64" / "libcumadeup.so.9"),)
    assert cuda.missing == ("libcuother.so.9",)
    assert home / "lib64" in cuda.searched
    assert Path("/etc/ld.so.cache") in cuda.searched
    assert tmp_path / "nowhere" / "lib64" not in cuda.searched
    assert cuda.explain().startswith(f"libcuother.so.9 not found in {home / 'lib64'}, ")


def test_the_path_of_the_loader_goes_before_packages_and_these_before_cuda_itself(monkeypatch, tmp_path: Path) -> None:
    by_hand = put(tmp_path / "by_hand", "libcumadeup.so.9")
    package = put(tmp_path / "site" / "nvidia" / "cumadeup" / "lib", "libcumadeup.so.9", "libcuother.so.9")
    home = put(tmp_path / "cuda" / "lib64", "libcumadeup.so.9", "libcuother.so.9").parent
    monkeypatch.setenv("CUDA_PATH", str(home))
    assert {path.parent for _, path in find_cuda(MADE_UP).found} == {home / "lib64"}
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert {path.parent for _, path in find_cuda(MADE_UP).found} == {package}
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{by_hand}")
    assert [path.parent for _, path in find_cuda(MADE_UP).found] == [by_hand, package]


def test_a_library_of_another_cuda_is_passed_over(monkeypatch, tmp_path: Path) -> None:
    """CUDA 11 and 12 both have a libcusolver.so.11, linked to their own cuBLAS; and what is no library is none."""
    wanted = Processor("made_up", "1.0.0", "gpu", cuda=("libx.so.9", "libcumadeup.so.9"))
    folders = [put(tmp_path / name, "libx.so.9") for name in ("text", "other", "right")]
    (folders[0] / "libcumadeup.so.9").write_text("INPUT(libcumadeup.so.8)")
    write_library(folders[1] / "libcumadeup.so.9", needed="libx.so.8")
    monkeypatch.setenv("LD_LIBRARY_PATH", ":".join(map(str, folders)))
    assert find_cuda(wanted).missing == ("libcumadeup.so.9",)
    right = write_library(folders[2] / "libcumadeup.so.9", needed="libx.so.9")
    assert dict(find_cuda(wanted).found)["libcumadeup.so.9"] == right


def test_what_the_loader_knows_is_found() -> None:
    """Its cache and its folders, which this process was started with the help of."""
    libc = Processor("made_up", "1.0.0", "gpu", cuda=("libc.so.6",))
    ((name, path),) = find_cuda(libc).found
    assert name == "libc.so.6"
    assert path.is_file()


def test_without_ldconfig_the_other_folders_are_searched(monkeypatch, tmp_path: Path) -> None:
    """As on systems without that command, or with another of that name."""
    broken = tmp_path / "bin" / "ldconfig"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'what?'\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent))
    monkeypatch.setenv("CUDA_HOME", str(put(tmp_path / "cuda" / "lib64", "libcumadeup.so.9").parent))
    assert find_cuda(MADE_UP).missing == ("libcuother.so.9",)
    broken.write_bytes(b"no program")
    assert find_cuda(MADE_UP).missing == ("libcuother.so.9",)


@pytest.mark.gpu
@pytest.mark.skipif(not has_card(), reason="this machine has no NVIDIA card, or no driver for it")
def test_a_machine_with_a_card_has_its_driver() -> None:
    assert DRIVER not in find_cuda(find_processor("tensorflow_gpu_2.7")).missing
