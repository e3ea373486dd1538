"""Downloads over HTTP, from a real server on loopback that misbehaves as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tfkit.errors import InputError, MissingError
from tfkit.fetching.downloads import DownloadLimits, download
from tfkit.fetching.urls import file_name, is_url, shown_source

BODY = b"model" * 10_000
QUICK = DownloadLimits(connect_s=5, idle_s=0.5, waits_s=(0.01, 0.01))


class Store(BaseHTTPRequestHandler):
    """Answers by the path that is asked for; remembers the requests."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        first = sum(seen.partition("?")[0] == path for seen, _ in self.seen) == 1
        port = self.server.server_address[1]
        statuses = {"/busy.tar": 503, "/forbidden.tar": 403, "/missing.tar": 404}
        moved = {
            "/loop.tar": "/loop.tar",
            "/elsewhere.tar": "ftp://host/model.tar",
            "/odd.tar": "http://[odd/model.tar",
            "/away/model.tar": f"http://localhost:{port}/model.tar",
        }
        if path in moved or path.startswith("/redirect/"):
            self.answer(302, headers={"Location": moved.get(path, path.removeprefix("/redirect"))})
        elif path in statuses or (path == "/busy-once.tar" and first):
            self.answer(statuses.get(path, 503), b"<html>")
        elif path == "/short.tar" or (path == "/short-once.tar" and first):
            self.answer(200, BODY[:-1], length=len(BODY))
        elif path == "/huge.tar":
            self.answer(200, b"x", length=1 << 50)
        elif path == "/silent.tar":
            self.server.stopped.wait(10)  # type: ignore[attr-defined]
        elif path == "/chunked.tar":
            self.answer(200, b"".join(b"%x\r\n%s\r\n" % (len(BODY), BODY) for _ in range(3)), chunked=True)
        else:
            self.answer(200, BODY, headers={"Content-Encoding": "gzip"} if path.endswith(".gz") else {})

    def answer(
        self,
        status: int,
        body: bytes = b"",
        *,
        length: int | None = None,
        chunked: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body + b"0\r\n\r\n" * chunked)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what matters."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Nothing: clients are to hang up on it."""


@pytest.fixture
def store() -> Iterator[str]:
    Store.seen = []
    server = Server(("127.0.0.1", 0), Store)
    server.daemon_threads = True
    server.stopped = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stopped.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(url: str, folder: Path, limits: DownloadLimits = QUICK) -> tuple[Path, list[str]]:
    told: list[str] = []
    return download(url, folder, told.append, limits), told


@pytest.mark.parametrize("path", ["model.tar", "redirect/model.tar", "redirect/redirect/model.tar", "labelled.tar.gz"])
def test_a_file_is_downloaded_as_it_is_stored(store: str, tmp_path: Path, path: str) -> None:
    file, told = fetch(f"{store}/{path}", tmp_path)
    assert (file.name, file.read_bytes()) == (path.rpartition("/")[2], BODY)
    assert told == [f"downloading {store}/{path} (0.1 MB)"]


def test_a_signature_in_a_url_is_sent_and_never_shown(store: str, tmp_path: Path) -> None:
    file, told = fetch(f"{store}/model.tar?Signature=abc%2F", tmp_path)
    assert file.name == "model.tar"
    assert Store.seen == [("/model.tar?Signature=abc%2F", "")]
    assert "Signature" not in "".join(told)
    for path in ("missing.tar", "short.tar", "silent.tar", "loop.tar"):
        with pytest.raises((InputError, MissingError)) as caught:
            fetch(f"{store}/{path}?Signature=abc", tmp_path)
        assert "Signature=" not in str(caught.value)


def test_a_password_is_sent_to_its_own_host_and_never_shown(store: str, tmp_path: Path) -> None:
    _, told = fetch(f"{store.replace('//', '//me:word@')}/model.tar", tmp_path)
    assert Store.seen == [("/model.tar", "Basic bWU6d29yZA==")]
    assert "word" not in "".join(told)
    fetch(f"{store.replace('//', '//me:word@')}/away/model.tar", tmp_path)
    assert Store.seen[-1] == ("/model.tar", "")


@pytest.mark.parametrize("path", ["short-once.tar", "busy-once.tar"])
def test_what_may_pass_is_tried_again(store: str, tmp_path: Path, path: str) -> None:
    file, told = fetch(f"{store}/{path}", tmp_path)
    assert file.read_bytes() == BODY
    assert any("trying again" in line for line in told)


@pytest.mark.parametrize(
    ("path", "words", "asked"),
    [
        ("short.tar", "the connection was lost", 3),
        ("busy.tar", "the server answered 503", 3),
        ("silent.tar", "nothing came for 0.5 s", 3),
    ],
)
def test_a_server_that_fails_again_and_again_is_told(
    store: str, tmp_path: Path, path: str, words: str, asked: int
) -> None:
    with pytest.raises(MissingError, match=words):
        fetch(f"{store}/{path}", tmp_path)
    assert len(Store.seen) == asked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.tar", "the server answered 404"),
        ("forbidden.tar", "the server answered 403"),
        ("loop.tar", "redirects more than 5 times"),
        ("elsewhere.tar", "redirects to what is no URL"),
        ("odd.tar", "redirects to what is no URL"),
        ("huge.tar", "more than the limit"),
    ],
)
def test_what_will_not_change_is_not_tried_again(store: str, tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fetch(f"{store}/{path}", tmp_path)
    assert sum(seen == f"/{path}" for seen, _ in Store.seen) == (6 if path == "loop.tar" else 1)
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_was_not_declared_is_counted(store: str, tmp_path: Path) -> None:
    limits = DownloadLimits(size_bytes=2 * len(BODY), waits_s=())
    with pytest.raises(InputError, match="limit of 100000 bytes"):
        fetch(f"{store}/chunked.tar", tmp_path, limits)
    assert list(tmp_path.iterdir()) == []
    assert fetch(f"{store}/chunked.tar", tmp_path)[0].read_bytes() == BODY * 3


def test_a_download_has_a_time_limit(store: str, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="took more than 0 s"):
        fetch(f"{store}/model.tar", tmp_path, DownloadLimits(total_s=0, waits_s=()))


def test_hosts_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="refused"):
        fetch("http://127.0.0.1:9/model.tar", tmp_path)
    with pytest.raises(MissingError, match="no address"):
        fetch("http://no-such-host.invalid/model.tar", tmp_path)


@pytest.mark.parametrize("url", ["http://host/models/", "http://host", "http:///model.tar", "https://[odd/model.tar"])
def test_urls_of_no_file_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError):
        fetch(url, tmp_path)


def test_urls_are_told_from_paths() -> None:
    assert [is_url(each) for each in ("http://h/m", "oss://b/m", "build/model", "C:\\model", "/a://b")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(InputError, match="s3://"):
        is_url("s3://bucket/model")


def test_urls_are_shown_without_secrets() -> None:
    assert shown_source("https://u:p@host:1/a/b.zip?x=1#y") == "https://host:1/a/b.zip"
    assert shown_source("build/a?b") == "build/a?b"
    names = ["https://h/a/b.zip?x=/c", "https://h/a%20b.zip", "https://h/..%2F..%2Fb.zip", "https://h/a/", "https://h"]
    assert [file_name(each) for each in names] == ["b.zip", "a b.zip", "b.zip", "", ""]
