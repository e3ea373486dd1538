"""The body of TensorFlow Serving's REST predict call, as samples.

    {"signature_name": "...", "instances": [row, ...]}       a row is a value, or an object of one value an input
    {"signature_name": "...", "inputs": value or object}     all rows of each input together

Source: https://www.tensorflow.org/tfx/serving/api_rest#request_format_2
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfkit.errors import InputError

_KEYS = frozenset(("signature_name", "instances", "inputs"))


def rest_signature(value: Any) -> str | None:
    """The signature that a body names, empty where it names none; ``None`` if a JSON value is no body."""
    if not isinstance(value, dict) or not _KEYS.issuperset(value) or ("instances" in value) == ("inputs" in value):
        return None
    name = value.get("signature_name", "")
    return name if isinstance(name, str) else None


def rest_inputs(value: dict[str, Any], path: Path) -> dict[str, Any]:
    """The values of a body by input; under an empty name those of the only input, which a body need not name.

    Raises:
        InputError: There are no rows, or they have not the same inputs.
    """
    if "inputs" in value:
        inputs = value["inputs"]
        return inputs if _is_named(inputs) else {"": inputs}
    rows = value["instances"]
    if not isinstance(rows, list) or not rows:
        raise InputError(f'{path}: "instances" is {_short(rows)}: expected a list of rows')
    if not _is_named(rows[0]):
        return {"": rows}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or row.keys() != rows[0].keys():
            names = ", ".join(map(repr, rows[0]))
            raise InputError(
                f'{path}: row {number} of "instances" is {_short(row)}: expected {names}, as the first has'
            )
    return {name: [row[name] for row in rows] for name in rows[0]}


def _is_named(value: Any) -> bool:
    """Whether it is an object of inputs; ``{"b64": "..."}`` is a text."""
    return isinstance(value, dict) and value.keys() != {"b64"}


def _short(value: Any) -> str:
    text = f"an object of {', '.join(map(repr, value)) or 'nothing'}" if isinstance(value, dict) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
