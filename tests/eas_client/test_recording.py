"""What the official Python client sends is recorded, by ``tfkit serve --record`` and by ``tfkit record``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.eas_client.conftest import TOKEN, OfficialClient
from tests.served_models import echo_model
from tests.serving import RecordingProxy, Server
from tfkit.eas.messages import decode_request
from tfkit.warmup.folder import StoredRequest, read_folder

pytestmark = pytest.mark.network


def asked(*values: float) -> dict[str, Any]:
    return {"feeds": {"x": ["DT_FLOAT", [1, 2], values]}, "fetches": ["total"]}


def check(folder: Path, requests: int) -> None:
    """Checks that a folder holds the one request of the first values, seen so often, and no token."""
    (stored,) = read_folder(folder)
    body = (folder / stored.file).read_bytes()
    assert stored == StoredRequest.describe(stored.file, body, requests)
    assert str(stored.form) == "(default): x float32[1, 2] -> total"
    assert decode_request(body).inputs["x"].tolist() == [[1, 2]]
    assert all(TOKEN.encode() not in path.read_bytes() for path in folder.iterdir())


@pytest.fixture
def proxy(tmp_path: Path, service: Server) -> Iterator[RecordingProxy]:
    with RecordingProxy(service.url, tmp_path / "records") as proxy:
        yield proxy


def test_the_service_records(official: OfficialClient, tmp_path: Path) -> None:
    with Server(echo_model(), "--name", "echo", "--record", str(tmp_path / "records"), token=TOKEN) as server:
        for values in ([1, 2], [3, 4]):
            job = {"endpoint": server.endpoint, "service": "echo", "token": TOKEN, "retries": 1}
            assert official.ask(asked(*values), **job)["outputs"]["total"]["values"] == [sum(values)]
    check(tmp_path / "records", 2)


@pytest.mark.parametrize("how", ["signed", "direct", "custom URL"])
def test_the_proxy_records(official: OfficialClient, tmp_path: Path, proxy: RecordingProxy, how: str) -> None:
    """Signed and raw tokens pass, and in DIRECT mode the client keeps to the proxy."""
    job: dict[str, Any] = {"endpoint": proxy.endpoint, "service": "echo", "direct": how == "direct"}
    if how == "custom URL":
        job = {"url": proxy.url}
    for values in ([1, 2], [3, 4]):
        answer = official.ask(asked(*values), token=TOKEN, retries=1, wait_s=10, **job)
        assert answer["outputs"]["total"]["values"] == [sum(values)]
    assert official.ask(asked(5, 6), **job, token="wrong", retries=1)["code"] == 401
    assert proxy.stop() == 0
    check(tmp_path / "records", 2)
