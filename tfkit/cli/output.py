"""What commands print: results on stdout, notes on stderr, JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

# Columns of what is no terminal: who reads a pipe or a log looks for whole names.
_UNBOUNDED = 10_000
# What a terminal obeys in place of showing it; written as in JSON, so that JSON stays the same JSON.
_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_LAYOUT = {ord(each): each for each in "\n\t"}


def printable(text: str) -> str:
    r"""A text with its control characters escaped, as names, values and messages of strangers' files may hold any.

    >>> print(printable("\x1b[31mred"), printable("two\nlines"))
    \u001b[31mred two\u000alines
    """
    return text.translate(_CONTROLS)


def printable_lines(text: str) -> str:
    """As ``printable``, for a text that is laid out in lines and columns of its own."""
    return text.translate(_CONTROLS | _LAYOUT)


def print_text(text: str) -> None:
    """Writes one result to stdout."""
    text = printable_lines(text)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def json_text(value: Any) -> str:
    """A value as JSON, keys sorted, four spaces of indent, as EAS's documents show theirs."""
    return json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False)


def print_json(value: Any) -> None:
    """Writes a value to stdout as JSON."""
    print_text(json_text(value))


def note(text: str) -> None:
    """Writes one line for people to stderr."""
    sys.stderr.write(f"{printable_lines(text)}\n")
    sys.stderr.flush()


def write_page(page: str, path: Path, *, force: bool) -> None:
    """Writes a report as a page, whole or not at all.

    Raises:
        TfkitError: It is there already and may not be replaced, or cannot be written.
    """
    from tfkit.warmup.files import replacing

    with replacing(path, force=force) as beside:
        beside.write_text(page, encoding="utf-8")


@contextmanager
def stdout_for_results() -> Iterator[None]:
    """Sends to stderr what other code prints in the block, be it Python or C: stdout is for the result alone."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", to_stderr: bool = False
) -> None:
    """Writes a table for people; imports rich only now."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    # What does not fit goes on in the next line: of names, no letter may be missing.
    headers = (Column(name, overflow="fold") for name in columns)
    table = Table(*headers, title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*(Text(printable_lines(cell)) for cell in row))
    is_terminal = (sys.stderr if to_stderr else sys.stdout).isatty()
    Console(stderr=to_stderr, width=None if is_terminal else _UNBOUNDED).print(table)
