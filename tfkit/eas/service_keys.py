"""The keys of the service JSON: what each sets here, which are EAS's alone, and what may stand in them.

They are those of Alibaba Cloud PAI-EAS's documents ("Parameters of model services"). A key is written in full, with
dots: ``metadata.rpc.keepalive``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from tfkit.eas.compression import FORMATS

# Key, the field of ServiceJson that it sets, and what it holds.
KEYS: dict[str, tuple[str, type]] = {
    "name": ("name", str),
    "metadata.name": ("name", str),
    "token": ("token", str),
    "model_path": ("model_path", str),
    "model_entry": ("model_entry", str),
    "processor": ("processor", str),
    "warm_up_data_path": ("warm_up_data_path", str),
    "metadata.rpc.keepalive": ("keepalive_ms", int),
    "metadata.rpc.worker_threads": ("worker_threads", int),
    "metadata.rpc.max_queue_size": ("max_queue_size", int),
    "metadata.rpc.rate_limit": ("rate_limit", int),
    "metadata.rpc.decompressor": ("decompressor", str),
    "metadata.eas.termination_grace_period": ("grace_s", int),
}
# Objects that keys are looked for in; all others are values.
PARENTS = ("metadata", "metadata.rpc", "metadata.eas", "metadata.rolling_strategy")
# What means something to EAS, and nothing on one machine; whatever lies below such a key belongs to it.
# rpc.enable_sigterm says whether EAS sends that signal to the process: here, whoever stops the service does.
_ELSEWHERE = (
    "metadata.rpc.batching", "metadata.rpc.max_batch_size", "metadata.rpc.max_batch_timeout", "metadata.rpc.io_threads",
    "metadata.rpc.enable_sigterm", "metadata.rpc.enable_service_hang_detect", "metadata.rpc.enable_jemalloc",
    "metadata.eas.enabled_model_verification",
    "metadata.rolling_strategy.max_surge", "metadata.rolling_strategy.max_unavailable",
    "metadata.instance", "metadata.cpu", "metadata.memory", "metadata.gpu", "metadata.gpu_memory",
    "metadata.gpu_core_percentage", "metadata.cuda", "metadata.disk", "metadata.shm_size", "metadata.rdma",
    "metadata.resource", "metadata.resource_burstable", "metadata.qos", "metadata.region", "metadata.group",
    "metadata.type", "metadata.workspace_id", "metadata.quota_id", "metadata.enable_grpc", "metadata.enable_webservice",
    "autoscaler", "baseimage", "cloud", "containers", "data_image", "dockerAuth", "features", "generate_token",
    "labels", "model_config", "networking", "options", "processor_entry", "processor_mainclass", "processor_params",
    "processor_path", "processor_type", "role", "runtime", "source", "storage", "unit", "warm_up_count",
)  # fmt: skip
# By the last part of the name: a key that nobody knows may only have the wrong parent.
_LAST_PARTS = {key.rpartition(".")[2]: key for key in (*_ELSEWHERE, *reversed(KEYS))}
# What the reference of PAI-EAS's own deployment tool says of names; the documents of the API ask only that a name is
# unique in its region, so another one is no error here.
_NAME = re.compile(r"[a-z0-9_]{3,63}")
_PERCENT = re.compile(r"[0-9]{1,3}%")


def known_elsewhere(key: str) -> str | None:
    """The key that another one belongs to, if EAS alone makes use of it."""
    return next((known for known in _ELSEWHERE if key == known or key.startswith(f"{known}.")), None)


def is_known(key: str) -> bool:
    """Whether a key, in full, is one that tfkit knows; EAS adds keys often."""
    return key in KEYS or known_elsewhere(key) is not None


def nearest_key(key: str) -> str:
    """The key that was perhaps meant by an unknown one; empty if none is like it.

    >>> nearest_key("rpc.keep_alive")
    'metadata.rpc.keepalive'
    """
    close = get_close_matches(key.rpartition(".")[2], _LAST_PARTS, n=1, cutoff=0.8)
    return _LAST_PARTS[close[0]] if close else ""


def key_in_full(key: str) -> str:
    """A key that stands under ``metadata``, where that was left out; any other as it is.

    >>> key_in_full("rpc.keepalive"), key_in_full("name"), key_in_full("gpu"), key_in_full("rpc.new")
    ('metadata.rpc.keepalive', 'name', 'metadata.gpu', 'metadata.rpc.new')
    """
    below = f"metadata.{key}"
    is_below = is_known(below) or f"metadata.{key.partition('.')[0]}" in PARENTS
    return below if is_below and not is_known(key) else key


def name_note(name: str) -> str:
    """What to say of a service's name that EAS may refuse; else nothing.

    >>> name_note("digits"), name_note("Digits")
    ('', "EAS may refuse the name 'Digits': it takes 3 to 63 lower-case letters, digits and '_'")
    """
    if _NAME.fullmatch(name):
        return ""
    return f"EAS may refuse the name {name!r}: it takes 3 to 63 lower-case letters, digits and '_'"


def value_refusal(key: str, value: Any) -> str:
    """What is expected of a key of the service JSON, if a value is not that; else nothing.

    Args:
        key: A key that EAS knows, in full.
        value: The value, as JSON holds it.

    >>> value_refusal("metadata.instance", 0), value_refusal("metadata.instance", 2)
    ('a whole number from 1 on', '')
    """
    if key in _CHECKS:
        return _CHECKS[key](value)
    if key in KEYS:
        return "" if isinstance(value, str) and value else "text"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return "what JSON can hold"
    return ""


def _whole(least: int) -> Callable[[Any], str]:
    return lambda value: "" if type(value) is int and value >= least else f"a whole number from {least} on"


def _is_cores(value: Any) -> str:
    is_number = type(value) in (int, float) and math.isfinite(value)
    return "" if is_number and value > 0 else "a number above 0"


def _is_flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _is_share(value: Any) -> str:
    """Instances, as their number or as a share of all."""
    is_percent = isinstance(value, str) and _PERCENT.fullmatch(value) is not None
    return "" if is_percent or not _whole(0)(value) else 'a whole number from 0 on, or a share such as "30%"'


_CHECKS: dict[str, Callable[[Any], str]] = {
    "metadata.instance": _whole(1),
    "metadata.cpu": _is_cores,
    "metadata.memory": _whole(1),
    "metadata.gpu": _whole(0),
    "metadata.rpc.keepalive": _whole(1),
    "metadata.rpc.worker_threads": _whole(1),
    "metadata.rpc.io_threads": _whole(1),
    "metadata.rpc.max_queue_size": _whole(0),
    "metadata.rpc.rate_limit": _whole(0),
    "metadata.rpc.batching": _is_flag,
    "metadata.rpc.max_batch_size": _whole(1),
    "metadata.rpc.max_batch_timeout": _whole(0),
    "metadata.rpc.enable_sigterm": _is_flag,
    "metadata.rpc.decompressor": lambda value: "" if value in FORMATS else f"one of {', '.join(FORMATS)}",
    "metadata.eas.termination_grace_period": _whole(0),
    "metadata.rolling_strategy.max_surge": _is_share,
    "metadata.rolling_strategy.max_unavailable": _is_share,
    "warm_up_count": _whole(1),
}
