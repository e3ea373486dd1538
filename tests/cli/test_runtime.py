"""``tfkit runtime`` as users call it: tables and JSON, exit codes, interrupts."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processors.tiny import PIP_ALONE, build_wheel, serve_index
from tests.runtimes import installed_runtime
from tfkit.processors.catalogue import INSTALLED, PROCESSORS, Processor, find_processor

NAME = "tensorflow_cpu_1.15"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and pip without the settings of this machine."""
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in PIP_ALONE.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tfkit.cli", "runtime", *words]


def run(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=timeout, check=False)


def packages(folder: Path, name: str = NAME) -> Path:
    """The folder of an index whose wheel has the right name, and nothing else of TensorFlow's."""
    wheel = wheel_of(find_processor(name))
    build_wheel(folder / wheel.project / wheel.filename, {"tensorflow/readme.txt": os.urandom(1 << 20)})
    return folder


def wheel_of(processor: Processor):
    assert processor.wheel is not None
    return processor.wheel


def test_list_shows_all_of_them(home: Path) -> None:
    done = run("list")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    names = [words[0] for words in lines if words and words[0] in (*PROCESSORS, INSTALLED)]
    assert names == [*PROCESSORS, INSTALLED]
    assert ["tensorflow_cpu_1.15", "1.15.5", "cpu", "no", "110", "MB", "cpu"] in lines
    assert not home.exists()


def test_list_as_json_has_a_stable_schema(home: Path) -> None:
    done = run("list", "--json", "--verify")
    report = json.loads(done.stdout)
    assert set(report) == {"folder", "runtimes"}
    assert report["folder"] == str(home / "runtimes")
    assert [each["name"] for each in report["runtimes"]] == [*PROCESSORS, INSTALLED]
    first = report["runtimes"][0]
    assert first == {
        "name": "tensorflow_cpu_1.12",
        "tensorflow": "1.12.3",
        "device": "cpu",
        "installed": False,
        "path": None,
        "size_bytes": 0,
        "download_bytes": 83119650,
        "damage": "",
        "runs_on": ["cpu"],
        "reason": "",
        "advice": "",
        "cuda": [],
        "missing_cuda": [],
        "searched": [],
    }
    gpu = next(each for each in report["runtimes"] if each["name"] == "tensorflow_gpu_1.12")
    assert gpu["cuda"][0] == "libcuda.so.1"
    assert set(gpu["missing_cuda"]) <= set(gpu["cuda"])
    assert gpu["searched"]


def test_path_of_what_is_not_installed_exits_with_4(home: Path) -> None:
    done = run("path", NAME)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"tfkit runtime install {NAME}" in done.stderr
    assert run("path", INSTALLED).returncode == 0


@pytest.mark.parametrize(
    "words", [("install",), ("remove",), ("install", NAME, "--all"), ("install", "tensorflow_cpu_1"), ("path", "2.7")]
)
def test_what_makes_no_sense_is_a_usage_error(words: tuple[str, ...], home: Path) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wheel_that_is_not_pypi_s_is_refused(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_index(packages(tmp_path / "packages")) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        done = run("install", NAME)
    assert done.returncode == 3
    assert "its SHA-256 is" in done.stderr
    assert "Progress" not in done.stdout + done.stderr, "pip's own progress is not shown"
    assert [path.suffix for path in (home / "runtimes").iterdir()] == [".lock"]


def test_the_installed_tensorflow_is_pip_s_to_install(home: Path) -> None:
    for word in ("install", "remove"):
        done = run(word, INSTALLED)
        assert done.returncode == 2
        assert "python -m pip installs and removes it" in done.stderr


def test_one_wheel_is_not_for_several_processors(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"")
    done = run("install", "tensorflow_cpu_*", "--from", str(tmp_path / "a.whl"))
    assert done.returncode == 2
    assert "is one wheel, and 6 processors are named" in done.stderr


def test_json_comes_even_if_one_fails(home: Path, tmp_path: Path) -> None:
    done = run("install", NAME, "--from", str(tmp_path), "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout) == {"runtimes": []}


def test_a_folder_without_the_wheel_is_told(home: Path, tmp_path: Path) -> None:
    done = run("install", "tensorflow_cpu_2.7", "--from", str(tmp_path))
    assert done.returncode == 4
    assert f"{wheel_of(find_processor('tensorflow_cpu_2.7')).filename}: not found" in done.stderr


def test_ctrl_c_ends_with_130_and_leaves_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal, which shows a bar, and where the signal goes to pip as well."""
    with serve_index(packages(tmp_path / "packages"), stall=True) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        master, terminal = pty.openpty()
        process = subprocess.Popen(
            command("install", NAME), stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
        os.close(terminal)
        assert index.stalled.wait(30)
        os.killpg(process.pid, signal.SIGINT)
        shown = b""
        while True:
            try:
                shown += os.read(master, 4096)
            except OSError:  # the last one that had the terminal open is gone
                break
        assert process.wait(30) == 130
        os.close(master)
    assert b"downloading tensorflow_cpu_1.15" in shown
    assert b"Traceback" not in shown
    assert [path.suffix for path in (home / "runtimes").iterdir()] == [".lock"]


def test_removing_what_is_not_there_is_said(home: Path) -> None:
    done = run("remove", NAME, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"runtimes": [{"name": NAME, "removed": False}]}
    assert "is not installed" in done.stderr
    assert run("remove", "--all").returncode == 0


@pytest.mark.parametrize("words", [("--help",), ("install", "--help"), ("list", "-h"), ("path", "--help")])
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    code = (
        "import sys; from tfkit.cli.app import guard, build_app\n"
        f"guard(lambda: build_app('runtime')(['runtime', *{words!r}]))\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "Usage" in done.stdout
    heavy = (
        "tensorflow",
        "keras",
        "numpy",
        "google",
        "elftools",
        "tfkit.runtime",
        "tfkit.processors",
        "tfkit.cli.serve",
    )
    assert not [name for name in done.stderr.split() if name.startswith(heavy)]


@pytest.mark.network
@pytest.mark.timeout(900)
def test_a_real_runtime_is_listed_found_and_left_alone() -> None:
    folder = installed_runtime(NAME).c_api.parent
    assert run("path", NAME).stdout.strip() == str(folder)
    done = run("install", NAME, "--json")
    assert done.returncode == 0
    report = {"name": NAME, "path": str(folder), "already_installed": True}
    assert json.loads(done.stdout) == {"runtimes": [report]}
    assert "is already in" in done.stderr
    (status,) = (each for each in json.loads(run("list", "--json").stdout)["runtimes"] if each["name"] == NAME)
    assert (status["installed"], status["size_bytes"]) == (True, wheel_of(find_processor(NAME)).installed_bytes)
