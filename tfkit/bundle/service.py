"""The service JSON of a bundle: what EAS is known to take is checked; other keys are kept, for it adds keys often."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tfkit.eas.service_keys import PARENTS, is_known, key_in_full, nearest_key, value_refusal
from tfkit.errors import UsageError
from tfkit.fetching.archives import shortened

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
# How many parts a key may have, and how deep its value may be nested; the keys that EAS is known to take have three.
_MOST_LEVELS = 32


def service_values(settings: Mapping[str, Any], *, on_gpu: bool) -> dict[str, Any]:
    """The keys of a service JSON beside those that name the model: what was asked for, and EAS's needs.

    Args:
        settings: Values by key, ``metadata.`` of which may be left out: ``{"rpc.keepalive": 1000}``.
        on_gpu: Whether the processor is one for GPUs.

    Raises:
        UsageError: A key is none, a bundle's own, there twice or inside of another one, or a value is not what EAS
            takes, or either is nested too deeply.
    """
    values = _DEFAULTS | (_GPU_DEFAULTS if on_gpu else {})
    given_keys: set[str] = set()
    for given, value in settings.items():
        key = key_in_full(given)
        _check_key(given, key)
        if not _is_within(value, _MOST_LEVELS):
            raise UsageError(f"{given} is nested too deeply: expected at most {_MOST_LEVELS} levels")
        if expected := value_refusal(key, value):
            raise UsageError(f"{given} is {json.dumps(value, default=repr)}: expected {expected}")
        if key in given_keys:
            raise UsageError(f"{key} is given twice")
        given_keys.add(key)
        values[key] = value
    _check_nesting(values)
    if not on_gpu and values.get("metadata.gpu"):
        raise UsageError(
            f"metadata.gpu is {values['metadata.gpu']} for a processor that uses no GPU",
            hint="Choose tensorflow_gpu_..., or leave it out.",
        )
    return values


def _check_key(given: str, key: str) -> None:
    """Refuses what cannot be a key, or is not to be given; raises ``UsageError``."""
    if not all(key.split(".")):
        raise UsageError(f"{given!r} is no key: expected names with dots between them, rpc.keepalive")
    if key.count(".") >= _MOST_LEVELS:
        raise UsageError(f"{shortened(given)} has {key.count('.') + 1} parts: expected at most {_MOST_LEVELS}")
    if own := next((each for each in _OWN if f"{key}.".startswith(f"{each}.")), ""):
        raise UsageError(f"{given} is not to be set by hand", hint=_OWN[own] and f"{_OWN[own]} sets it.")
    if key in PARENTS:
        raise UsageError(f"{given} holds other keys: expected each of them by itself", hint=f"Such as {given}.KEY")


def _is_within(value: object, levels: int) -> bool:
    """Whether what a value holds is no deeper than so many levels."""
    if not isinstance(value, Mapping | list | tuple):
        return True
    held = value.values() if isinstance(value, Mapping) else value
    return levels > 0 and all(_is_within(each, levels - 1) for each in held)


def _check_nesting(values: Mapping[str, Any]) -> None:
    """Refuses keys inside of what has a value itself; raises ``UsageError``."""
    for key in values:
        above = key.rpartition(".")[0]
        while above:
            if above in values:
                raise UsageError(f"{key} cannot be set: {above} has a value of its own")
            above = above.rpartition(".")[0]


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
    """What eascmd or EAS would not take in a service JSON.

    Args:
        values: Every value by its key in full.
    """
    name = "metadata.name" if "metadata.name" in values else "name"
    problems = [f"{key} is missing" for key in (name, *REQUIRED[1:]) if not values.get(key)]
    for key, value in values.items():
        if is_known(key) and (expected := value_refusal(key, value)):
            problems.append(f"{key} is {json.dumps(value)}: expected {expected}")
    return problems


def unknown_notes(values: Mapping[str, Any]) -> list[str]:
    """What to say of keys in full that nobody here knows: they are kept, for EAS adds keys often.

    >>> unknown_notes({"metadata.cpu": 1, "metadata.cpus": 2})
    ['metadata.cpus is no key that tfkit knows: kept; did you mean metadata.cpu?']
    """
    notes = []
    for key in values:
        if not is_known(key):
            near = nearest_key(key)
            notes.append(f"{key} is no key that tfkit knows: kept" + (f"; did you mean {near}?" if near else ""))
    return notes
