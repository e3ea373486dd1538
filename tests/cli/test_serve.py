"""``tfkit serve`` with a service JSON, an archive or a URL in place of a folder: the real command, asked over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from tests.processors.tiny import PIP_ALONE, build_wheel, serve_index
from tests.serve.asking import ONE, post
from tests.served_models import echo_model, mixed_model
from tests.serving import Server
from tfkit.cli.app import build_app
from tfkit.client import Client
from tfkit.processors.catalogue import find_processor
from tfkit.warmup.folder import StoredRequest, write_manifest

NAME = "tensorflow_cpu_1.15"


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The echoing model as people pack it: its folder in a .tar.gz."""
    folder = tmp_path / "packed"
    shutil.copytree(echo_model(), folder / "echo" / "1")
    return Path(shutil.make_archive(str(tmp_path / "echo"), "gztar", folder))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where no runtime is installed, and pip without the settings of this machine."""
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in PIP_ALONE.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


class Files(SimpleHTTPRequestHandler):
    """Hands out a folder's files; what is called stall never ends."""

    def do_GET(self) -> None:
        if self.path.startswith("/stall"):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"\x1f\x8b")
            self.server.stopped.wait(30)  # type: ignore[attr-defined]
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what matters."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A web server of the test's folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(tmp_path)))
    server.daemon_threads = True
    server.stopped = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stopped.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def write(folder: Path, document: dict[str, Any] | str) -> Path:
    path = folder / "service.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A ``tfkit serve`` that ends by itself."""
    clean = {key: value for key, value in os.environ.items() if key != "TFKIT_TOKEN"}
    command = [sys.executable, "-m", "tfkit.cli", "serve", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean | environment, check=False)
    assert "Traceback" not in done.stderr
    return done


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_file_that_eascmd_deploys_is_served(tmp_path: Path, scratch: Path, archive: Path) -> None:
    (tmp_path / "warm_up.bin").write_bytes(ONE)
    text = """{
        "name": "my_echo", // its name in the cloud
        "token": "hidden-token",
        "model_path": "echo.tar.gz",
        "processor": "installed",
        "warm_up_data_path": "warm_up.bin",
        "wam_up_count": 5,
        "metadata": {"instance": 2, "cpu": 4, "rpc": {"keepalive": 4000}, "rpc.worker_threads": 2},
    }"""
    with Server(write(tmp_path, text)) as server:
        assert server.name == "my_echo"
        assert Path(server.ready["warm_up"][0]["file"]).name == "warm_up.bin"
        assert post(server, ONE).status == 401
        assert post(server, ONE, Authorization="hidden-token").status == 200
        assert len(list(scratch.iterdir())) == 1
        assert server.stop() == 0
        notes = [line for line in server.log.splitlines() if line.startswith("note: ")]
        assert len(notes) == 3
        assert "no strict JSON (line 2, column 28)" in notes[0]
        assert notes[1].endswith("service.json: ignored here: metadata.instance, metadata.cpu")
        assert notes[2].endswith("unknown keys, ignored: wam_up_count (did you mean warm_up_count?)")
        assert "hidden-token" not in server.log
    assert list(scratch.iterdir()) == []


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, {"name": "of_file", "token": "of-file", "model_path": str(echo_model())})
    with Server(path, "--name", "of_option", "--keepalive", "4000", token="of-environment") as server:
        assert server.name == "of_option"
        assert post(server, ONE, Authorization="of-file").status == 401
        assert post(server, ONE, Authorization="of-environment").status == 200


def test_a_folder_goes_with_a_service_that_is_killed(scratch: Path, archive: Path) -> None:
    with Server(archive) as server:
        assert server.name == "echo"
        assert post(server, ONE).status == 200
        (folder,) = scratch.iterdir()
        server.process.send_signal(signal.SIGKILL)
        wait_until(lambda: not folder.exists())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_download_that_is_interrupted_leaves_nothing(scratch: Path, url: str, number: int, code: int) -> None:
    with Server(f"{url}/stall.tar.gz?Signature=hidden", wait=False) as server:
        assert "hidden" not in server.wait_for_log(f"downloading {url}/stall.tar.gz (1.0 MB)")
        assert server.stop(number) == code
        wait_until(lambda: list(scratch.iterdir()) == [])


def test_model_and_warm_up_come_from_urls(tmp_path: Path, scratch: Path, archive: Path, url: str) -> None:
    (tmp_path / "warm_up.bin").write_bytes(ONE)
    with Server(f"{url}/{archive.name}", "--warm-up", f"{url}/warm_up.bin") as server:
        assert server.name == "echo"
        assert Path(server.ready["warm_up"][0]["file"]).name == "warm_up.bin"
        assert post(server, ONE).status == 200
    assert list(scratch.iterdir()) == []


