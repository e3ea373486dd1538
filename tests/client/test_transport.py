"""The way to a service, with one that does as it is told: networks, proxies and clouds do worse than a real one."""

from __future__ import annotations

import gzip
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from tests.client.scripted import Say, ScriptedService
from tests.serving import free_port
from tfkit.client import Client
from tfkit.eas.messages import encode_response
from tfkit.errors import InputError, MessageError, MissingError, ServiceError, UsageError

ANSWER = encode_response({"y": np.arange(4, dtype=np.float32)})
X = {"x": np.zeros(1, np.float32)}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class TestUrl:
    @pytest.mark.parametrize(
        "url",
        ["", "digits", "127.0.0.1:8500", "127.0.0.1:8500/api/predict/x", "http://h:8500", "http://h:8500/", "http://",
         "ftp://h/api/predict/x", "http:///api/predict/x", "http://h:port/api/predict/x", "http://[::1/api/predict/x"],
    )  # fmt: skip
    def test_what_is_no_services_url_is_told_the_form(self, url: str) -> None:
        with pytest.raises(UsageError) as caught:
            Client(url)
        assert "http://HOST:PORT/api/predict/NAME" in caught.value.hint

    def test_password_in_the_url_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(UsageError) as caught:
            Client("http://me:s3cret@h/api/predict/x")
        assert "s3cret" not in str(caught.value)

    def test_further_path_and_query_are_sent(self) -> None:
        with ScriptedService(Say(body=ANSWER)) as service, Client(f"{service.url}/v1?a=b#c", token="t") as client:
            client.predict(X)
        assert service.heard[0].path == "/api/predict/scripted/v1?a=b"

    @pytest.mark.parametrize(
        "arguments",
        [
            {"signed": True},
            {"compression": "bzip2"},
            {"retries": -1},
            *({"timeout_s": value} for value in (0, -1, float("nan"), float("inf"), 1e300, "5", None)),
        ],
    )
    def test_arguments_that_make_no_sense_are_refused(self, arguments: dict[str, object]) -> None:
        with pytest.raises(UsageError):
            Client("http://h/api/predict/x", **arguments)  # type: ignore[arg-type]


class TestHeaders:
    def test_raw_token_is_sent_as_it_is(self) -> None:
        with ScriptedService(Say(body=ANSWER)) as service, Client(service.url, token="secret") as client:
            client.predict(X)
        headers = service.heard[0].headers
        assert headers["Authorization"] == "secret"
        assert headers["User-Agent"].startswith("tfkit/")
        assert "Content-Encoding" not in headers

    def test_signed_request_does_not_hold_the_token(self) -> None:
        with ScriptedService(Say(body=ANSWER)) as service, Client(service.url, token="secret", signed=True) as client:
            client.predict(X)
        headers = service.heard[0].headers
        assert headers["Authorization"].startswith("EAS ")
        assert "secret" not in str(headers)
        assert len(headers["Content-MD5"]) == 32

    def test_line_break_after_the_token_is_not_sent(self) -> None:
        with ScriptedService(Say(body=ANSWER)) as service, Client(service.url, token="secret\n") as client:
            client.predict(X)
        assert service.heard[0].headers["Authorization"] == "secret"

    @pytest.mark.parametrize("token", ["\n", " ", "s3cr\net", "s3cret\u00e9", "s3cret\0"])
    def test_token_that_no_header_can_carry_is_refused_and_not_shown(self, token: str) -> None:
        with pytest.raises(InputError, match="token") as caught:
            Client("http://h/api/predict/x", token=token)
        assert "s3cr" not in str(caught.value)

    def test_error_keeps_only_the_start_of_the_body(self) -> None:
        with (
            ScriptedService(Say(500, b"x" * 10_000)) as service,
            Client(service.url) as client,
            pytest.raises(ServiceError) as caught,
        ):
            client.predict(X)
        assert caught.value.body == b"x" * 4096

    def test_open_service_gets_no_authorization(self) -> None:
        with ScriptedService(Say(body=ANSWER)) as service, Client(service.url) as client:
            client.predict(X)
        assert "Authorization" not in service.heard[0].headers


