"""Reads the files that hold graphs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.export.report import Source
from tfkit.savedmodel.files import DAMAGED_HINT
from tfkit.savedmodel.lazy import Data


def parse_graph(kind: str, file: Path, data: Data) -> Any:
    """The message that a file holds, parsed where the file lies in memory: a graph can be large.

    Args:
        kind: What it should be: ``GraphDef`` or ``MetaGraphDef``.
        file: The file, for errors.
        data: Its bytes.

    Raises:
        ModelError: It is something else, or damaged.
    """
    try:
        with memoryview(data) as view:
            return proto.message(f"tensorflow.{kind}").FromString(view)
    except DecodeError as error:
        raise ModelError(
            f"{file} ({len(data)} bytes) is no {kind}, or a damaged one: {error}", hint=DAMAGED_HINT
        ) from None


def graph_source(kind: str, name: str, file: Path) -> Source:
    """What a source is, for the report, by the file that holds its graph."""
    with file.open("rb") as content:
        return Source(kind, name, hashlib.file_digest(content, "sha256").hexdigest())
