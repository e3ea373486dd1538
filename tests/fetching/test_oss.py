"""Models behind ``oss://``: the real SDK against a small store of objects on loopback that speaks OSS's protocol."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from tfkit.errors import InputError, MissingError
from tfkit.fetching import oss
from tfkit.fetching.oss import download_oss, parse_oss_url

OBJECTS = {
    "models/digits.tar.gz": b"packed" * 1000,
    "models/digits/": b"",
    "models/digits/saved_model.pb": b"graph" * 100,
    "models/digits/variables/variables.index": b"index",
    "models/digits2/saved_model.pb": b"another",
    "harm/../../outside": b"x",
    "damaged.tar": b"12345",
}


class Store(BaseHTTPRequestHandler):
    """Lists and hands out ``OBJECTS`` of the bucket ``bucket``, two to a page."""

    protocol_version = "HTTP/1.1"
    authorizations: set[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, query = unquote(urlsplit(self.path).path), parse_qs(urlsplit(self.path).query)
        self.authorizations.add(self.headers.get("Authorization", ""))
        bucket, _, key = path.removeprefix("/").partition("/")
        if bucket == "private":
            self.fail(403, "AccessDenied")
        elif bucket != "bucket":
            self.fail(404, "NoSuchBucket")
        elif "list-type" in query:
            self.answer(self.listing(query.get("prefix", [""])[0], query.get("continuation-token", ["0"])[0]))
        elif key in OBJECTS:
            self.answer(OBJECTS[key], {"x-oss-hash-crc64ecma": "1"} if key == "damaged.tar" else {})
        else:
            self.fail(404, "NoSuchKey")

    def listing(self, prefix: str, token: str) -> bytes:
        keys = sorted(key for key in OBJECTS if key.startswith(prefix))
        page, rest = keys[int(token) :][:2], keys[int(token) + 2 :]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(OBJECTS[key])}</Size></Contents>" for key in page
        )
        following = f"<NextContinuationToken>{int(token) + 2}</NextContinuationToken>" if rest else ""
        truncated = f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>"
        return f"<ListBucketResult><Name>bucket</Name>{truncated}{following}{contents}</ListBucketResult>".encode()

    def fail(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>m</Message><RequestId>r</RequestId></Error>".encode()
        self.answer(body, status=status)

    def answer(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"x-oss-request-id": "r", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest shows what matters."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store that the environment names, with a key."""
    Store.authorizations = set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("OSS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OSS_REGION", "cn-hangzhou")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "hidden")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(url: str, folder: Path) -> tuple[Path, str]:
    told: list[str] = []
    path = download_oss(url, folder, told.append)
    return path, "\n".join(told)


@pytest.mark.usefixtures("store")
def test_an_object_is_downloaded(tmp_path: Path) -> None:
    path, told = fetch("oss://bucket/models/digits.tar.gz", tmp_path)
    assert (path.name, path.read_bytes()) == ("digits.tar.gz", OBJECTS["models/digits.tar.gz"])
    assert told == "downloading oss://bucket/models/digits.tar.gz (0.0 MB)"
    assert all("Credential=id/" in each and "hidden" not in each for each in Store.authorizations)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("url", ["oss://bucket/models/digits", "oss://bucket/models/digits/"])
def test_all_objects_below_a_path_are_downloaded(tmp_path: Path, url: str) -> None:
    path, told = fetch(url, tmp_path)
    found = {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}
    assert found == {"saved_model.pb": b"graph" * 100, "variables/variables.index": b"index"}
    assert "2 objects" in told


@pytest.mark.usefixtures("store")
def test_public_buckets_want_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    fetch("oss://bucket/models/digits.tar.gz", tmp_path)
    assert Store.authorizations == {""}


@pytest.mark.usefixtures("store")
def test_the_variables_of_alibaba_cloud_s_other_tools_count_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hidden")
    fetch("oss://bucket/models/digits.tar.gz", tmp_path)
    assert all("Credential=other/" in each for each in Store.authorizations)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("oss://bucket/models/nothing", InputError, "oss://bucket/models/nothing does not exist"),
        ("oss://bucket/models/nothing/", InputError, "does not exist"),
        ("oss://no-such-bucket/models/", InputError, "OSS answered 404 NoSuchBucket"),
        ("oss://private/models/digits", MissingError, "OSS answered 403"),
        ("oss://bucket/harm/", InputError, "leads out of it"),
        ("oss://bucket/damaged.tar", MissingError, "(?i)crc"),
    ],
)
def test_what_cannot_be_downloaded_is_told(tmp_path: Path, url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        fetch(url, tmp_path)
    assert "hidden" not in str(caught.value)
    assert not (tmp_path.parent / "outside").exists()


@pytest.mark.usefixtures("store")
def test_too_much_is_refused_before_it_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(oss, "LARGEST_BYTES", 100)
        for url in ("oss://bucket/models/digits.tar.gz", "oss://bucket/models/digits/"):
            with pytest.raises(InputError, match="limit of 100 bytes"):
                fetch(url, tmp_path)
    monkeypatch.setattr(oss, "_MAX_OBJECTS", 2)
    with pytest.raises(InputError, match="more than 2 objects"):
        fetch("oss://bucket/models/digits/", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OSS_REGION", "cn-hangzhou")
    with pytest.raises(MissingError, match="cannot be downloaded"):
        fetch("oss://bucket/models/digits", tmp_path)


def test_without_the_sdk_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alibabacloud_oss_v2", None)
    with pytest.raises(MissingError) as caught:
        fetch("oss://bucket.oss-cn-hangzhou.aliyuncs.com/model.tar", tmp_path)
    assert "tfkit-serving[oss]" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "bucket", "key", "endpoint", "region"),
    [
        (
            "oss://b-1.oss-cn-hangzhou.aliyuncs.com/a/b.tar",
            "b-1",
            "a/b.tar",
            "oss-cn-hangzhou.aliyuncs.com",
            "cn-hangzhou",
        ),
        ("oss://bucket.oss-cn-beijing-internal.aliyuncs.com/a/", "bucket", "a/", None, "cn-beijing"),
        ("oss://bucket.oss-us-west-1.aliyuncs.com/a", "bucket", "a", None, "us-west-1"),
        ("oss://bucket/a", "bucket", "a", "", "eu-central-1"),
        ("oss://bucket.my.store:8000/a", "bucket", "a", "my.store:8000", "eu-central-1"),
    ],
)
def test_urls_name_bucket_object_and_region(
    monkeypatch: pytest.MonkeyPatch, url: str, bucket: str, key: str, endpoint: str | None, region: str
) -> None:
    monkeypatch.setenv("OSS_REGION", "eu-central-1")
    parsed = parse_oss_url(url)
    assert (parsed.bucket, parsed.key) == (bucket, key)
    assert endpoint is None or parsed.endpoint == endpoint
    assert parsed.region == region


@pytest.mark.parametrize("url", ["oss://", "oss:///a", "oss://B_/a", "oss://bucket/a"])
def test_urls_that_name_no_bucket_or_place_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSS_REGION", raising=False)
    with pytest.raises(InputError, match="oss://"):
        parse_oss_url(url)
