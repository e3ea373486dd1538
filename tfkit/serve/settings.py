"""What a service is told when it starts. Defaults are EAS's own: local proof says little otherwise."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from tfkit.eas.compression import FORMATS
from tfkit.errors import UsageError
from tfkit.tensors import SERVE_TAG

_MOST = 2**40
_MOST_THREADS = 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def is_service_name(name: str) -> bool:
    """Whether a service can have that name: it stands in a URL."""
    return bool(_NAME.fullmatch(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """One service: a model behind an address, with its limits.

    Attributes:
        model: The SavedModel's folder.
        name: The service's name, in the path of its URL.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: What requests must be authorized with; empty leaves the service open.
        warm_up: Warm-up files, replayed before the service takes requests.
        warm_up_sends: How often each is replayed.
        tags: The SavedModel's tag set.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        keepalive_ms: The longest a request may take, receiving and waiting included (EAS: ``rpc.keepalive``).
        worker_threads: Requests computed at a time (``rpc.worker_threads``).
        max_queue_size: Requests that may wait for that; beyond it they are answered 450 (``rpc.max_queue_size``).
        rate_limit: Requests a second; beyond it they are answered 429; 0 is no limit (``rpc.rate_limit``).
        body_limit_bytes: The largest body, received or unpacked; beyond it 413.
        decompressor: How bodies are compressed (``rpc.decompressor``); empty if they are not.
        advertise: ``HOST:PORT`` that discovery answers; empty for the address that the request came to.
        intra_op_threads: Threads inside one operation; 0: one a core.
        inter_op_threads: Threads for independent operations; -1: each request on one thread.
        grace_s: How long requests in flight may take to finish when the service stops.
        access_log: Write a line for each request.
        stop_on_eof: Stop when stdin ends, as it does when the process that started this one is gone.
    """

    model: Path
    name: str
    host: str = "127.0.0.1"
    port: int = 8500
    token: str = ""
    warm_up: tuple[Path, ...] = ()
    warm_up_sends: int = 5
    tags: tuple[str, ...] = (SERVE_TAG,)
    device: str = "auto"
    keepalive_ms: int = 5000
    worker_threads: int = 5
    max_queue_size: int = 64
    rate_limit: int = 0
    body_limit_bytes: int = 256 * 1024 * 1024
    decompressor: str = ""
    advertise: str = ""
    intra_op_threads: int = 0
    inter_op_threads: int = -1
    grace_s: float = 30.0
    access_log: bool = False
    stop_on_eof: bool = False

    def __post_init__(self) -> None:
        """Checks what the types do not say; raises ``UsageError``."""
        if not is_service_name(self.name):
            raise UsageError(f"--name {self.name!r}: expected letters, digits, '_', '-' and '.'")
        if self.device not in ("auto", "cpu", "gpu") and not re.fullmatch(r"gpu:\d+", self.device):
            raise UsageError(f"--device {self.device!r}: expected auto, cpu, gpu or gpu:N")
        if self.decompressor and self.decompressor not in FORMATS:
            raise UsageError(f"--decompressor {self.decompressor!r}: expected one of {', '.join(FORMATS)}")
        if not 0 <= self.port < 65536:
            raise UsageError(f"--port {self.port}: expected 0 to 65535")
        host, _, port = self.advertise.rpartition(":")
        if self.advertise and not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise UsageError(f"--advertise {self.advertise!r}: expected HOST:PORT")
        if self.worker_threads > _MOST_THREADS:
            raise UsageError(f"--worker-threads {self.worker_threads}: expected {_MOST_THREADS} at most")
        for option, least in (
            ("warm_up_sends", 1), ("keepalive_ms", 1), ("worker_threads", 1), ("max_queue_size", 0), ("rate_limit", 0),
            ("body_limit_bytes", 1), ("intra_op_threads", 0), ("inter_op_threads", -1), ("grace_s", 0),
        ):  # fmt: skip
            value = getattr(self, option)
            if not least <= value <= _MOST:  # which is how a NaN is refused as well
                name = option.replace("_", "-")
                raise UsageError(f"{name} {value}: expected {least} to {_MOST}")

    @property
    def path(self) -> str:
        """The path that requests are posted to."""
        return f"/api/predict/{self.name}"

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach the address."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"
