"""The options that pick tensors of a graph: ``--input-tensor``, ``--output-tensor`` and ``--set``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfkit.errors import UsageError
from tfkit.inputs.options import load_json

_PYTHON = {"True": True, "False": False}


def parse_tensors(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Reads ``NAME=TENSOR`` options.

    Raises:
        UsageError: An option has another form, or one name is given twice.

    >>> parse_tensors("--input-tensor", ["images=model/Placeholder:0"])
    {'images': 'model/Placeholder:0'}
    """
    tensors: dict[str, str] = {}
    for name, tensor in _pairs(option, texts, "NAME=TENSOR, as in images=model/Placeholder:0"):
        if not tensor:
            raise UsageError(f"{option} {name}=: expected a tensor after it, as in {name}=model/Placeholder:0")
        tensors[name] = tensor
    return tensors


def parse_fixed(texts: Iterable[str]) -> dict[str, Any]:
    """Reads ``PLACEHOLDER=VALUE`` options; a value that is no JSON is a text.

    Raises:
        UsageError: An option has another form, or one placeholder is set twice.

    >>> parse_fixed(["is_training=false", "keep_prob=1", "mode=serve"])
    {'is_training': False, 'keep_prob': 1, 'mode': 'serve'}
    """
    return {name: _value(text) for name, text in _pairs("--set", texts, "PLACEHOLDER=VALUE, as in is_training=false")}


def _pairs(option: str, texts: Iterable[str], form: str) -> list[tuple[str, str]]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"{option} {text!r}: expected {form}")
        if name in pairs:
            raise UsageError(f"{option} names {name!r} twice: {pairs[name]!r} and {value!r}")
        pairs[name] = value
    return list(pairs.items())


def _value(text: str) -> Any:
    if text in _PYTHON:
        return _PYTHON[text]
    try:
        return load_json(text)
    except (ValueError, OverflowError, RecursionError):
        return text
