"""Where a key stands in a TOML file, for messages; the file itself is read by Python's own parser."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, keys: Sequence[str]) -> int:
    r"""The line of a key, or of the nearest table above it; 0 where neither is found.

    >>> line_of('[source]\nmodel = "m"\n', ("source", "model"))
    2
    """
    best, line_found = 0, 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE.match(line):
            place = table = _parts(found[1])
        elif found := _KEY.match(line):
            place = (*table, *_parts(found[1]))
        else:
            continue
        if len(place) > best and tuple(keys[: len(place)]) == place:
            best, line_found = len(place), number
    return line_found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
