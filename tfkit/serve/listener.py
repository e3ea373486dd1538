"""A listening socket with its connections, from opening it to the last answer; and the signals that end it."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import time

from tfkit.errors import MissingError
from tfkit.serve.http import HEADERS_READ, Application, Connection, Endpoint, Limits

_SWEEP_S = 5.0
_BACKLOG = 1024

logger = logging.getLogger("tfkit.serve")


class Listener:
    """Takes connections for an application until SIGTERM or SIGINT comes; to be made in the event loop that runs it.

    Args:
        application: What answers the requests.
        limits: What a connection may cost.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        headers: The headers that the application reads; ``None`` for all of them.

    Attributes:
        stopped: Set when it is to end.
    """

    def __init__(
        self,
        application: Application,
        limits: Limits,
        host: str,
        port: int,
        *,
        headers: frozenset[bytes] | None = HEADERS_READ,
    ) -> None:
        self._endpoint = Endpoint(application, limits, asyncio.get_running_loop(), headers=headers)
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._stops = 0
        self.stopped = asyncio.Event()

    async def open(self) -> None:
        """Begins to listen; raises ``MissingError`` if the address cannot be had."""
        loop = self._endpoint.loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            self._server = await loop.create_server(
                lambda: Connection(self._endpoint), self._host, self._port, backlog=_BACKLOG
            )
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            in_use = getattr(error, "errno", None) == errno.EADDRINUSE
            raise MissingError(
                f"cannot listen on {self._host}:{self._port}: {reason}",
                hint="Stop what uses that port, or choose another one: --port 0 takes any that is free."
                if in_use
                else "Give --host an address of this machine, and --port one that you may listen on.",
            ) from None

    @property
    def origin(self) -> str:
        """``http://HOST:PORT`` of the open socket."""
        assert self._server is not None  # noqa: S101
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Has it end; called again, without waiting for requests in flight."""
        self._stops += 1
        self.stopped.set()

    async def until_stopped(self) -> None:
        """Returns when it is to end."""
        while not self.stopped.is_set():
            self._endpoint.sweep()
            try:
                await asyncio.wait_for(self.stopped.wait(), _SWEEP_S)
            except TimeoutError:
                continue

    async def close(self, grace_s: float) -> None:
        """Takes no more connections, and lets requests in flight be answered for a while."""
        if self._server is not None:
            self._server.close()
        endpoint = self._endpoint
        endpoint.stop()
        deadline = time.monotonic() + grace_s
        while endpoint.connections and time.monotonic() < deadline and self._stops < 2:
            await asyncio.sleep(0.02)
        if endpoint.connections:
            logger.warning("%d connections were cut off", len(endpoint.connections))
        endpoint.abort()
        await asyncio.sleep(0)
