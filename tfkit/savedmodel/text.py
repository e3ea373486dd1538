"""Model files in protobuf's text format: ``saved_model.pbtxt``, ``graph.pbtxt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfkit.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

# What a text file may hold: the message, and a field that shows that it is this one.
_CANDIDATES = (
    ("tensorflow.SavedModel", "meta_graphs"),
    ("tensorflow.GraphDef", "node"),
    ("tensorflow.MetaGraphDef", "graph_def"),
)


def parse_text(file: Path, text: bytes) -> bytes:
    """The binary form of the SavedModel, GraphDef or MetaGraphDef in a text file; fields unknown to tfkit are left out.

    Raises:
        ModelError: The text is none of these; the message names the file and where in it parsing ended.
    """
    from google.protobuf import text_format

    from tfkit import proto

    for name, proof in _CANDIDATES:
        message = proto.message(name)()
        try:
            text_format.Parse(text, message, allow_unknown_field=True)
        except (text_format.ParseError, ValueError, RecursionError) as error:
            raise ModelError(f"{file} is no model in protobuf's text format: {error}") from None
        if proof in {field.name for field, _ in message.ListFields()}:
            serialized: bytes = message.SerializeToString(deterministic=True)
            return serialized
    raise ModelError(f"{file} holds neither a SavedModel nor a graph in protobuf's text format")
