"""HTTP as sent by clients that are slow, hasty, broken or gone."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.serve.asking import ONE, Raw, post, rounds
from tests.served_models import echo_model, slow_model
from tests.serving import Server
from tfkit.eas.messages import PredictRequest, encode_request


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(echo_model(), "--keepalive", "1000", "--access-log") as server:
        yield server


def test_a_connection_serves_many_requests(server: Server) -> None:
    with Raw(server) as raw:
        for _ in range(50):
            raw.send(raw.head(len(ONE)) + ONE)
            assert raw.read_answer().status == 200


def test_requests_sent_ahead_are_answered_in_order(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(
            (
                raw.head(len(ONE))
                + ONE
                + raw.head("", method="GET", path="/healthz")
                + raw.head("", method="GET", path="/no")
            )
            * 5
        )
        assert [raw.read_answer().status for _ in range(15)] == [200, 200, 404] * 5


def test_requests_sent_ahead_of_a_slow_one_wait_for_it() -> None:
    with Server(slow_model()) as server, Raw(server) as raw:
        slow, quick = rounds(100), rounds(1)
        raw.send(raw.head(len(slow)) + slow + (raw.head(len(quick)) + quick) * 3)
        bodies = [raw.read_answer().body for _ in range(4)]
        assert b"\x64" in bodies[0]
        assert len(set(bodies[1:])) == 1


def test_a_request_in_single_bytes_is_put_together(server: Server) -> None:
    with Raw(server) as raw:
        for byte in raw.head(len(ONE), "X-Odd: value"):
            raw.send(bytes([byte]))
        raw.send(ONE)
        assert raw.read_answer().status == 200


def test_connection_close_and_http_1_0_are_honoured(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(raw.head(len(ONE), "Connection: close") + ONE)
        answer = raw.read_answer()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert raw.is_closed_by_server()
    with Raw(server) as raw:
        raw.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert raw.read_answer().status == 200
        assert raw.is_closed_by_server()


def test_expect_100_continue(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(raw.head(len(ONE), "Expect: 100-continue"))
        assert raw.read_answer().status == 100
        raw.send(ONE)
        assert raw.read_answer().status == 200
    with Raw(server) as raw:
        raw.send(raw.head(len(ONE), "Expect: 100-continue", path="/no"))
        assert raw.read_answer().status == 404


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /api/predict/echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/predict/echo HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/predict/echo HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/predict/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nNo colon here\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_closed(server: Server, data: bytes) -> None:
    with Raw(server) as raw:
        raw.send(data)
        assert raw.read_answer().status == 400
        raw.socket.shutdown(1)
        assert raw.is_closed_by_server()
    assert post(server, ONE).status == 200


def test_a_head_without_end_is_refused(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"a" * 200_000)
        assert raw.read_answer().status == 431


def test_any_bytes_leave_the_server_alive(server: Server) -> None:
    for _ in range(40):
        with Raw(server) as raw:
            raw.send(os.urandom(300))
            raw.socket.shutdown(1)
            try:
                raw.read_answer()
            except (ConnectionError, ValueError):
                continue
    assert post(server, ONE).status == 200
    assert "Traceback" not in server.log


def test_a_client_that_is_slow_to_send_gets_408(server: Server) -> None:
    with Raw(server) as raw:
        began = time.monotonic()
        raw.send(raw.head(len(ONE)) + ONE[:5])
        answer = raw.read_answer()
        assert answer.status == 408
        assert "1000 ms" in answer.text
        assert 0.9 < time.monotonic() - began < 5


def test_an_idle_connection_is_not_a_slow_one(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(raw.head(len(ONE)) + ONE)
        assert raw.read_answer().status == 200
        time.sleep(1.3)  # longer than a request may take
        raw.send(raw.head(len(ONE)) + ONE)
        assert raw.read_answer().status == 200


def test_a_client_that_leaves_is_logged_as_499() -> None:
    with Server(slow_model(), "--access-log") as server:
        with Raw(server) as raw:
            body = rounds(300)
            raw.send(raw.head(len(body)) + body)
            time.sleep(0.1)
        server.wait_for_log(" 499 ")
        assert post(server, rounds(1)).status == 200


def test_a_refused_request_s_body_is_dropped_and_the_connection_kept(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(raw.head(1000, path="/no") + bytes(1000) + raw.head(len(ONE)) + ONE)
        assert raw.read_answer().status == 404
        assert raw.read_answer().status == 200


def test_a_client_that_still_sends_reads_its_refusal() -> None:
    """A refusal that closes must not be lost to a reset while the client is sending 64 MB."""
    with Server(echo_model(), "--body-limit", "1") as server, Raw(server) as raw:
        raw.send(raw.head(64 * 1024**2))
        for _ in range(64):
            raw.send(bytes(1024**2))
        assert raw.read_answer().status == 413


def test_what_follows_an_answered_request_has_a_deadline_too(server: Server) -> None:
    with Raw(server) as raw:
        whole = raw.head(len(ONE)) + ONE
        raw.send(whole + whole[:-3])
        assert raw.read_answer().status == 200
        assert raw.read_answer().status == 408
        assert raw.is_closed_by_server()


def test_head_is_answered_without_a_body(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(raw.head("", method="HEAD") + raw.head(len(ONE)) + ONE)
        assert raw.read_head().status == 405
        assert raw.read_answer().status == 200


def test_a_head_just_over_the_limit_is_refused(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(raw.head("", f"X-Long: {'a' * 70_000}", method="GET", path="/healthz"))
        assert raw.read_answer().status == 431


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    """What it has asked for is bounded, and answered once it reads."""
    with Server(echo_model()) as server, Raw(server) as raw:
        body = encode_request(PredictRequest({"x": np.zeros(2_000_000, np.float32)}, "echo_DT_FLOAT"))
        request = raw.head(len(body)) + body
        sender = threading.Thread(target=lambda: [raw.send(request) for _ in range(12)], daemon=True)
        sender.start()
        time.sleep(1)
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 700_000, "8 MB each, most still at the client"
        for _ in range(12):
            assert len(raw.read_answer().body) > 8_000_000
        sender.join()


def test_memory_of_answered_requests_is_given_back(server: Server) -> None:
    body = encode_request(PredictRequest({"x": np.zeros(4_000_000, np.float32)}, "echo_DT_FLOAT"))
    with Raw(server) as raw:
        for _ in range(30):
            raw.send(raw.head(len(body)) + body)
            assert raw.read_answer().status == 200
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+)", status)[1]) < 800_000, "30 requests of 16 MB"


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    with Server(slow_model()) as server, Raw(server) as raw:
        body = rounds(100)
        raw.send(raw.head(len(body)) + body + b"this is not HTTP\r\n\r\n")
        assert raw.read_answer().status == 200
        assert raw.read_answer().status == 400
        assert raw.is_closed_by_server()
