"""Where a key stands in a TOML file, for messages; the file itself is read by Python's own parser."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_NAMES = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_NAMES})\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(rf"\s*({_NAMES})\s*=")
_PART = re.compile(_NAME)
# What may hold brackets that mean nothing: comments, and texts of each kind.
_TEXT = re.compile(
    r"""#[^\n]*|\"{3}(?:\\.|[^\\])*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""",
    re.DOTALL,
)


def line_of(text: str, keys: Sequence[str]) -> int:
    r"""The line of a key, of the first one below it, or of the nearest table above it; 0 where none is found.

    >>> line_of('[source]\nmodel = "m"\n', ("source", "model"))
    2
    """
    best, line_found = 0, 0
    depth = 0  # of lists that go on from line to line
    table: tuple[str, ...] = ()
    plain = _TEXT.sub(_hidden, text).split("\n")
    for number, (line, bare) in enumerate(zip(_TEXT.sub(_shortened, text).split("\n"), plain, strict=True), start=1):
        inside, depth = depth > 0, depth + sum(map(bare.count, "[{")) - sum(map(bare.count, "]}"))
        if inside:
            continue
        if found := _TABLE.match(line):
            place = table = _parts(found[1])
        elif found := _KEY.match(line):
            place = (*table, *_parts(found[1]))
        else:
            continue
        shared = place[: len(keys)]
        if len(shared) > best and tuple(keys[: len(shared)]) == shared:
            best, line_found = len(shared), number
    return line_found


def _hidden(text: re.Match[str]) -> str:
    """The line ends of a text or a comment, and nothing else of it."""
    return "\n" * text[0].count("\n")


def _shortened(text: re.Match[str]) -> str:
    """A text as it is, but for one of several lines."""
    return _hidden(text) if "\n" in text[0] else text[0]


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
