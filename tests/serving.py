"""A real ``tfkit serve`` process for tests: started on a free port, waited for, stopped by SIGTERM.

with Server(export_dir, "--name", "digits", token="secret") as server:
    Client(server.url, token="secret").predict(...)
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

START_S = 90.0
STOP_S = 20.0


class Server:
    """A ``tfkit serve`` process.

    Args:
        model: The SavedModel's folder; the first argument of another command.
        *options: Further options of ``tfkit serve``; ``--port 0`` unless one of them says otherwise.
        token: Handed over in the environment, as ``TFKIT_TOKEN``.
        wait: Whether entering the context waits until the service is ready.
        command: Another command that serves.
    """

    def __init__(
        self, model: Path | str, *options: str, token: str = "", wait: bool = True, command: str = "serve"
    ) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "TFKIT_TOKEN"}
        if token:
            environment["TFKIT_TOKEN"] = token
        port = () if "--port" in options else ("--port", "0")
        self.wait = wait
        self.ready: dict[str, Any] = {}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the server
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tfkit.cli", command, str(model), "--json", *port, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )
        self._answered = threading.Event()
        self._reader = threading.Thread(target=self._read_ready, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return str(self.ready["url"])

    @property
    def endpoint(self) -> str:
        """``HOST:PORT``."""
        return urlsplit(self.url).netloc

    @property
    def name(self) -> str:
        """The service's name."""
        return self.url.rpartition("/")[2]

    @property
    def log(self) -> str:
        """What the process has written to stderr so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def wait_until_ready(self, timeout_s: float = START_S) -> dict[str, Any]:
        """What ``--json`` prints when the service takes requests; fails with the log if that does not come."""
        self._answered.wait(timeout_s)
        if not self.ready:
            raise AssertionError(f"not ready (exit code {self.process.poll()}):\n{self.log}")
        return self.ready

    def wait_for_log(self, text: str, timeout_s: float = 10) -> str:
        """The log, once it holds ``text``."""
        deadline = time.monotonic() + timeout_s
        while text not in self.log:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not in the log:\n{self.log}")
            time.sleep(0.02)
        return self.log

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stops the process, if it still runs, and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running {STOP_S} s after signal {number}:\n{self.log}") from None

    def __enter__(self) -> Self:
        if self.wait:
            try:
                self.wait_until_ready()
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._close()

    def _close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()

    def _read_ready(self) -> None:
        assert self.process.stdout is not None
        text = ""
        for line in self.process.stdout:
            text += line
            if line == "}\n" and not self.ready:
                self.ready = json.loads(text)
                self._answered.set()
        self._answered.set()


class RecordingProxy(Server):
    """A ``tfkit record`` process in front of a service.

    Args:
        upstream: The service's URL.
        output: The folder that it records to.
        *options: Further options of ``tfkit record``.
    """

    def __init__(self, upstream: str, output: Path, *options: str) -> None:
        super().__init__(f"--upstream={upstream}", "--output", str(output), *options, command="record")


def free_port() -> int:
    """A port that is free now; for services whose address is needed before they are ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_listening(port: int, timeout_s: float = 30) -> None:
    """Returns once a process of this machine takes connections on a port; it need not be ready."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
