"""A service's life: starting, warming up, being ready, stopping; and what keeps it from starting."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.serve.asking import ONE, Raw, ask, post, rounds
from tests.served_models import echo_model, faulty_model, mixed_model, slow_model
from tests.serving import Server, free_port
from tfkit import proto
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.inputs.tfrecord import write_records
from tfkit.processors.cuda import has_card
from tfkit.warmup.tf_serving import WARMUP_FILE, encode_log

FROZEN = Path(__file__).parents[1] / "old_tensorflow" / "fixtures" / "tf_2.7" / "frozen.pb"


def warm_up_file(folder: Path, body: bytes) -> str:
    path = folder / "warm_up_test.bin"
    path.write_bytes(body)
    return str(path)


def failed_start(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Exit code and stderr of a ``tfkit serve`` that must not start."""
    import os

    done = subprocess.run(
        [sys.executable, "-m", "tfkit.cli", "serve", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_one_line_says_what_is_served_and_one_before_it_what_was_replayed(tmp_path: Path) -> None:
    path = warm_up_file(tmp_path, ONE)
    with Server(echo_model(), "--name", "my_echo", "--warm-up", path) as server:
        assert server.ready["url"] == server.url
        replayed, line = server.wait_for_log("ready at").strip().splitlines()
        assert f"INFO replayed {path}: (default): x float32[1, 2] -> all outputs; 5 x: " in replayed
        assert len(re.findall(r" \d+\.\d\d ms", replayed)) == 5
        for part in (server.url, str(echo_model()), server.ready["tensorflow"], "cpu", "warm_up_test.bin x 5"):
            assert part in line
        if server.ready["fell_back"]:
            assert ("on cpu (no NVIDIA card)" in line) != has_card()
        assert re.search(r"started in \d+\.\d\d s", line)
        assert server.stop() == 0
        assert "stopped after" in server.log


def test_many_sends_are_told_in_short_and_in_full_as_json(tmp_path: Path) -> None:
    path = warm_up_file(tmp_path, ONE)
    with Server(echo_model(), "--warm-up", path, "--warm-up-sends", "100") as server:
        (told,) = server.ready["warm_up"]
        assert (told["file"], told["sends"], len(told["times_s"])) == (path, 100, 100)
        assert told["form"] == {
            "signature_name": "",
            "output_filter": [],
            "inputs": [{"name": "x", "dtype": "DT_FLOAT", "shape": [1, 2]}],
        }
        assert len(re.findall(r"; 100 x:( \d+\.\d\d ms,){7} \.\.\. \d+\.\d\d ms\n", server.log)) == 1


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """What TensorFlow Serving takes: versions of a model, the newest with a warm-up file of two requests."""
    for version in ("1", "2"):
        shutil.copytree(echo_model(), tmp_path / "echoes" / version)
    file = tmp_path / "echoes" / "2" / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    other = proto.message("tensorflow.serving.PredictionLog")()
    other.classify_log.SetInParent()
    requests = [PredictRequest({"x": np.zeros((rows, 2), np.float32)}) for rows in (1, 3)]
    records = [encode_log(requests[0]), other.SerializeToString(), encode_log(requests[1])]
    with file.open("wb") as stream:
        write_records(stream, records)
    return tmp_path / "echoes"


def test_the_newest_version_is_served_and_its_own_warm_up_replayed(versions: Path) -> None:
    with Server(versions, "--warm-up-sends", "2") as server:
        file = str(versions / "2" / WARMUP_FILE)
        assert (server.name, server.ready["model"]) == ("echoes", str(versions / "2"))
        replayed = server.ready["warm_up"]
        assert [(each["file"], each["record"], each["sends"]) for each in replayed] == [(file, 1, 2), (file, 3, 2)]
        assert [each["form"]["inputs"][0]["shape"] for each in replayed] == [[1, 2], [3, 2]]
        for words in (
            f"the model has a warm-up file of its own, {WARMUP_FILE}: it is replayed (--no-warm-up: not)",
            f"INFO replayed {file}, record 1: (default): x float32[1, 2] -> all outputs; 2 x: ",
            f"WARNING skipped {file}, record 2: a classify_log",
            "warm-up 2 requests x 2 (slowest first ",
        ):
            assert words in server.log
        assert post(server, ONE).status == 200
    with Server(versions / "2", "--no-warm-up") as server:
        assert (server.name, server.ready["warm_up"]) == ("echoes", [])


def test_a_damaged_warm_up_file_of_a_model_stops_the_start(versions: Path) -> None:
    """So it does in TensorFlow Serving."""
    file = versions / "2" / WARMUP_FILE
    file.write_bytes(file.read_bytes()[:-3])
    code, log = failed_start(versions, "--port", "0")
    assert (code, str(file) in log, "give --no-warm-up" in log) == (3, True, True)
    with file.open("wb") as stream:
        write_records(stream, [b"not a log"])
    code, log = failed_start(versions, "--port", "0")
    assert (code, f"{file}, record 1: not a PredictionLog" in log, "--no-warm-up" in log) == (3, True, True)


def test_503_until_the_warm_up_is_done(tmp_path: Path) -> None:
    port = free_port()
    path = warm_up_file(tmp_path, rounds(800))
    options = ("--port", str(port), "--name", "slow", "--warm-up", path, "--warm-up-sends", "2")
    with Server(slow_model(), *options, wait=False) as server:
        server.ready = {"url": f"http://127.0.0.1:{port}/api/predict/slow"}
        seen = set()
        deadline = time.monotonic() + 60
        while "ready at" not in server.log:
            assert time.monotonic() < deadline
            try:
                predicted = ask(server, "POST", "/api/predict/slow", rounds(1)).status
                ready = ask(server, "GET", "/readyz").status
                healthy = ask(server, "GET", "/healthz").status
            except ConnectionRefusedError:
                continue
            seen.add((predicted, ready, healthy))
        assert (503, 503, 200) in seen
        assert ask(server, "GET", "/readyz").status == 200
        assert ask(server, "POST", "/api/predict/slow", rounds(1)).status == 200


@pytest.mark.parametrize(
    ("model", "body", "code", "words"),
    [
        (echo_model, b"", 3, ["warm_up_test.bin", "empty"]),
        (echo_model, b"not a request at all", 3, ["warm_up_test.bin"]),
        (echo_model, encode_request(PredictRequest({"z": np.zeros(1, np.float32)})), 3, ["'z'", "warmup-gen"]),
        (faulty_model, encode_request(PredictRequest({"mode": np.array(2, np.int32)})), 5, ["No such file"]),
    ],
)
def test_a_failing_warm_up_stops_the_start(tmp_path: Path, model, body: bytes, code: int, words: list[str]) -> None:
    path = warm_up_file(tmp_path, body)
    exit_code, log = failed_start(model(), "--warm-up", path, "--port", "0")
    assert exit_code == code
    for word in words:
        assert word in log


def test_what_keeps_a_service_from_starting(tmp_path: Path) -> None:
    assert failed_start(tmp_path / "nowhere", "--port", "0")[0] == 3
    code, log = failed_start(echo_model(), "--device", "gpu:63", "--port", "0")
    assert (code, "gpu:63" in log) == (4, True)
    code, log = failed_start(echo_model(), "--device", "tpu")
    assert (code, "gpu:N" in log) == (2, True)
    code, log = failed_start(echo_model(), "--intra-op-threads", str(2**32 - 1))
    assert (code, "0 to 1024" in log) == (2, True)
    code, log = failed_start(echo_model(), "--token-file", tmp_path / "no-token", "--port", "0")
    assert (code, "no-token" in log) == (3, True)
    (tmp_path / "empty").write_text("\n")
    code, log = failed_start(echo_model(), "--token-file", tmp_path / "empty", "--port", "0")
    assert (code, "empty" in log) == (3, True)
    assert failed_start(echo_model(), "--port", "0", TFKIT_TOKEN="")[0] == 3
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, log = failed_start(echo_model(), "--port", str(port))
        assert (code, str(port) in log) == (4, True)


def test_damaged_models_are_told(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(mixed_model(), model)
    (model / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    code, log = failed_start(model, "--port", "0")
    assert (code, "variables.data-00000-of-00001" in log) == (3, True)
    (model / "saved_model.pb").write_bytes((model / "saved_model.pb").read_bytes()[:500])
    code, log = failed_start(model, "--port", "0")
    assert (code, "saved_model.pb" in log) == (3, True)


def test_a_token_file_s_last_newline_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("secret\n")
    with Server(echo_model(), "--token-file", str(tmp_path / "token.txt")) as server:
        assert post(server, ONE, Authorization="secret").status == 200
        assert post(server, ONE).status == 401
        arguments = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert b"secret" not in arguments
        assert "secret" not in server.log


def test_a_public_address_without_a_token_is_warned_about() -> None:
    with Server(echo_model(), "--host", "0.0.0.0") as server:
        assert "no token" in server.wait_for_log("WARNING")


def test_tags_of_a_frozen_graph_are_ignored_and_that_is_said_once() -> None:
    with Server(FROZEN, "--tags", "serve,gpu") as server:
        assert server.log.count("--tags") == 1
        assert "--tags serve,gpu is ignored: a frozen graph has no tag sets" in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_answered_before_it_stops(number: int) -> None:
    with Server(slow_model(), "--keepalive", "30000") as server, Raw(server) as raw, Raw(server) as idle:
        body = rounds(800)
        raw.send(raw.head(len(body)) + body)
        idle.send(idle.head("", method="GET", path="/healthz"))
        assert idle.read_answer().status == 200
        time.sleep(0.2)
        stopper = threading.Thread(target=server.stop, args=(number,))
        stopper.start()
        answer = raw.read_answer()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert idle.is_closed_by_server()
        stopper.join()
        assert server.process.returncode == 0


def test_a_second_signal_does_not_wait() -> None:
    with Server(slow_model(), "--keepalive", "60000", wait=True) as server, Raw(server) as raw:
        body = rounds(20_000)
        raw.send(raw.head(len(body)) + body)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5


def test_a_signal_while_loading_ends_it(tmp_path: Path) -> None:
    path = warm_up_file(tmp_path, rounds(20_000))
    with Server(slow_model(), "--warm-up", path, wait=False) as server:
        maps = Path(f"/proc/{server.process.pid}/maps")
        deadline = time.monotonic() + 60
        while "libtensorflow_cc" not in maps.read_text():  # it is at work, and its handlers are set
            assert time.monotonic() < deadline
            time.sleep(0.05)
        began = time.monotonic()
        assert server.stop() in (0, 130)
        assert time.monotonic() - began < 5


def test_serving_never_imports_tensorflow() -> None:
    with Server(echo_model()) as server:
        post(server, ONE)
        maps = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "libtensorflow_cc" in maps
        assert "_pywrap_tensorflow" not in maps


def test_a_model_in_text_form_is_served(tmp_path: Path) -> None:
    from tfkit import proto

    shutil.copytree(echo_model(), tmp_path / "model")
    binary = tmp_path / "model" / "saved_model.pb"
    model = proto.message("tensorflow.SavedModel").FromString(binary.read_bytes())
    binary.with_suffix(".pbtxt").write_text(str(model))
    binary.unlink()
    with Server(tmp_path / "model") as server:
        assert post(server, ONE).status == 200


def test_discovery_on_an_ipv6_address() -> None:
    with Server(echo_model(), "--name", "echo", "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        connection = http.client.HTTPConnection("::1", int(server.url.split("]:")[1].split("/")[0]), timeout=10)
        connection.request("GET", "/api/v1/servicediscovery/upstreams/echo")
        (item,) = json.loads(connection.getresponse().read())["endpoints"]["items"]
        connection.close()
        assert item["ip"] == "[::1]"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--keepalive", "0"), "keepalive"),
        (("--grace", "nan"), "grace"),
        (("--worker-threads", "100000"), "--worker-threads"),
        (("--advertise", "host:99999"), "--advertise"),
        (("--decompressor", "rar"), "gzip"),
        (("--name", "a name"), "--name"),
        (("--record-rate", "2"), "--record-rate"),
        (("--record-forms", "0"), "--record-forms"),
        (("--record-limit", "0"), "--record-limit"),
    ],
)
def test_options_out_of_range_are_usage_errors(options: tuple[str, ...], word: str) -> None:
    code, log = failed_start(echo_model(), "--port", "0", *options)
    assert code == 2
    assert word in log