def test_an_entry_chooses_a_model_of_an_archive(tmp_path: Path, scratch: Path) -> None:
    shutil.copytree(echo_model(), tmp_path / "in" / "echo")
    shutil.copytree(mixed_model(), tmp_path / "in" / "mixed")
    packed = shutil.make_archive(str(tmp_path / "both"), "zip", tmp_path / "in")
    done = run(packed, "--port", "0")
    assert (done.returncode, done.stdout) == (3, "")
    assert "holds 2 models: echo, mixed" in done.stderr
    with Server(packed, "--model-entry", "mixed") as server:
        outputs = Client(server.url).predict(
            {"a": np.array([[1, 2]], np.float32), "word": np.array([b"green"])}, fetch=["index"]
        )
        assert outputs["index"].tolist() == [1]
    path = write(tmp_path, {"name": "two", "model_path": "both.zip", "model_entry": "echo"})
    with Server(path) as server:
        assert post(server, ONE).status == 200
    assert list(scratch.iterdir()) == []


def test_dump_config_shows_all_that_is_in_force(tmp_path: Path) -> None:
    for name in ("warm_up.bin", "my_ops.so"):
        (tmp_path / name).write_bytes(ONE)
    path = write(
        tmp_path,
        {
            "name": "digits",
            "token": "hidden-token",
            "model_path": "https://me:word@host/digits.zip?Signature=abc",
            "processor": "tensorflow_cpu_1.15",
            "warm_up_data_path": "warm_up.bin",
            "nmae": "digits",
            "metadata": {
                "cpu": 2,
                "rpc": {"keepalive": 1000, "rate_limit": "7"},
                "eas": {"termination_grace_period": 3},
            },
        },
    )
    options = ("--max-queue-size", "64", "--no-gpu-memory-growth", "--op-library", tmp_path / "my_ops.so")
    done = run(path, "--dump-config", *options)
    assert done.returncode == 0
    assert "metadata.rpc.rate_limit is the string '7', taken as 7" in done.stderr
    assert "hidden-token" not in done.stdout + done.stderr
    shown = json.loads(done.stdout)
    assert (shown["file"], shown["ignored"]) == (str(path), ["metadata.cpu", "nmae"])
    values = {name: (entry["from"], entry["value"]) for name, entry in shown["settings"].items()}
    assert values == {
        "access_log": ("default", False),
        "advertise": ("default", ""),
        "body_limit_bytes": ("default", 256 * 1024 * 1024),
        "decompressor": ("default", ""),
        "device": ("default", "auto"),
        "gpu_memory_fraction": ("default", 0.0),
        "gpu_memory_growth": ("command line", False),
        "grace_s": ("file", 3),
        "host": ("default", "127.0.0.1"),
        "inter_op_threads": ("default", -1),
        "intra_op_threads": ("default", 0),
        "keepalive_ms": ("file", 1000),
        "max_queue_size": ("command line", 64),
        "model": ("file", "https://host/digits.zip"),
        "model_entry": ("default", ""),
        "name": ("file", "digits"),
        "op_libraries": ("command line", [str(tmp_path / "my_ops.so")]),
        "port": ("default", 8500),
        "processor": ("file", "tensorflow_cpu_1.15"),
        "rate_limit": ("file", 7),
        "record": ("default", None),
        "record_forms": ("default", 100),
        "record_limit_bytes": ("default", 256 * 1024 * 1024),
        "record_rate": ("default", 1.0),
        "tags": ("default", ["serve"]),
        "token": ("file", "***"),
        "warm_up": ("file", [str(tmp_path / "warm_up.bin")]),
        "warm_up_sends": ("default", 5),
        "worker_threads": ("default", 5),
    }


def test_a_service_json_may_name_a_folder_of_warm_up_files(tmp_path: Path) -> None:
    folder = tmp_path / "warm_up"
    folder.mkdir()
    for name in ("b.bin", "a.bin"):
        (folder / name).write_bytes(ONE)
    write_manifest(folder, [StoredRequest.describe(name, ONE) for name in ("b.bin", "a.bin")])
    path = write(tmp_path, {"name": "echo", "model_path": str(echo_model()), "warm_up_data_path": "warm_up"})
    with Server(path, "--record", str(tmp_path / "records")) as server:
        assert [each["file"] for each in server.ready["warm_up"]] == [str(folder / "b.bin"), str(folder / "a.bin")]
    shown = json.loads(run(path, "--dump-config", "--record", tmp_path / "records").stdout)["settings"]
    assert shown["warm_up"]["value"] == [str(folder)]
    assert shown["record"]["value"] == str(tmp_path / "records")
    done = run(path, "--warm-up", tmp_path / "records", "--port", "0")
    assert (done.returncode, "records holds no requests" in done.stderr) == (3, True)
    done = run(path, "--warm-up", tmp_path, "--port", "0")
    assert (done.returncode, "has no manifest.json" in done.stderr) == (3, True)


def test_dump_config_tells_what_sets_each_setting() -> None:
    shown = json.loads(run(echo_model(), "--dump-config").stdout)["settings"]
    setters = {name: (entry["option"], entry["key"]) for name, entry in shown.items()}
    assert setters["keepalive_ms"] == ("--keepalive", "metadata.rpc.keepalive")
    assert setters["warm_up"] == ("--warm-up", "warm_up_data_path")
    assert setters["token"] == ("--token-file", "token")
    assert setters["host"] == ("--host", None)
    assert setters.pop("model") == ("MODEL", "model_path")
    group = get_command(build_app("serve"))
    assert isinstance(group, TyperGroup)
    options = {option for each in group.commands["serve"].params for option in (*each.opts, *each.secondary_opts)}
    assert {option for option, _ in setters.values()} <= options