class TestAnswers:
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("encoding", ["", "gzip"])
    def test_answers_are_read_in_every_form(self, chunked: bool, encoding: str) -> None:
        body, headers = (gzip.compress(ANSWER), {"Content-Encoding": "gzip"}) if encoding else (ANSWER, {})
        with (
            ScriptedService(Say(body=body, headers=headers, chunked=chunked)) as service,
            Client(service.url) as client,
        ):
            for _ in range(2):  # the second on the same connection
                assert client.predict(X)["y"].tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize("encoding", ["", "gzip"])
    def test_answer_over_the_limit_is_not_read_to_its_end(self, encoding: str) -> None:
        body = bytes(50_000_000)
        headers = {}
        if encoding:
            body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
        with (
            ScriptedService(Say(body=body, headers=headers), Say(body=ANSWER)) as service,
            Client(service.url, answer_limit_bytes=1_000_000) as client,
        ):
            with pytest.raises(InputError, match="larger than 1000000 bytes"):
                client.predict(X)
            assert client.predict(X)["y"].tolist() == [0, 1, 2, 3]

    def test_answer_that_is_no_message_names_the_service(self) -> None:
        with ScriptedService(Say(body=b"<html>")) as service, Client(service.url) as client:
            with pytest.raises(MessageError, match=service.url):
                client.predict(X)
            with pytest.raises(MessageError, match=service.url):
                client.structure()
            assert client.find_structure() is None

    def test_redirect_is_not_followed_with_the_token(self) -> None:
        with (
            ScriptedService(Say(302, headers={"Location": "https://elsewhere/"})) as service,
            Client(service.url, token="t") as client,
            pytest.raises(ServiceError) as caught,
        ):
            client.predict(X)
        assert caught.value.status == 302
        assert "https://elsewhere/" in caught.value.hint
        assert len(service.heard) == 1

    @pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 429, 450, 500, 503, 504])
    def test_error_statuses_tell_what_to_do(self, status: int) -> None:
        with (
            ScriptedService(Say(status, b"why not")) as service,
            Client(service.url, retries=0) as client,
            pytest.raises(ServiceError, match=f"{status}: why not") as caught,
        ):
            client.predict(X)
        assert caught.value.status == status
        assert caught.value.body == b"why not"
        assert caught.value.hint

    def test_cloud_that_is_not_ready_may_answer_an_empty_404(self) -> None:
        with ScriptedService(Say(503), Say(404), Say(450), Say(200, b"{}")) as service, Client(service.url) as client:
            client.wait_until_ready(10)
        assert len(service.heard) == 4

    def test_frozen_graph_counts_as_ready(self) -> None:
        with ScriptedService(Say(503), Say(500, b"no signature")) as service, Client(service.url) as client:
            client.wait_until_ready(10)
            assert client.find_structure() is None


class TestRetries:
    @pytest.mark.parametrize("status", [429, 450, 503])
    def test_what_was_refused_before_it_was_computed_is_sent_again(self, status: int) -> None:
        with ScriptedService(Say(status), Say(status), Say(body=ANSWER)) as service, Client(service.url) as client:
            assert client.predict(X)["y"].size == 4
        assert len(service.heard) == 3
        assert len({heard.body for heard in service.heard}) == 1

    def test_tries_are_counted(self) -> None:
        with (
            ScriptedService(Say(503)) as service,
            Client(service.url, retries=1) as client,
            pytest.raises(ServiceError),
        ):
            client.predict(X)
        assert len(service.heard) == 2

    @pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 500, 502, 504])
    def test_what_may_have_been_computed_or_cannot_succeed_is_not(self, status: int) -> None:
        with (
            ScriptedService(Say(status), Say(body=ANSWER)) as service,
            Client(service.url) as client,
            pytest.raises(ServiceError),
        ):
            client.predict(X)
        assert len(service.heard) == 1

    def test_late_answer_is_not_asked_for_again(self) -> None:
        with (
            ScriptedService(Say(body=ANSWER, wait_s=2)) as service,
            Client(service.url, timeout_s=0.3) as client,
            pytest.raises(MissingError, match=r"no whole answer within 0\.3 s") as caught,
        ):
            client.predict(X)
        assert caught.value.exit_code == 4
        assert len(service.heard) == 1

    def test_time_counts_to_the_last_byte(self) -> None:
        """A service that sends now and then a byte never runs into a limit on silence alone."""
        with (
            ScriptedService(Say(body=ANSWER * 50, pace_s=0.05)) as service,
            Client(service.url, timeout_s=0.5) as client,
        ):
            began = time.monotonic()
            with pytest.raises(MissingError, match="no whole answer"):
                client.predict(X)
            assert time.monotonic() - began < 2
        assert len(service.heard) == 1

    @pytest.mark.parametrize(
        "say",
        [
            Say(body=ANSWER, pace_s=0.6),
            Say(body=ANSWER, pace_s=0.6, chunked=True),
            Say(body=ANSWER, header_pace_s=0.6, headers={"A": "1", "B": "2"}),
        ],
        ids=["body", "chunks", "headers"],
    )
    def test_pauses_shorter_than_the_limit_do_not_stretch_it(self, say: Say) -> None:
        with ScriptedService(say) as service, Client(service.url, timeout_s=1) as client:
            began = time.monotonic()
            with pytest.raises(MissingError, match="no whole answer within 1 s"):
                client.predict(X)
            assert time.monotonic() - began < 1.5

    @pytest.mark.parametrize("chunked", [False, True])
    def test_lost_connection_is_not_a_short_answer(self, chunked: bool) -> None:
        with (
            ScriptedService(Say(body=ANSWER, cut=10, chunked=chunked)) as service,
            Client(service.url) as client,
            pytest.raises(MissingError, match="connection was lost"),
        ):
            client.predict(X)
        assert len(service.heard) == 1

    def test_nothing_there_is_tried_again_and_then_told(self) -> None:
        port = free_port()
        with Client(f"http://127.0.0.1:{port}/api/predict/x") as client, pytest.raises(MissingError) as caught:
            client.predict(X)
        assert "Connection refused" in caught.value.message
        assert str(port) in caught.value.message
        assert "tfkit serve" in caught.value.hint

    def test_unknown_host_is_told(self) -> None:
        with (
            Client("http://no-such-host.invalid/api/predict/x", retries=0) as client,
            pytest.raises(MissingError, match=r"no-such-host\.invalid"),
        ):
            client.predict(X)

    def test_service_that_takes_no_connections_runs_out_of_time(self) -> None:
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for waiting in (first, second):
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            with Client(f"http://127.0.0.1:{full.getsockname()[1]}/api/predict/x", timeout_s=0.2, retries=1) as client:
                began = time.monotonic()
                with pytest.raises(MissingError, match=r"within 0\.2 s"):
                    client.predict(X)
                assert time.monotonic() - began < 3


