"""Starting, asking, weighing and stopping the servers that are compared."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks import bare_loop
from benchmarks.load import Generator, Load, LoadError, Plan, Workload, http_request, in_own_process, read_head
from tfkit.eas.structure import default_signature
from tfkit.proto import message
from tfkit.savedmodel.reader import read_signatures

SAMPLES = Path(__file__).parent.parent / "sample_models"
PATH = "/api/predict/digits"
CONNECTIONS = (1, 16)
_ROWS = 64
_LOAD_S = 0.6
_LEAST_ACCURACY = 0.9
_START_LIMIT_S = 60.0
_POLL_S = 0.004
_STOP_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
        start_s: From the start of its process to its first right answer.
        process: The process.
    """

    port: int
    start_s: float
    process: subprocess.Popen[bytes]

    def memory_bytes(self) -> int:
        """The resident memory of its process tree: each process's own, and once what they share.

        Not PSS, which also divides by the other programs on the machine that map TensorFlow's library.
        """
        root = psutil.Process(self.process.pid)
        tree = [each.memory_full_info() for each in (root, *root.children(recursive=True))]
        return sum(each.uss for each in tree) + max(each.rss - each.uss for each in tree)


def digits_workload(model: Path) -> Workload:
    """Single digits for the MLP in a folder, and the answers that TensorFlow's C API gives by itself."""
    rows = np.load(SAMPLES / "digits_test.npy")[:_ROWS]
    labels = np.load(SAMPLES / "digits_test_labels.npy")[:_ROWS]
    scores = in_own_process(bare_loop.scores, model, rows)
    accuracy = float(np.mean(np.argmax(scores, axis=1) == labels))
    if accuracy < _LEAST_ACCURACY:
        raise LoadError(f"{model}: it knows only {accuracy:.0%} of the digits")
    signature = default_signature(read_signatures(model))
    bodies = tuple(_request(signature.inputs[0].name, row) for row in rows)
    return Workload(bodies, tuple(scores), signature.outputs[0].name)


def _request(name: str, row: np.ndarray) -> bytes:
    request = message("PredictRequest")()
    array = request.inputs[name]
    array.dtype = 1  # DT_FLOAT
    array.array_shape.dim.extend((1, row.size))
    array.float_val.extend(row.tolist())
    return bytes(request.SerializeToString(deterministic=True))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(command: Sequence[str], workload: Workload) -> Iterator[Server]:
    """Runs a server in a block, from its first right answer on.

    Args:
        command: Its command line; ``{port}`` in it becomes the port it is to listen on.
        workload: What it must answer; the first request is asked every few milliseconds until it does.

    Raises:
        LoadError: It ended, did not answer in time, or answered wrongly.
    """
    port = free_port()
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [part.format(port=port) for part in command], stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while (answer := _ask(port, workload.bodies[0])) is None:
                if process.poll() is not None or time.perf_counter() - began > _START_LIMIT_S:
                    log.seek(0)
                    raise LoadError(f"{command} does not answer: {log.read().decode('utf-8', 'replace')}")
                time.sleep(_POLL_S)
            start_s = time.perf_counter() - began
            workload.check(0, answer)
            yield Server(port, start_s, process)
        finally:
            _stop(process)


def _ask(port: int, body: bytes) -> bytes | None:
    """One request on a connection of its own; ``None`` if the server is not ready for it."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(http_request(PATH, body))
            received = b""
            while data := connection.recv(65536):
                received += data
                head, end, answer = received.partition(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 503"):
                    return None
                if end and len(answer) >= read_head(head):
                    return answer
    except (ConnectionError, TimeoutError):
        return None
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_all(commands: Mapping[str, Sequence[str]], workload: Workload) -> Iterator[dict[str, Server]]:
    """Runs several servers in a block; those that are not asked do nothing."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(command, workload)) for name, command in commands.items()}


def take_turns(servers: Mapping[str, Server], workload: Workload, generator: Generator) -> dict[tuple[str, int], Load]:
    """One round: each server under load in turn, with 1 connection and with 16; the loads by name and connections."""
    return {
        (name, connections): generator.run(Plan(server.port, PATH, workload, connections, _LOAD_S))
        for connections in CONNECTIONS
        for name, server in servers.items()
    }
