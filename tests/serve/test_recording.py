"""``tfkit serve --record``: what it keeps of real traffic, and what it never keeps."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.serve.asking import ONE, ask, post, rounds
from tests.served_models import echo_model, mixed_model, slow_model
from tests.serving import Server
from tfkit.client import Client
from tfkit.eas.compression import compress
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.warmup.folder import read_folder, request_files

TOKEN = "a-token-that-nobody-keeps"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


def recorded(folder: Path) -> dict[str, int]:
    """How many requests of each form a folder tells of."""
    return {str(each.form): each.requests for each in read_folder(folder)}


def request(value: float = 0, rows: int = 1, *fetches: str) -> bytes:
    return encode_request(PredictRequest({"x": np.full((rows, 2), value, np.float32)}, "", fetches))


def test_requests_are_kept_by_form_and_counted(folder: Path) -> None:
    """Those of the short way as well, which are never decoded again."""
    with Server(echo_model(), "--record", str(folder), token=TOKEN) as server:
        for value in range(20):
            assert post(server, request(value), Authorization=TOKEN).status == 200
            assert post(server, request(value, 3), Authorization=TOKEN).status == 200
        assert post(server, request(1, 1, "total"), Authorization=TOKEN, X_Caller="somebody").status == 200
        words = encode_request(PredictRequest({"x": np.array([b"a", b"bc"], object)}, "echo_DT_STRING"))
        with Client(server.url, token=TOKEN, signed=True) as client:
            client.predict_bytes(words)
            client.predict_bytes(words)
        assert server.stop() == 0
        assert f"43 requests seen; 4 forms kept in {folder}, one request of each" in server.log
    assert recorded(folder) == {
        "(default): x float32[1, 2] -> all outputs": 20,
        "(default): x float32[3, 2] -> all outputs": 20,
        "(default): x float32[1, 2] -> total": 1,
        "echo_DT_STRING: x string[2] -> all outputs": 2,
    }
    assert request_files(folder)[0].read_bytes() == request(0)
    for path in folder.iterdir():
        for secret in (TOKEN, "EAS ", "somebody", "Authorization"):
            assert secret.encode() not in path.read_bytes()


def test_what_was_not_answered_with_200_is_not_kept(folder: Path) -> None:
    with Server(slow_model(), "--record", str(folder), "--keepalive", "400", token=TOKEN) as server:
        assert post(server, rounds(1)).status == 401
        assert post(server, ONE, Authorization=TOKEN).status == 400
        assert post(server, b"junk", Authorization=TOKEN).status == 400
        assert post(server, b"", Authorization=TOKEN).status == 200
        # Computed, but too late.
        late = encode_request(PredictRequest({"rounds": np.array([1500, 0], np.int32)}))
        assert post(server, late, Authorization=TOKEN).status == 408
        assert ask(server, "GET", "/healthz").status == 200
        server.wait_for_log("ready at")
    assert recorded(folder) == {}


def test_warm_up_requests_are_not_recorded_and_a_recorded_folder_warms_up(folder: Path) -> None:
    with Server(echo_model(), "--record", str(folder)) as server:
        for rows in (2, 1, 3):
            post(server, request(0, rows))
    with Server(echo_model(), "--record", str(folder), "--warm-up", str(folder), "--warm-up-sends", "2") as server:
        replayed = server.ready["warm_up"]
        assert [each["file"] for each in replayed] == list(map(str, request_files(folder)))
        assert [each["form"]["inputs"][0]["shape"] for each in replayed] == [[2, 2], [1, 2], [3, 2]]
        assert [(each["sends"], len(each["times_s"])) for each in replayed] == [(2, 2)] * 3
        lines = [line for line in server.log.splitlines() if "INFO replayed " in line]
        assert [line.partition("replayed ")[2].partition("; 2 x: ")[0] for line in lines] == [
            f"{path}: {form}" for path, form in zip(request_files(folder), recorded(folder), strict=True)
        ]
        assert "warm-up 3 files x 2 (slowest first " in server.log
    assert list(recorded(folder).values()) == [1, 1, 1]
    with Server(echo_model(), "--record", str(folder), "--warm-up", str(folder)) as server:
        post(server, request(7, 2))
    assert list(recorded(folder).values()) == [2, 1, 1]


def test_compressed_bodies_are_kept_as_requests(folder: Path) -> None:
    with Server(echo_model(), "--record", str(folder), "--decompressor", "zlib") as server:
        assert post(server, compress("zlib", ONE)).status == 200
    (path,) = request_files(folder)
    assert path.read_bytes() == ONE


def test_a_killed_service_leaves_a_folder_that_can_be_read(folder: Path) -> None:
    with Server(mixed_model(), "--record", str(folder)) as server:
        halve = encode_request(PredictRequest({"a": np.ones((1, 2), np.float32)}, "halve"))
        assert post(server, halve).status == 200
        deadline = time.monotonic() + 10
        while not recorded(folder):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.stop(signal.SIGKILL)
    (form,) = recorded(folder)
    assert form == "halve: a float32[1, 2] -> all outputs"


def test_clients_that_never_repeat_exhaust_nothing(folder: Path) -> None:
    options = ("--record", str(folder), "--record-forms", "5", "--record-limit", "1")
    with Server(echo_model(), *options) as server, Client(server.url) as client:
        for rows in range(1, 300):
            client.predict_bytes(request(0, rows))
        client.predict_bytes(request(0, 4))
        server.stop()
        assert "300 requests seen; 5 forms kept in" in server.log
        assert "; 294 of forms that are not kept" in server.log
        assert server.log.count("WARNING") == 1
    assert len(list(folder.iterdir())) == 6


def test_a_sample_is_recorded(folder: Path) -> None:
    with Server(echo_model(), "--record", str(folder), "--record-rate", "0.2") as server, Client(server.url) as client:
        for value in range(1000):
            client.predict_bytes(request(value))
    (count,) = recorded(folder).values()
    assert 120 < count < 280


def test_a_folder_that_cannot_be_recorded_to_stops_the_start(tmp_path: Path) -> None:
    with Server(echo_model(), "--record", str(tmp_path / "deep" / "er"), wait=False) as server:
        server.wait_for_log("cannot be recorded to", 60)
        assert server.process.wait(20) == 3