class TestProxies:
    URL = "http://service.example/api/predict/x"

    def test_proxy_of_the_environment_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedService(Say(body=ANSWER)) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://me:pass@127.0.0.1:{proxy.port}")
            with Client(self.URL, token="t") as client:
                assert client.predict(X)["y"].size == 4
        heard = proxy.heard[0]
        assert heard.path == self.URL
        assert heard.headers["Proxy-Authorization"].startswith("Basic ")
        assert heard.headers["Authorization"] == "t"

    def test_proxy_may_lack_its_scheme(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedService(Say(body=ANSWER)) as proxy:
            monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
            with Client(self.URL) as client:
                assert client.predict(X)["y"].size == 4

    def test_https_goes_through_a_tunnel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedService(Say(407)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            with (
                Client("https://service.example/api/predict/x", token="t", retries=0) as client,
                pytest.raises(MissingError, match=r"through the proxy.*407"),
            ):
                client.predict(X)
        assert proxy.heard[0].method == "CONNECT"
        assert "Authorization" not in proxy.heard[0].headers

    def test_proxy_that_is_down_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
        with Client(self.URL, retries=0) as client, pytest.raises(MissingError, match="through the proxy") as caught:
            client.predict(X)
        assert "NO_PROXY=service.example" in caught.value.hint

    def test_proxy_of_another_kind_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1080")
        with pytest.raises(UsageError) as caught:
            Client(self.URL)
        assert "HTTP_PROXY" in caught.value.hint

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_this_machine_is_asked_without_it(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
        with (
            ScriptedService(Say(body=ANSWER)) as service,
            Client(f"http://{host}:{service.port}/api/predict/x") as client,
        ):
            assert client.predict(X)["y"].size == 4

    def test_exempt_host_is_asked_without_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedService(Say(body=ANSWER)) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("NO_PROXY", ".invalid")
            with Client("http://service.invalid/api/predict/x", retries=0) as client, pytest.raises(MissingError):
                client.predict(X)
        assert not proxy.heard


class TestTls:
    # Good for 127.0.0.1 and for nothing else; signed by itself.
    CERTIFICATE = Path(__file__).with_name("tls_of_the_tests.pem")

    def test_certificate_that_is_not_trusted_is_refused(self) -> None:
        with (
            ScriptedService(Say(body=ANSWER), certificate=self.CERTIFICATE) as service,
            Client(service.url, token="t") as client,
            pytest.raises(MissingError, match="certificate verify failed") as caught,
        ):
            client.predict(X)
        assert "SSL_CERT_FILE" in caught.value.hint
        assert not service.heard

    def test_certificate_that_the_environment_names_is_trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(self.CERTIFICATE))
        with ScriptedService(Say(body=ANSWER), certificate=self.CERTIFICATE) as service, Client(service.url) as client:
            assert client.predict(X)["y"].size == 4

    def test_service_without_tls_is_told_apart(self) -> None:
        with (
            ScriptedService(Say(body=ANSWER)) as service,
            Client(service.url.replace("http://", "https://"), retries=0) as client,
            pytest.raises(MissingError, match="no secure connection") as caught,
        ):
            client.predict(X)
        assert "http://" in caught.value.hint
