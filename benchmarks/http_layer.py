"""One model's ``ServedModel.answer`` behind tfkit's own HTTP protocol, uvicorn and granian: ratios to uvicorn.

Each layer runs the model on its event loop and does nothing but pass bodies on, so the difference is the layer's own.
On two cores granian is held back: its threads want both, and the load generator has one. ``tfkit serve`` is the same
protocol with routes, limits, admission and the deadline.

    python -m benchmarks.http_layer tfkit|uvicorn|granian SAVED_MODEL PORT     one of the servers
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.load import Generator
from benchmarks.report import row
from benchmarks.servers import CONNECTIONS, digits_workload, running_all, take_turns
from benchmarks.serving import TFKIT, export_digits
from tfkit.serve.exchange import Request, Response
from tfkit.serve.http import Connection, Endpoint, Limits
from tfkit.serve.model import ServedModel
from tfkit.serve.settings import ServeSettings

ROUNDS = 9
BASE = "uvicorn, raw ASGI"
_MODEL_VARIABLE = "TFKIT_BENCHMARK_MODEL"


def run() -> list[dict[str, Any]]:
    """Measures; each row has ``name``, ``value``, ``unit``, ``ratio`` (to uvicorn), ``target`` and ``ok``."""
    with tempfile.TemporaryDirectory() as folder:
        model = export_digits(Path(folder))
        workload = digits_workload(model)
        this = [sys.executable, "-m", "benchmarks.http_layer"]
        commands = {
            BASE: [*this, "uvicorn", str(model), "{port}"],
            "granian, RSGI": [*this, "granian", str(model), "{port}"],
            "tfkit's own protocol": [*this, "tfkit", str(model), "{port}"],
            "tfkit serve, whole": [TFKIT, "serve", str(model), "--name", "digits", "--port", "{port}"],
        }
        with Generator() as generator, running_all(commands, workload) as servers:
            rounds = [take_turns(servers, workload, generator) for _ in range(ROUNDS)]
    rows = []
    for connections in CONNECTIONS:
        where = f"{connections} connection{'s' * (connections > 1)}"
        for name in commands:
            rates = [each[name, connections].requests_per_s for each in rounds]
            ratio = median(
                each[name, connections].requests_per_s / each[BASE, connections].requests_per_s for each in rounds
            )
            rows.append(row(f"{where}: {name}", median(rates), "requests/s", ratio))
    return rows


def load_model(model: Path) -> ServedModel:
    """The model as ``tfkit serve`` loads it."""
    return ServedModel(ServeSettings(model=model, name="digits", device="cpu"))


class PassOn:
    """An application for tfkit's protocol: every body goes to the model."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def admit(self, request: Request) -> Response | None:  # noqa: ARG002
        return None

    def answer(self, request: Request, connection: Connection) -> Response | None:  # noqa: ARG002
        return self._model.answer(request.body)

    def abandon(self, request: Request) -> None:
        """Nothing is under way when a client leaves."""

    def finished(self, request: Request, status: int) -> None:
        """Nothing is counted."""


async def serve_tfkit(model: Path, port: int) -> None:
    """tfkit's own protocol, on the event loop that runs this."""
    loop = asyncio.get_running_loop()
    endpoint = Endpoint(PassOn(load_model(model)), Limits(body_bytes=1 << 28, request_s=5.0), loop)
    listener = await loop.create_server(lambda: Connection(endpoint), "127.0.0.1", port)
    await listener.serve_forever()


def serve_uvicorn(model: Path, port: int) -> None:
    """uvicorn with httptools and uvloop, and the shortest ASGI application."""
    import uvicorn

    served = load_model(model)

    async def application(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        answer = served.answer(body)
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(answer.body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    uvicorn.run(
        application,
        host="127.0.0.1",
        port=port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )


def make_rsgi() -> Callable[[Any, Any], Awaitable[None]]:
    """What granian's worker process serves."""
    served = load_model(Path(os.environ[_MODEL_VARIABLE]))

    async def application(scope: Any, protocol: Any) -> None:  # noqa: ARG001
        answer = served.answer(await protocol())
        protocol.response_bytes(answer.status, [("content-type", "application/octet-stream")], answer.body)

    return application


def serve_granian(model: Path, port: int) -> None:
    """granian with its quickest interface, RSGI, and one worker."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops

    os.environ[_MODEL_VARIABLE] = str(model)
    Granian(
        "benchmarks.http_layer:make_rsgi",
        factory=True,
        port=port,
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    ).serve()


def main() -> None:
    """Runs one of the servers."""
    layer, model, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if layer == "tfkit":
        import uvloop

        uvloop.run(serve_tfkit(model, port))
    else:
        {"uvicorn": serve_uvicorn, "granian": serve_granian}[layer](model, port)


if __name__ == "__main__":
    main()
