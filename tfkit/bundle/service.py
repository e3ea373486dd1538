"""The service JSON of a bundle: built of what EAS knows, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tfkit.eas.service_keys import KEYS, key_in_full, known_elsewhere, nearest_key, value_refusal
from tfkit.errors import UsageError

# What a bundle sets itself.
_OWN = {
    "name": "--name",
    "metadata.name": "--name",
    "processor": "--processor",
    "model_path": "--base-url",
    "warm_up_data_path": "--base-url",
    "token": "--token-file",
    "model_entry": "",
}
_DEFAULTS: dict[str, Any] = {"metadata.instance": 1, "metadata.cpu": 1}
_GPU_DEFAULTS: dict[str, Any] = {"metadata.gpu": 1}
REQUIRED = ("name", "model_path", "processor")


def service_values(settings: Mapping[str, Any], *, on_gpu: bool) -> dict[str, Any]:
    """The keys of a service JSON beside those that name the model: what was asked for, and EAS's needs.

    Args:
        settings: Values by key, ``metadata.`` of which may be left out: ``{"rpc.keepalive": 1000}``.
        on_gpu: Whether the processor is one for GPUs.

    Raises:
        UsageError: A key is unknown, a bundle's own or there twice, or a value is not what EAS takes.
    """
    values = _DEFAULTS | (_GPU_DEFAULTS if on_gpu else {})
    given_keys: set[str] = set()
    for given, value in settings.items():
        key = key_in_full(given)
        if key in _OWN:
            raise UsageError(f"{given} is not to be set by hand", hint=_OWN[key] and f"{_OWN[key]} sets it.")
        if key not in KEYS and known_elsewhere(key) is None:
            near = nearest_key(given)
            raise UsageError(f"EAS's service JSON has no key {given!r}", hint=near and f"Did you mean {near!r}?")
        if expected := value_refusal(key, value):
            raise UsageError(f"{given} is {json.dumps(value, default=repr)}: expected {expected}")
        if key in given_keys:
            raise UsageError(f"{key} is given twice")
        given_keys.add(key)
        values[key] = value
    if not on_gpu and values.get("metadata.gpu"):
        raise UsageError(
            f"metadata.gpu is {values['metadata.gpu']} for a processor that uses no GPU",
            hint="Choose tensorflow_gpu_..., or leave it out.",
        )
    return values


def service_text(values: Mapping[str, Any]) -> str:
    """A service JSON, nested as EAS's documents show theirs.

    >>> print(service_text({"name": "digits", "metadata.cpu": 1}), end="")
    {
        "name": "digits",
        "metadata": {
            "cpu": 1
        }
    }
    """
    document: dict[str, Any] = {}
    for key, value in values.items():
        *above, last = key.split(".")
        place = document
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return json.dumps(document, indent=4, ensure_ascii=False) + "\n"


def service_problems(values: Mapping[str, Any]) -> list[str]:
    """What eascmd or EAS would not take, or only ignore, in a service JSON.

    Args:
        values: Every value by its key in full.
    """
    name = "metadata.name" if "metadata.name" in values else "name"
    problems = [f"{key} is missing" for key in (name, *REQUIRED[1:]) if not values.get(key)]
    for key, value in values.items():
        if key not in KEYS and known_elsewhere(key) is None:
            near = nearest_key(key)
            problems.append(f"{key} is no key that EAS knows" + (f": did you mean {near}?" if near else ""))
        elif expected := value_refusal(key, value):
            problems.append(f"{key} is {json.dumps(value)}: expected {expected}")
    return problems
