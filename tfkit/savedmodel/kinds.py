"""Tells a SavedModel from the other files that models come in, and says what to do with those."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tfkit.errors import ModelError
from tfkit.proto import wire
from tfkit.savedmodel.files import CHECKPOINT_HINT, DAMAGED_HINT

if TYPE_CHECKING:
    from pathlib import Path

    from tfkit.savedmodel.lazy import Data, Message

_GRAPH_DEF = 2  # of a MetaGraphDef
_OP_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.>\\/-]*")


class _Format(NamedTuple):
    """A file format that is known by some bytes at a fixed place (from the end, if negative)."""

    offset: int
    magic: bytes
    what: str
    hint: str


_FORMATS = (
    _Format(0, b"PK\x03\x04", "a zip archive", "Unpack it, and name the SavedModel's folder."),
    _Format(0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras's old format)",
            "If it holds a whole model, keras.saving.load_model(FILE).save('model.keras'), then: "
            "tfkit export model.keras --output FOLDER"),
    _Format(0, b"\x1f\x8b", "a gzip archive", "Unpack it, and name the SavedModel's folder."),
    _Format(0, b"BZh", "a bzip2 archive", "Unpack it, and name the SavedModel's folder."),
    _Format(257, b"ustar", "a tar archive", "Unpack it, and name the SavedModel's folder."),
    _Format(4, b"TFL3", "a TensorFlow Lite model", "EAS's TensorFlow does not run it: export the original model."),
    _Format(-8, b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "a checkpoint's index, weights without a graph", CHECKPOINT_HINT),
)  # fmt: skip


def check_saved_model(file: Path, message: Message) -> None:
    """Checks that a file's message is a SavedModel.

    Raises:
        ModelError: It is something else; the message says what, the hint what to do with it.
    """
    if file.suffix == ".onnx":
        raise _refusal(file, "an ONNX model", "Export the original model as a SavedModel.")
    if ".data-" in file.name and "-of-" in file.name:
        raise _refusal(file, "a shard of a checkpoint, weights without a graph", CHECKPOINT_HINT)
    _check_magic(file, message.data)
    first = next(message.fields(), None)
    if first is not None and _is_first_of_saved_model(first):
        return
    if first is not None and (first.number, first.kind) == (1, wire.LENGTH):
        if is_node(message.at(first)):
            from tfkit.savedmodel.frozen import describe_frozen_graph

            raise describe_frozen_graph(file, message)
        if any(field.number == _GRAPH_DEF for field in message.fields()):
            raise _refusal(
                file,
                "a MetaGraphDef, the graph of a TensorFlow 1 checkpoint without its weights",
                f"With the checkpoint's other files beside it: tfkit export {file} --output FOLDER",
            )
    raise ModelError(f"{file} holds no graph: expected a SavedModel", hint=DAMAGED_HINT)


def not_a_graph(file: Path, message: Message) -> ModelError:
    """The error for a file that should be a frozen graph, and is none: says what else it is."""
    first = next(message.fields(), None)
    if first is not None and _is_first_of_saved_model(first):
        return ModelError(
            f"{file} is a SavedModel: expected a GraphDef",
            hint="Call it saved_model.pb, with the folders variables and assets beside it.",
        )
    if first is not None and first.number == 1 and any(field.number == _GRAPH_DEF for field in message.fields()):
        return ModelError(
            f"{file} is a MetaGraphDef, the graph of a TensorFlow 1 checkpoint: expected a GraphDef",
            hint="Call it PREFIX.meta, with the checkpoint's other files, PREFIX.index and PREFIX.data-*, beside it.",
        )
    return ModelError(f"{file} holds no graph: expected a GraphDef", hint=DAMAGED_HINT)


def _check_magic(file: Path, data: Data) -> None:
    for known in _FORMATS:
        offset = known.offset if known.offset >= 0 else max(len(data) + known.offset, 0)
        if data[offset : offset + len(known.magic)] == known.magic:
            if b"metadata.json" in data[:64] or file.suffix == ".keras":
                raise _refusal(file, "a Keras model", f"Make a SavedModel of it: tfkit export {file} --output FOLDER")
            raise _refusal(file, known.what, known.hint)


def _is_first_of_saved_model(field: wire.Field) -> bool:
    """A SavedModel starts with its schema version, or with a graph if that was left out."""
    return (field.number, field.kind) in ((1, wire.VARINT), (2, wire.LENGTH))


def is_node(message: Message) -> bool:
    """Whether a message reads as a NodeDef: a name, and an operation's name."""
    try:
        return bool(message.text(1)) and _OP_NAME.fullmatch(message.raw(2)) is not None
    except (wire.WireError, UnicodeDecodeError):
        return False


def _refusal(file: Path, what: str, hint: str) -> ModelError:
    return ModelError(f"{file} is {what}: expected a SavedModel", hint=hint)
