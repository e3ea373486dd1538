"""``tfkit record``: a proxy that hands on bytes, both ways, and keeps one request of each form."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.serve.asking import ONE, Answer, Raw, ask, post, rounds
from tests.served_models import echo_model, slow_model
from tests.serving import RecordingProxy, Server, free_port
from tfkit.client import Client
from tfkit.eas.compression import compress
from tfkit.eas.messages import PredictRequest, decode_response, encode_request
from tfkit.errors import UsageError
from tfkit.serve.proxy import ProxySettings, record_requests
from tfkit.serve.upstream import Upstream
from tfkit.warmup.folder import read_folder, request_files

TOKEN = "a-token-that-nobody-keeps"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    with Server(echo_model(), "--name", "echo", token=TOKEN) as server:
        yield server


class Foreign(BaseHTTPRequestHandler):
    """A service that is not ours: it answers what a test tells it to, and remembers what came."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.received.append((self.command, self.path, self.headers, body))
        server.behave(self)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815

    def give(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what matters."""


@pytest.fixture(scope="module")
def foreign() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    server.daemon_threads = True
    server.url = f"http://127.0.0.1:{server.server_port}/api/predict/far"
    server.stopped = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def far(foreign: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordingProxy]:
    """A proxy in front of the service that is not ours."""
    token_file = tmp_path_factory.mktemp("token") / "token.txt"
    token_file.write_text(f"{TOKEN}\n")
    options = ("--token-file", str(token_file), "--timeout", "1", "--body-limit", "1")
    with RecordingProxy(foreign.url, tmp_path_factory.mktemp("far") / "records", *options) as proxy:
        yield proxy


@pytest.fixture
def received(foreign: Any) -> Any:
    """What the service that is not ours was asked in this test."""
    foreign.received = []
    foreign.behave = lambda handler: handler.give(200, b"fine")
    return foreign.received


def recorded(folder: Path) -> dict[str, int]:
    return {str(each.form): each.requests for each in read_folder(folder)}


def test_answers_are_the_service_s_own_and_requests_are_kept(service: Server, folder: Path) -> None:
    with RecordingProxy(service.url, folder) as proxy:
        assert proxy.ready == {"url": proxy.url, "upstream": service.url, "output": str(folder)}
        assert urlsplit(proxy.url).path == "/api/predict/echo"
        direct, passed = (post(server, ONE, Authorization=TOKEN) for server in (service, proxy))
        assert (passed.status, passed.body) == (200, direct.body)
        assert {name.lower(): value for name, value in passed.headers.items()} == {
            name.lower(): value for name, value in direct.headers.items()
        }
        for signed in (True, False):
            with Client(proxy.url, token=TOKEN, signed=signed) as client:
                assert client.structure().input("x").shape == (None, 2)
                assert client.predict({"x": np.ones((2, 2), np.float32)})["total"].tolist() == [2, 2]
        for body, token, status in ((ONE, "wrong", 401), (b"junk", TOKEN, 400)):
            answer = post(proxy, body, Authorization=token)
            assert (answer.status, answer.body) == (status, post(service, body, Authorization=token).body)
        assert proxy.stop() == 0
        assert "3 requests seen; 2 forms kept in" in proxy.log
        assert TOKEN not in proxy.log
    assert recorded(folder) == {
        "(default): x float32[1, 2] -> all outputs": 1,
        "(default): x float32[2, 2] -> all outputs": 2,
    }
    assert all(TOKEN.encode() not in path.read_bytes() for path in folder.iterdir())
    with Server(echo_model(), "--warm-up", str(folder)) as warm:
        assert [each["file"] for each in warm.ready["warm_up"]] == list(map(str, request_files(folder)))


def test_many_clients_at_once_keep_their_connections(service: Server, folder: Path) -> None:
    def ask_often(client: int) -> None:
        with Raw(proxy) as raw:
            for value in range(20):
                body = encode_request(PredictRequest({"x": np.full((1, 2), client * 100 + value, np.float32)}))
                raw.send(raw.head(len(body), f"Authorization: {TOKEN}") + body)
                answer = raw.read_answer()
                assert answer.status == 200
                assert decode_response(answer.body).outputs["total"].tolist() == [2 * (client * 100 + value)]

    with RecordingProxy(service.url, folder) as proxy:
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(ask_often, range(16)))
        assert proxy.stop() == 0
    assert list(recorded(folder).values()) == [320]


def test_requests_pass_unchanged(received: list[Any], far: RecordingProxy) -> None:
    target = "/api/predict/far/v1/%E4%BD%A0?a=1&b=%2F"
    headers = {"User-Agent": "a client", "X-Trace": "1-2", "Authorization": "EAS c2ln", "Content-MD5": "00ff"}
    answer = ask(far, "POST", target, b"abc", **{name.replace("-", "_"): value for name, value in headers.items()})
    assert (answer.status, answer.body) == (200, b"fine")
    ((method, path, came, body),) = received
    assert (method, path, body) == ("POST", target, b"abc")
    assert {name: came[name] for name in headers} == headers
    assert came["Host"] == urlsplit(far.ready["upstream"]).netloc


def test_hop_by_hop_headers_stay_behind(received: list[Any], far: RecordingProxy) -> None:
    with Raw(far) as raw:
        raw.send(
            raw.head(
                "", "Transfer-Encoding: chunked", "Connection: keep-alive, X-Mine", "X-Mine: 1", "TE: trailers",
                "Accept: a", "Accept: b",
            )
            + b"3\r\nabc\r\n0\r\n\r\n"
        )  # fmt: skip
        assert raw.read_answer().status == 200
    ((_, _, came, body),) = received
    assert body == b"abc"
    assert sorted(name.lower() for name in came) == [
        "accept", "authorization", "content-length", "host",
    ]  # fmt: skip
    assert (came["Accept"], came["Authorization"]) == ("a, b", TOKEN)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_methods_pass(received: list[Any], far: RecordingProxy, method: str) -> None:
    assert ask(far, method, "/api/predict/far").body == b"fine"
    assert [(each[0], each[3]) for each in received] == [(method, b"")]


def test_a_head_request_keeps_the_length(received: list[Any], far: RecordingProxy) -> None:
    answer = ask(far, "HEAD", "/api/predict/far")
    assert {name.lower(): value for name, value in answer.headers.items()}["content-length"] == "4"
    assert (answer.status, answer.body, len(received)) == (200, b"", 1)


@pytest.mark.parametrize("status", [204, 302, 404, 429, 450, 500, 503])
def test_every_status_passes(foreign: Any, received: list[Any], far: RecordingProxy, status: int) -> None:
    body = b"" if status == 204 else b"the reason"
    foreign.behave = lambda handler: handler.give(status, body, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    connection = http.client.HTTPConnection(far.endpoint, timeout=30)
    for _ in range(2):
        connection.request("POST", "/api/predict/far", ONE)
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, body)
        assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    connection.close()
    assert len(received) == 2, "nothing is sent again"


def test_a_packed_answer_stays_packed(foreign: Any, received: list[Any], far: RecordingProxy) -> None:
    packed = gzip.compress(b"fine")
    foreign.behave = lambda handler: handler.give(200, packed, ("Content-Encoding", "gzip"))
    answer = post(far, ONE)
    assert (answer.body, answer.headers["Content-Encoding"]) == (packed, "gzip")
    assert len(received) == 1


def test_a_header_cannot_become_two(foreign: Any, received: list[Any], far: RecordingProxy) -> None:
    def fold(handler: Foreign) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b: c\r\nContent-Length: 4\r\n\r\nfine")

    foreign.behave = fold
    headers = {name.lower(): value for name, value in post(far, ONE).headers.items()}
    assert headers["x-folded"].split() == ["a", "b:", "c"]
    assert len(received) == 1


def test_a_service_that_takes_too_long_is_504(foreign: Any, received: list[Any], far: RecordingProxy) -> None:
    foreign.behave = lambda handler: handler.server.stopped.wait(3)
    answer = post(far, ONE)
    assert (answer.status, len(received)) == (504, 1)
    assert "no whole answer within 1 s" in answer.text


def test_a_service_that_breaks_off_is_502(foreign: Any, received: list[Any], far: RecordingProxy) -> None:
    def break_off(handler: Foreign) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        handler.close_connection = True

    foreign.behave = break_off
    answer = post(far, ONE)
    assert answer.status == 502
    assert "before the answer was complete: IncompleteRead(4 bytes read, 96 more expected)" in answer.text
    foreign.behave = lambda handler: (
        handler.wfile.write(b"no HTTP at all\r\n\r\n") and setattr(handler, "close_connection", True)
    )
    assert post(far, ONE).status == 502
    assert len(received) == 2
    assert "Traceback" not in far.log


def test_a_service_that_is_not_there_is_502(folder: Path) -> None:
    with RecordingProxy(f"http://127.0.0.1:{free_port()}/api/predict/gone", folder) as proxy:
        answer = post(proxy, ONE)
        assert answer.status == 502
        assert "cannot be reached: Connection refused" in answer.text
        assert ask(proxy, "GET", "/healthz").status == 200
    assert recorded(folder) == {}


@pytest.mark.parametrize(
    ("host", "listens", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "127.0.0.1", True),
        ("[::1]", "0.0.0.0", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "10.0.0.1", False),
    ],
)
def test_a_proxy_does_not_ask_itself(host: str, listens: str, same: bool) -> None:
    upstream = Upstream(f"http://{host}:8600/api/predict/me", "", 1)
    assert upstream.is_at(listens, 8600) is same
    assert not upstream.is_at(listens, 8601)


def test_the_proxy_s_own_address_is_no_upstream(folder: Path) -> None:
    settings = ProxySettings(upstream="http://localhost:8600/api/predict/me", output=folder)
    with pytest.raises(UsageError, match="is where the proxy itself is to listen"):
        record_requests(settings, lambda _: None)
    assert not folder.exists()


@pytest.mark.parametrize(
    "path",
    ["/", "/api/predict/other", "/api/predict/farther", "/api/predict/far/../other", "/api/predict/far/%2e%2e/other"],
)
def test_no_other_service_is_asked(received: list[Any], far: RecordingProxy, path: str) -> None:
    """It would be given the token."""
    assert ask(far, "POST", path, ONE).status == 404
    assert received == []


def test_discovery_is_answered_with_the_proxy_s_own_address(received: list[Any], far: RecordingProxy) -> None:
    host, _, port = far.endpoint.rpartition(":")
    for prefix in ("/api/v1/servicediscovery/upstreams/", "/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/"):
        (item,) = json.loads(ask(far, "GET", f"{prefix}far").body)["endpoints"]["items"]
        assert (item["ip"], item["port"]) == (host, int(port))
    assert received == []


def test_bodies_and_heads_have_limits(received: list[Any], far: RecordingProxy) -> None:
    with Raw(far) as raw:
        raw.send(raw.head(2 << 20))
        assert raw.read_answer().status == 413
    assert ask(far, "POST", "/api/predict/far", ONE, X_Long="a" * 70_000).status == 431
    assert received == []


def test_what_is_no_predict_request_passes_and_is_told_once(received: list[Any], far: RecordingProxy) -> None:
    for _ in range(3):
        assert post(far, b'{"instances": []}').body == b"fine"
    assert far.wait_for_log("cannot be read").count("cannot be read") == 1
    assert len(received) == 3


def test_packed_requests_are_kept_unpacked(folder: Path, foreign: Any, received: list[Any]) -> None:
    with RecordingProxy(foreign.url, folder, "--decompressor", "snappy") as proxy:
        assert post(proxy, compress("snappy", ONE)).status == 200
    assert received[0][3] == compress("snappy", ONE)
    assert [path.read_bytes() for path in request_files(folder)] == [ONE]


def test_beyond_the_queue_it_is_450(folder: Path) -> None:
    with Server(slow_model(), "--keepalive", "60000") as slow:
        options = ("--worker-threads", "1", "--max-queue-size", "1")
        with RecordingProxy(slow.url, folder, *options) as proxy, ThreadPoolExecutor(4) as threads:
            answers: list[Answer] = list(threads.map(lambda _: post(proxy, rounds(500)), range(4)))
            assert sorted({each.status for each in answers}) == [200, 450]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_requests_in_flight_are_answered_before_it_stops(folder: Path, number: int) -> None:
    with Server(slow_model(), "--keepalive", "60000") as slow, RecordingProxy(slow.url, folder) as proxy:
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(post, proxy, rounds(800))
            time.sleep(0.3)
            assert proxy.stop(number) == 0
            assert answer.result().status == 200
        assert "Traceback" not in proxy.log
    assert list(recorded(folder).values()) == [1]


def test_an_upstream_that_never_answers_does_not_keep_it(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/predict/silent"
        with RecordingProxy(url, folder, "--grace", "0.2") as proxy, Raw(proxy) as raw:
            raw.send(raw.head(len(ONE)) + ONE)
            silent.accept()[0].close()  # the next one is never accepted
            assert raw.read_answer().status == 502
            raw.send(raw.head(len(ONE)) + ONE)
            time.sleep(0.2)
            began = time.monotonic()
            assert proxy.stop() == 0
            assert time.monotonic() - began < 5
            assert "Traceback" not in proxy.log
    assert recorded(folder) == {}
