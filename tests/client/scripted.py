"""A service that answers as it is told: for what a real one does seldom, or only in a cloud."""

from __future__ import annotations

import http.server
import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Say:
    """One answer.

    Attributes:
        wait_s: Time before it is sent.
        pace_s: Time before each byte of the body; 0 sends it at once.
        header_pace_s: Time before each header.
        chunked: Send the body chunked.
        cut: Reset the connection after this many bytes of the body; ``None`` never.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0
    pace_s: float = 0
    header_pace_s: float = 0
    chunked: bool = False
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it came."""

    method: str
    path: str
    headers: Message
    body: bytes


class ScriptedService:
    """Gives the answers in their order; the last one again and again.

    Args:
        *answers: The answers.
        certificate: A file with a key and its certificate: speak TLS.
    """

    def __init__(self, *answers: Say, certificate: Path | None = None) -> None:
        self.heard: list[Heard] = []
        self._answers = list(answers)
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.heard.append(Heard(self.command, self.path, self.headers, body))
                service._answer(self, service._next())

            do_GET = do_CONNECT = do_POST  # noqa: N815  # names that the library looks for

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port: int = self._server.server_port
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}/api/predict/scripted"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake is the handler's affair: a client that ends it must not end the service.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    def _next(self) -> Say:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, say: Say) -> None:
        time.sleep(say.wait_s)
        try:
            handler.send_response(say.status)
            length = ("Transfer-Encoding", "chunked") if say.chunked else ("Content-Length", str(len(say.body)))
            for name, value in (*say.headers.items(), length):
                if say.header_pace_s:
                    handler.flush_headers()
                    time.sleep(say.header_pace_s)
                handler.send_header(name, value)
            handler.end_headers()
            self._send_body(handler, say)
        except OSError:
            pass  # the client left, as some tests want it to

    @staticmethod
    def _send_body(handler: http.server.BaseHTTPRequestHandler, say: Say) -> None:
        body = say.body if say.cut is None else say.body[: say.cut]
        pieces = [body[at : at + 1] for at in range(len(body))] if say.pace_s else [body]
        for piece in pieces:
            time.sleep(say.pace_s)
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if say.chunked else piece)
        if say.cut is not None:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
        elif say.chunked:
            handler.wfile.write(b"0\r\n\r\n")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
