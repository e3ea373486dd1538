"""The paths of a service, as EAS and its clients have them."""

from __future__ import annotations

import json
from enum import Enum
from urllib.parse import unquote_to_bytes

PREDICT_PREFIX = "/api/predict/"

_DISCOVERY = (b"/api/v1/servicediscovery/upstreams/", b"/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/")
_DISCOVERY_WEIGHT = 100
_TARGETS_KEPT = 1024
_LONGEST_TARGET_KEPT = 256


class Route(Enum):
    """What a path stands for."""

    PREDICT = "predict"
    DISCOVERY = "discovery"
    HEALTH = "health"
    READINESS = "readiness"
    UNKNOWN = "unknown"


class Routes:
    """Tells what is asked by the target of a request.

    Args:
        path: The path that predictions are posted to; it may go on after it.
        name: The service's name, by which it is discovered.
    """

    def __init__(self, path: str, name: str) -> None:
        self._path = path.encode()
        self._discovery = tuple(prefix + name.encode() for prefix in _DISCOVERY)
        self._known: dict[bytes, Route] = {}

    def find(self, target: bytes) -> Route:
        """What a target stands for."""
        route = self._known.get(target)
        if route is None:
            route = self._find(target)
            if len(self._known) >= _TARGETS_KEPT:
                self._known.clear()
            if len(target) <= _LONGEST_TARGET_KEPT:
                self._known[target] = route
        return route

    def _find(self, target: bytes) -> Route:
        path = unquote_to_bytes(origin_form(target).partition(b"?")[0])
        if path == self._path or path.startswith(self._path + b"/"):
            return Route.PREDICT
        if path.rstrip(b"/") in self._discovery:
            return Route.DISCOVERY
        return {b"/healthz": Route.HEALTH, b"/readyz": Route.READINESS}.get(path, Route.UNKNOWN)


def origin_form(target: bytes) -> bytes:
    """A target without the host before its path, which clients put there for proxies.

    >>> origin_form(b"http://127.0.0.1:8500/api/predict/digits?a=1")
    b'/api/predict/digits?a=1'
    """
    if not target.startswith((b"http://", b"https://")):
        return target
    return b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"


def discovery_json(address: tuple[str, int], advertise: str, *, ready: bool) -> str:
    """The answer to a discovery request: where the service is, or nothing while it is not ready.

    Args:
        address: The address that the request came to.
        advertise: ``HOST:PORT`` to answer instead; empty for that address.
        ready: Whether the service takes requests.
    """
    host, port = address
    if advertise:
        host, _, text = advertise.rpartition(":")
        port = int(text)
    elif ":" in host:
        host = f"[{host}]"
    items = [{"ip": host, "port": port, "weight": _DISCOVERY_WEIGHT}] if ready else []
    return json.dumps({"endpoints": {"items": items}})
