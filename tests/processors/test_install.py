"""Installing a runtime: a real wheel, real pip, a real index on this machine; and all that can go wrong."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.processors.tiny import C_API, FILENAME, FRAMEWORK, build_wheel, serve_index
from tests.serving import free_port
from tfkit.errors import InputError, MissingError, UsageError
from tfkit.processors.catalogue import Processor
from tfkit.processors.install import install_runtime, remove_runtime
from tfkit.processors.libraries import check_library, is_installed, runtimes_folder

ROOT = Path(__file__).parents[2]
# Installs the tiny runtime in a process of its own: from an index, or from the wheel.
INSTALL = """
import sys
from pathlib import Path
from tests.processors.tiny import tiny_processor
from tfkit.cli.app import guard
from tfkit.processors.install import install_runtime

def run():
    source = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    install_runtime(tiny_processor(Path(sys.argv[1])), source=source)

sys.exit(guard(run))
"""


def start(wheel: Path, *source: str, before: str = "") -> subprocess.Popen[str]:
    """Starts an install of the tiny runtime.

    Args:
        wheel: What is installed.
        *source: Where it is to be taken from, if not from an index.
        before: Python to run first.
    """
    return subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{INSTALL}", str(wheel), *source],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind() -> list[str]:
    """What lies in the folder of runtimes, but for locks."""
    return sorted(path.name for path in runtimes_folder().iterdir() if path.suffix != ".lock")


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive


@pytest.fixture
def index_url(packages: Path, pip_alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an index that has the tiny wheel, set for pip."""
    with serve_index(packages) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        yield index.url


def test_pip_downloads_the_wheel_and_two_libraries_are_kept(tiny: Processor, index_url: str) -> None:
    steps: list[tuple[str, int, int]] = []
    paths = install_runtime(tiny, progress=lambda *step: steps.append(step))
    assert sorted(path.name for path in paths.c_api.parent.iterdir()) == ["_tiny.so", "libtiny_framework.so.1"]
    check_library(tiny, thorough=True)
    ctypes.CDLL(str(paths.c_api))
    assert left_behind() == [tiny.name]
    assert tiny.wheel is not None
    assert [step for step in steps if step[0] == "download"][-1] == ("download", *2 * (tiny.wheel.size_bytes,))
    assert steps[-1] == ("unpack", *2 * (tiny.wheel.installed_bytes,))


@pytest.mark.parametrize("part", ["folder", "file"])
def test_a_wheel_fetched_before_needs_no_pip(tiny: Processor, wheel: Path, part: str, monkeypatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free_port()}")
    install_runtime(tiny, source=wheel if part == "file" else wheel.parent)
    check_library(tiny, thorough=True)


def test_what_is_installed_is_left_alone_unless_forced(tiny: Processor, wheel: Path, tmp_path: Path) -> None:
    library = install_runtime(tiny, source=wheel).c_api
    first = library.stat().st_ino
    install_runtime(tiny, source=tmp_path / "nowhere")
    assert library.stat().st_ino == first
    install_runtime(tiny, source=wheel, force=True)
    assert library.stat().st_ino != first
    assert left_behind() == [tiny.name]


def test_what_is_cut_off_is_installed_anew(tiny: Processor, wheel: Path) -> None:
    library = install_runtime(tiny, source=wheel).c_api
    os.truncate(library, 1000)
    assert not is_installed(tiny)
    install_runtime(tiny, source=wheel)
    check_library(tiny, thorough=True)


def test_removing_says_whether_there_was_one(tiny: Processor, wheel: Path) -> None:
    assert not remove_runtime(tiny)
    install_runtime(tiny, source=wheel)
    assert remove_runtime(tiny)
    assert left_behind() == []
    assert not remove_runtime(tiny)


def test_the_installed_tensorflow_is_not_ours_to_install(home: Path) -> None:
    for change in (install_runtime, remove_runtime):
        with pytest.raises(UsageError, match="the TensorFlow in this Python"):
            change("installed")
        with pytest.raises(UsageError, match=r"no processor is named 'tensorflow_cpu_1\.13'"):
            change("tensorflow_cpu_1.13")


