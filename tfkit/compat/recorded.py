"""Recorded runs of a model's source: requests, and the responses that the source gave.

A folder of them holds ``1.request.bin`` and ``1.response.bin``, a PredictRequest and the PredictResponse to it, and so
on. ``tfkit export`` keeps one with what it writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfkit.arrays import Array
from tfkit.compat.tolerance import Tolerance
from tfkit.eas.messages import decode_response
from tfkit.errors import InputError, MessageError, MissingError
from tfkit.warmup.files import read_warmup

EVIDENCE = Path("assets.extra", "tfkit")
REPORT = "export.json"
RECORDED = "recorded"  # what a recorded case is called, with its number
_REQUEST, _RESPONSE = ".request.bin", ".response.bin"


@dataclass(frozen=True, slots=True)
class Case:
    """Inputs for a signature, and what should come out.

    Attributes:
        signature: The signature.
        inputs: An array for each input.
        outputs: What the reference gave; empty if there is none yet.
        what: Where the inputs are from, for people: ``recorded 1``, ``batch of 3``.
    """

    signature: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array] = field(default_factory=dict)
    what: str = ""


def read_recorded(folder: Path) -> tuple[Case, ...]:
    """Reads the recorded runs in a folder, by number; none if it holds none.

    Raises:
        InputError: A request is there without its response.
        MessageError: A file is damaged.
        MissingError: A file may not be read.
    """
    requests = sorted(folder.glob(f"*{_REQUEST}"), key=lambda path: (len(path.name), path.name))
    return tuple(_read(path) for path in requests)


def recorded_tolerances(model: Path) -> dict[str, Tolerance]:
    """What an export allowed its outputs to differ by; empty where nothing is recorded."""
    report = _report(model)
    outputs = report.get("verify", {}).get("outputs", []) if isinstance(report.get("verify"), dict) else []
    try:
        return {
            each["name"]: Tolerance(float(each["tolerance"]["atol"]), float(each["tolerance"]["rtol"]))
            for each in outputs
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{model / EVIDENCE / REPORT} is damaged: {error!r}") from None


def recorded_names(model: Path) -> dict[str, str]:
    """The new names of inputs and outputs that an export renamed, by those of its source."""
    renamed = _report(model).get("renamed", {})
    return {str(old): str(new) for old, new in renamed.items()} if isinstance(renamed, dict) else {}


def _report(model: Path) -> dict[str, Any]:
    path = model / EVIDENCE / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except PermissionError:
        raise MissingError(f"{path} may not be read: permission denied") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}") from None
    return report if isinstance(report, dict) else {}


def _read(path: Path) -> Case:
    number = path.name.removesuffix(_REQUEST)
    request = read_warmup(path)
    beside = path.with_name(f"{number}{_RESPONSE}")
    try:
        response = decode_response(beside.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} has no {beside.name} beside it: what the source gave is missing") from None
    except PermissionError:
        raise MissingError(f"{beside} may not be read: permission denied") from None
    except MessageError as error:
        raise MessageError(f"{beside}: {error.message}", hint=error.hint) from None
    return Case(request.signature_name, request.inputs, response.outputs, f"{RECORDED} {number}")
