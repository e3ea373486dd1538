"""The official client as a fixture, and the services that it asks."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.eas_client.environment import client_python
from tests.served_models import echo_model
from tests.serving import Server

TOKEN = "Token+of/the=service"


class OfficialClient:
    """The process that runs jobs with the official client; see ``driver.py``."""

    def __init__(self) -> None:
        driver = Path(__file__).with_name("driver.py")
        self._process = subprocess.Popen(
            [client_python(), driver],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, request: dict[str, Any], *, timeout_s: float = 60, **job: Any) -> dict[str, Any]:
        """The answer to one job."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        overdue = threading.Timer(timeout_s, self._process.kill)
        overdue.start()
        try:
            self._process.stdin.write(json.dumps({"request": request, **job}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            overdue.cancel()
        assert line, "the official client's process ended, or gave no answer in time"
        return dict(json.loads(line))

    def close(self) -> None:
        self._process.communicate(timeout=20)


@pytest.fixture(scope="session")
def official() -> Iterator[OfficialClient]:
    client = OfficialClient()
    yield client
    client.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """The model that echoes, behind a token."""
    with Server(echo_model(), "--name", "echo", token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def open_service() -> Iterator[Server]:
    """The model that echoes, without a token."""
    with Server(echo_model(), "--name", "echo") as server:
        yield server