def test_dump_config_tells_every_source(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "token.txt").write_text("hidden-token")
    shown = json.loads(run(archive, "--dump-config", TFKIT_TOKEN="x").stdout)
    assert shown["file"] is None
    sources = {name: (entry["from"], entry["value"]) for name, entry in shown["settings"].items()}
    assert sources["token"] == ("environment", "***")
    assert sources["model"] == ("command line", str(archive))
    assert sources["name"] == ("default", "echo")
    arguments = (archive, "--dump-config", "--token-file", tmp_path / "token.txt")
    token = json.loads(run(*arguments, TFKIT_TOKEN="x").stdout)["settings"]["token"]
    assert (token["from"], token["value"]) == ("command line", "***")
    token = json.loads(run(archive, "--dump-config").stdout)["settings"]["token"]
    assert (token["from"], token["value"]) == ("default", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"model_path" "m"}', "line 1, column 15: expected ':' delimiter"),
        ('{"model_path": "m", "processor": "tensorflow_cpu_1.9"}', "no processor is named 'tensorflow_cpu_1.9'"),
        ('{"model_path": "m", "metadata": {"rpc.keepalive": 0}}', "metadata.rpc.keepalive is 0: expected 1 to"),
        ('{"name": "digits"}', "model_path is missing"),
        ('{"name": "digits", "model_path": "nowhere"}', "nowhere"),
        ('{"name": "digits", "model_path": "nowhere.tar.gz"}', "nowhere.tar.gz"),
        ('{"name": "digits", "model_path": "bad.tar.gz"}', "bad.tar.gz is damaged or cut off"),
        ('{"name": "digits", "model_path": "http://127.0.0.1:9/"}', "http://127.0.0.1:9/"),
    ],
)
def test_what_cannot_be_served_is_told(tmp_path: Path, scratch: Path, text: str, words: str) -> None:
    (tmp_path / "bad.tar.gz").write_bytes(b"\x1f\x8b cut off")
    done = run(write(tmp_path, text), "--port", "0")
    assert (done.returncode, done.stdout) == (3, "")
    assert "tfkit: error: " in done.stderr
    assert words in done.stderr
    assert list(scratch.iterdir()) == []


def test_a_runtime_that_is_not_installed_is_told_and_where_to_get_it(home: Path) -> None:
    done = run(echo_model(), "--processor", NAME, "--port", "0")
    assert done.returncode == 4
    assert f"tfkit runtime install {NAME}" in done.stderr
    # With --install it is tried, and without an index it fails.
    done = run(echo_model(), "--processor", NAME, "--install", "--port", "0", PIP_NO_INDEX="1")
    assert done.returncode == 4
    assert "tensorflow" in done.stderr
    assert run(echo_model(), "--processor", "tensorflow_cpu_1.9", "--port", "0").returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_install_that_is_interrupted_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    wheel = find_processor(NAME).wheel
    assert wheel is not None
    build_wheel(tmp_path / "index" / wheel.project / wheel.filename, {"tensorflow/words.txt": os.urandom(1 << 20)})
    with serve_index(tmp_path / "index", stall=True) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        with Server(echo_model(), "--processor", NAME, "--install", wait=False) as server:
            assert index.stalled.wait(60)
            assert server.stop(number) == 130
            assert "Traceback" not in server.log
    assert [path.suffix for path in (home / "runtimes").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("{tmp}/nowhere",), 3, "nowhere"),
        (("{tmp}/nowhere", "--dump-config"), 3, "nowhere"),
        (("{tmp}",), 3, "is no SavedModel"),
        (("{echo}", "--model-entry", "nowhere"), 3, "holds no 'nowhere'"),
        (("{echo}", "--warm-up", "{tmp}/nowhere.bin"), 3, "nowhere.bin"),
        (("{echo}", "--op-library", "{tmp}/nowhere.so"), 3, "nowhere.so"),
        (("{echo}", "--token-file", "{tmp}/nowhere.txt"), 3, "nowhere.txt"),
        (("{echo}", "--keepalive", "0"), 2, "--keepalive 0: expected 1 to"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_installed(
    home: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    given = [each.format(tmp=tmp_path, echo=echo_model()) for each in arguments]
    done = run(*given, "--processor", NAME, "--install", "--port", "0", PIP_NO_INDEX="1")
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "downloading" not in done.stderr
    assert not home.exists()


def test_a_service_that_cannot_start_is_not_called_open_first(tmp_path: Path) -> None:
    done = run(write(tmp_path, {"model_path": "nowhere"}), "--port", "0")
    assert done.returncode == 3
    assert "no token" not in done.stderr


def test_installing_the_installed_one_does_nothing() -> None:
    with Server(echo_model(), "--install") as server:
        assert post(server, ONE).status == 200
