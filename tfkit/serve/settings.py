"""What a service is told when it starts. Defaults are EAS's own: local proof says little otherwise."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfkit.eas.compression import FORMATS
from tfkit.errors import UsageError
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime.options import MOST_THREADS, is_device
from tfkit.tensors import SERVE_TAG
from tfkit.warmup.recording import MOST_FORMS

_MOST = 2**40
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# What the command calls otherwise than its fields.
_PARAMETERS = {
    "body_limit_bytes": "body_limit",
    "grace_s": "grace",
    "keepalive_ms": "keepalive",
    "op_libraries": "op_library",
    "record_limit_bytes": "record_limit",
    "token": "token_file",
}


def is_service_name(name: str) -> bool:
    """Whether a service can have that name: it stands in a URL."""
    return bool(_NAME.fullmatch(name))


def is_public(host: str) -> bool:
    """Whether other machines can reach what listens on an address."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def is_address(text: str) -> bool:
    """Whether a text is ``HOST:PORT``."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """One service: a model behind an address, with its limits.

    Attributes:
        model: The SavedModel's folder, or a frozen graph (``.pb``).
        name: The service's name, in the path of its URL.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: What requests must be authorized with; empty leaves the service open.
        processor: The TensorFlow that runs the model: one of EAS's processors, or ``installed``.
        op_libraries: Shared libraries of custom operations, loaded before the model.
        warm_up: Warm-up files, replayed in this order before the service takes requests.
        warm_up_sends: How often each is replayed.
        tags: The SavedModel's tag set.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        gpu_memory_fraction: How much of a GPU's memory TensorFlow may take, up to 1; 0 is no limit.
        gpu_memory_growth: Whether it takes that memory as it needs it, not at once.
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
        record: Folder in which requests that were answered are kept, one of each form; none by default.
        record_rate: The share of requests that is looked at for that.
        record_forms: The most forms that are kept.
        record_limit_bytes: The most bytes that all requests kept may have.
        origin: What the model is called where it came from, an archive or a URL; empty: by its path.
        stop_on_eof: Stop when stdin ends, as it does when the process that started this one is gone.
    """

    model: Path
    name: str
    host: str = "127.0.0.1"
    port: int = 8500
    token: str = field(default="", repr=False)
    processor: str = INSTALLED
    op_libraries: tuple[Path, ...] = ()
    warm_up: tuple[Path, ...] = ()
    warm_up_sends: int = 5
    tags: tuple[str, ...] = (SERVE_TAG,)
    device: str = "auto"
    gpu_memory_fraction: float = 0.0
    gpu_memory_growth: bool = True
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
    record: Path | None = None
    record_rate: float = 1.0
    record_forms: int = 100
    record_limit_bytes: int = 256 * 1024 * 1024
    origin: str = ""
    stop_on_eof: bool = False

    def __post_init__(self) -> None:
        """Checks what the types do not say; raises ``UsageError``."""
        for name in _CHECKS:
            value = getattr(self, name)
            if expected := refusal(name, value):
                raise UsageError(f"{option_of(name)} {value!r}: expected {expected}")

    @property
    def path(self) -> str:
        """The path that requests are posted to."""
        return f"/api/predict/{self.name}"

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach the address."""
        return is_public(self.host)


def parameter_of(name: str) -> str:
    """What the command and ``serve_model`` call a field.

    >>> parameter_of("keepalive_ms"), parameter_of("rate_limit")
    ('keepalive', 'rate_limit')
    """
    return _PARAMETERS.get(name, name)


def option_of(name: str) -> str:
    """The option of ``tfkit serve`` that sets a field.

    >>> option_of("keepalive_ms")
    '--keepalive'
    """
    return f"--{parameter_of(name).replace('_', '-')}"


def refusal(name: str, value: Any) -> str:
    """What is expected of a field, if a value is not that; else nothing.

    Args:
        name: A field of ``ServeSettings``.
        value: A value of the field's type.

    >>> refusal("keepalive_ms", 0)
    '1 to 1099511627776'
    """
    return _CHECKS[name](value) if name in _CHECKS else ""


def _within(least: float, most: float = _MOST) -> Callable[[float], str]:
    # Which is how a NaN is refused as well.
    return lambda value: "" if least <= value <= most else f"{least} to {most}"


_CHECKS: dict[str, Callable[[Any], str]] = {
    "name": lambda name: "" if is_service_name(name) else "letters, digits, '_', '-' and '.'",
    "device": lambda device: "" if is_device(device) else "auto, cpu, gpu or gpu:N",
    "decompressor": lambda name: "" if not name or name in FORMATS else f"one of {', '.join(FORMATS)}",
    "port": _within(0, 65535),
    "advertise": lambda text: "" if not text or is_address(text) else "HOST:PORT",
    "gpu_memory_fraction": _within(0, 1),
    "worker_threads": _within(1, MOST_THREADS),
    "warm_up_sends": _within(1),
    "keepalive_ms": _within(1),
    "max_queue_size": _within(0),
    "rate_limit": _within(0),
    "body_limit_bytes": _within(1),
    "intra_op_threads": _within(0, MOST_THREADS),
    "inter_op_threads": _within(-1, MOST_THREADS),
    "grace_s": _within(0),
    "record_rate": _within(0, 1),
    "record_forms": _within(1, MOST_FORMS),
    "record_limit_bytes": _within(1),
}
