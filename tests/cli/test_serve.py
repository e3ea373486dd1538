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

from tests.serve.asking import ONE, post
from tests.served_models import echo_model, mixed_model
from tests.serving import Server
from tfkit.client import Client


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
        assert server.ready["warm_up"][0].startswith("warm_up.bin x 5")
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
        assert server.ready["warm_up"][0].startswith("warm_up.bin x 5")
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
            {"a": np.array([[1, 2]], np.float32), "word": np.array([b"green"])}, outputs=["index"]
        )
        assert outputs["index"].tolist() == [1]
    path = write(tmp_path, {"name": "two", "model_path": "both.zip", "model_entry": "echo"})
    with Server(path) as server:
        assert post(server, ONE).status == 200
    assert list(scratch.iterdir()) == []


def test_dump_config_shows_all_that_is_in_force(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "name": "digits",
            "token": "hidden-token",
            "model_path": "https://me:word@host/digits.zip?Signature=abc",
            "processor": "tensorflow_cpu_1.15",
            "warm_up_data_path": "warm_up.bin",
            "metadata": {"rpc": {"keepalive": 1000, "rate_limit": "7"}, "eas": {"termination_grace_period": 3}},
        },
    )
    done = run(path, "--dump-config", "--max-queue-size", "64", "--no-gpu-memory-growth", "--op-library", "my_ops.so")
    assert done.returncode == 0
    assert "metadata.rpc.rate_limit is the string '7', taken as 7" in done.stderr
    assert "hidden-token" not in done.stdout + done.stderr
    assert json.loads(done.stdout) == {
        "file": str(path),
        "settings": {
            "access_log": {"from": "default", "value": False},
            "advertise": {"from": "default", "value": ""},
            "body_limit_bytes": {"from": "default", "value": 256 * 1024 * 1024},
            "decompressor": {"from": "default", "value": ""},
            "device": {"from": "default", "value": "auto"},
            "gpu_memory_fraction": {"from": "default", "value": 0.0},
            "gpu_memory_growth": {"from": "command line", "value": False},
            "grace_s": {"from": "file", "value": 3},
            "host": {"from": "default", "value": "127.0.0.1"},
            "inter_op_threads": {"from": "default", "value": -1},
            "intra_op_threads": {"from": "default", "value": 0},
            "keepalive_ms": {"from": "file", "value": 1000},
            "max_queue_size": {"from": "command line", "value": 64},
            "model": {"from": "file", "value": "https://host/digits.zip"},
            "model_entry": {"from": "default", "value": ""},
            "name": {"from": "file", "value": "digits"},
            "op_libraries": {"from": "command line", "value": ["my_ops.so"]},
            "port": {"from": "default", "value": 8500},
            "processor": {"from": "file", "value": "tensorflow_cpu_1.15"},
            "rate_limit": {"from": "file", "value": 7},
            "tags": {"from": "default", "value": ["serve"]},
            "token": {"from": "file", "value": "***"},
            "warm_up": {"from": "file", "value": [str(tmp_path / "warm_up.bin")]},
            "warm_up_sends": {"from": "default", "value": 5},
            "worker_threads": {"from": "default", "value": 5},
        },
    }


def test_dump_config_tells_every_source(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("hidden-token")
    shown = json.loads(run(tmp_path / "digits.tar.gz", "--dump-config", TFKIT_TOKEN="x").stdout)
    assert shown["file"] is None
    assert shown["settings"]["token"] == {"from": "environment", "value": "***"}
    assert shown["settings"]["model"]["from"] == "command line"
    assert shown["settings"]["name"] == {"from": "default", "value": "digits"}
    arguments = (tmp_path / "digits.tar.gz", "--dump-config", "--token-file", tmp_path / "token.txt")
    shown = json.loads(run(*arguments, TFKIT_TOKEN="x").stdout)
    assert shown["settings"]["token"] == {"from": "command line", "value": "***"}
    shown = json.loads(run(tmp_path / "digits.tar.gz", "--dump-config").stdout)
    assert shown["settings"]["token"] == {"from": "default", "value": ""}


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


def test_a_runtime_that_is_not_installed_is_told_and_where_to_get_it(tmp_path: Path) -> None:
    home = {"TFKIT_HOME": str(tmp_path / "home")}
    done = run(echo_model(), "--processor", "tensorflow_cpu_1.15", "--port", "0", **home)
    assert done.returncode == 4
    assert "tfkit runtime install tensorflow_cpu_1.15" in done.stderr
    # With --install it is tried, and without an index it fails.
    done = run(echo_model(), "--processor", "tensorflow_cpu_1.15", "--install", "--port", "0", PIP_NO_INDEX="1", **home)
    assert done.returncode == 4
    assert "tensorflow" in done.stderr
    assert run(echo_model(), "--processor", "tensorflow_cpu_1.9", "--port", "0").returncode == 2


def test_installing_the_installed_one_does_nothing() -> None:
    with Server(echo_model(), "--install") as server:
        assert post(server, ONE).status == 200