def test_a_wheel_with_another_checksum_is_refused_even_with_the_right_libraries(
    tiny: Processor, wheel: Path, index_url: str
) -> None:
    """From a folder and from an index; nothing is left, not even the download."""
    build_wheel(wheel, {FRAMEWORK: b"other", C_API: b"another"})
    for source in (wheel, None):
        with pytest.raises(InputError, match="its SHA-256 is") as caught:
            install_runtime(tiny, source=source)
        assert FILENAME in caught.value.message
        assert left_behind() == []


def test_a_wheel_that_is_not_there_says_how_to_fetch_it(tiny: Processor, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=f"{FILENAME}: not found") as caught:
        install_runtime(tiny, source=tmp_path)
    assert "pip download --no-deps" in caught.value.hint
    assert "tiny-tensorflow==1.0.0" in caught.value.hint
    assert left_behind() == []


def test_no_network_is_told_from_an_index_that_lacks_the_wheel(
    tiny: Processor, packages: Path, index_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(packages / "tiny-tensorflow")
    with pytest.raises(MissingError, match=f"the package index does not have {FILENAME}"):
        install_runtime(tiny)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(MissingError, match="the package index cannot be reached") as caught:
        install_runtime(tiny)
    assert "ERROR: No matching distribution" in caught.value.message
    assert "--from DIR" in caught.value.hint
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(MissingError, match="does not have"):
        install_runtime(tiny)
    assert left_behind() == []


def test_an_index_whose_file_is_not_what_it_lists_is_told(tiny: Processor, packages: Path, index_url: str) -> None:
    link = f'<a href="{FILENAME}#sha256={"0" * 64}">{FILENAME}</a>'
    (packages / "tiny-tensorflow" / "index.html").write_text(link)
    with pytest.raises(InputError, match="not the one that it lists"):
        install_runtime(tiny)
    assert left_behind() == []


def test_a_wheel_that_pip_cannot_read_is_named(tiny: Processor, wheel: Path, index_url: str) -> None:
    wheel.write_bytes(b"no archive")
    with pytest.raises(InputError, match=f"{FILENAME}, as the index gives it, is no wheel"):
        install_runtime(tiny)
    assert left_behind() == []


def test_constraints_of_the_user_s_environment_do_not_count(
    tiny: Processor, index_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.txt").write_text("tiny-tensorflow==2.0\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraints.txt"))
    install_runtime(tiny)


def test_a_module_of_the_current_folder_does_not_get_in_pip_s_way(
    tiny: Processor, index_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('not the real pip')")
    monkeypatch.chdir(tmp_path)
    install_runtime(tiny)


def test_without_pip_the_error_says_so(tiny: Processor, wheel: Path) -> None:
    """As in environments that uv makes."""
    process = start(wheel, before="import sys; sys.modules['pip'] = None")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert "needs pip" in errors


@pytest.mark.parametrize(
    ("said", "told", "advice"),
    [
        ("option --progress-bar: invalid choice: 'raw'", "pip is too old", "install --upgrade pip"),
        ("ERROR: something else", "pip ended with code 2\n  ERROR: something else", "--from DIR"),
        ("", "pip ended with code 2", "--from DIR"),
    ],
)
def test_what_pip_says_last_is_shown(
    tiny: Processor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str, advice: str
) -> None:
    """An old pip, and one that fails in a way of its own: another package of that name goes before the real one."""
    (tmp_path / "other" / "pip").mkdir(parents=True)
    (tmp_path / "other" / "pip" / "__init__.py").write_text("")
    (tmp_path / "other" / "pip" / "__main__.py").write_text(
        f"import sys; print({said!r}, file=sys.stderr); sys.exit(2)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    with pytest.raises(MissingError, match=re.escape(told)) as caught:
        install_runtime(tiny)
    assert advice in caught.value.hint
    assert left_behind() == []


def test_two_installs_at_once_both_succeed(
    tiny: Processor, wheel: Path, packages: Path, pip_alone, monkeypatch
) -> None:
    """The second waits for the first, and then has nothing to do."""
    with serve_index(packages, stall=True) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        first = start(wheel)
        assert index.stalled.wait(30)
        second = start(wheel)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(1)
        index.go_on.set()
        for process in (first, second):
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    check_library(tiny, thorough=True)
    assert left_behind() == [tiny.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_install_leaves_nothing_at_the_name_and_no_pip(
    tiny: Processor, wheel: Path, packages: Path, pip_alone, monkeypatch, number: signal.Signals
) -> None:
    """What a killed one leaves behind is removed by whoever installs or removes next, whichever runtime."""
    with serve_index(packages, stall=True) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        process = start(wheel)
        assert index.stalled.wait(30)
        children = psutil.Process(process.pid).children()
        assert children
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == (130 if number is signal.SIGINT else -number)
        assert not is_installed(tiny)
        index.go_on.set()
        wait_until_gone(children)
    if number is signal.SIGINT:
        assert left_behind() == []
    remove_runtime("tensorflow_cpu_1.12")
    assert left_behind() == []
    install_runtime(tiny, source=wheel)
    assert left_behind() == [tiny.name]


def test_a_full_disk_is_told_and_leaves_nothing(tiny: Processor, wheel: Path, index_url: str) -> None:
    """The system refuses to write more than half a megabyte into a file: while unpacking, and inside of pip."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    for source in ((str(wheel),), ()):
        process = start(wheel, *source, before=limit)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 4, errors
        assert "no room to install" in errors
        assert "TFKIT_HOME" in errors
        assert left_behind() == []


def test_too_small_a_disk_is_told_before_the_download(tiny: Processor, index_url: str) -> None:
    assert tiny.wheel is not None
    huge = replace(tiny, wheel=replace(tiny.wheel, size_bytes=shutil.disk_usage("/").total * 2))
    with pytest.raises(MissingError, match="no room to install"):
        install_runtime(huge)
    assert left_behind() == []


def test_a_home_that_cannot_be_made_is_told(tiny: Processor, wheel: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(MissingError, match="Not a directory") as caught:
        install_runtime(tiny, source=wheel)
    assert "TFKIT_HOME" in caught.value.hint


def test_a_library_that_is_not_in_the_wheel_is_told(tiny: Processor, wheel: Path) -> None:
    """A mistake in the catalogue, not a crash."""
    assert tiny.wheel is not None
    other = replace(tiny.wheel, c_api=replace(tiny.wheel.c_api, member="tiny/none.so"))
    with pytest.raises(InputError, match="cannot be unpacked"):
        install_runtime(replace(tiny, wheel=other), source=wheel)
    assert left_behind() == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_something_else_at_the_name_is_replaced_and_removed(
    tiny: Processor, wheel: Path, tmp_path: Path, kind: str
) -> None:
    """A file, or a link to nowhere."""
    runtimes_folder().mkdir(parents=True)
    target = runtimes_folder() / tiny.name
    for change in (remove_runtime, lambda known: install_runtime(known, source=wheel)):
        target.write_text("") if kind == "file" else target.symlink_to(tmp_path / "nowhere")
        assert change(tiny)
    check_library(tiny, thorough=True)
    assert left_behind() == [tiny.name]
    assert not (tmp_path / "nowhere").exists()


def test_a_wheel_that_is_here_needs_no_room_for_itself(tiny: Processor, wheel: Path) -> None:
    assert tiny.wheel is not None
    huge = replace(tiny.wheel.framework, size_bytes=shutil.disk_usage("/").total * 2)
    with pytest.raises(MissingError, match=r"takes \d+ MB\n"):
        install_runtime(replace(tiny, wheel=replace(tiny.wheel, framework=huge)), source=wheel)
    assert left_behind() == []
