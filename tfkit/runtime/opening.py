"""Opens a model in TensorFlow: a SavedModel's folder, or a frozen graph's file."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfkit.errors import ModelError, TensorFlowError
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.tables import op_table
from tfkit.runtime.library import Library
from tfkit.runtime.options import RuntimeOptions
from tfkit.savedmodel.checkpoint import check_variables
from tfkit.savedmodel.files import find_model_file, open_message
from tfkit.savedmodel.frozen import VARIABLES_HINT, FrozenGraph, is_frozen_graph, read_frozen_graph
from tfkit.savedmodel.reader import find_metagraph, read_metagraphs
from tfkit.tensors import Signature

# What TensorFlow says of a model that uses what it does not have.
_UNKNOWN_OP = "Op type not registered"
_UNKNOWN_OP_NAME = re.compile(f"{_UNKNOWN_OP} '([^']+)'")
_TOO_NEW = (
    _UNKNOWN_OP,
    "NodeDef mentions attr",
    "forward compatibility guarantee",
    "not in the list of",
    "min consumer version",
)
_TOO_NEW_HINT = "The graph was made for a newer TensorFlow than this one: choose a newer processor."
_VERSION = re.compile(r"(\d+)\.(\d+)")
_OP_LIBRARY_HINT = "If the operation comes from a library of its own: tfkit serve MODEL --op-library FILE loads one."


@dataclass(frozen=True, slots=True)
class Opened:
    """What was read of a model before TensorFlow loads it.

    Attributes:
        path: The SavedModel's folder, or the frozen graph's file.
        signatures: The SavedModel's signatures.
        frozen: What is known of a frozen graph; ``None`` for a SavedModel.
        written_by: The TensorFlow that wrote a SavedModel.
    """

    path: Path
    signatures: Mapping[str, Signature]
    frozen: FrozenGraph | None = None
    written_by: str = ""


def read_model(path: Path | str, tags: Sequence[str]) -> Opened:
    """Reads what a session has to know, and checks that the model is whole.

    Raises:
        ModelError: There is no model, or a damaged one.
        SignatureError: It has no such tag set.
        MissingError: It may not be read.
    """
    file = find_model_file(path)
    if is_frozen_graph(file):
        frozen = read_frozen_graph(file)
        if frozen.variables:
            raise ModelError(
                f"{file} is no frozen graph: it has {frozen.variables} variables, without their values",
                hint=VARIABLES_HINT,
            )
        return Opened(file, {}, frozen)
    metagraph = find_metagraph(read_metagraphs(file), tags, path)
    check_variables(file.parent, needed=bool(metagraph.restore_op))
    return Opened(file.parent, dict(metagraph.signatures), written_by=metagraph.tensorflow_version)


def open_session(library: Library, graph: int, model: Opened, tags: Sequence[str], options: RuntimeOptions) -> int:
    """Loads a model into an empty ``TF_Graph*``; returns the ``TF_Session*``, which is the caller's.

    Raises:
        TensorFlowError: TensorFlow refused it.
    """
    try:
        with library.session_options(options) as session_options:
            if model.frozen is None:
                return _load_saved_model(library, graph, model.path, tags, session_options)
            _import_graph(library, graph, model.path)
            with library.status() as status:
                return int(library.long.TF_NewSession(graph, session_options, status) or 0)
    except TensorFlowError as error:
        raise TensorFlowError(
            f"{model.path}: TensorFlow {library.version} cannot load it: {error.message}",
            code=error.code,
            hint=_hint(error.message, model, library.version, options.processor),
        ) from None


def _load_saved_model(library: Library, graph: int, path: Path, tags: Sequence[str], session_options: int) -> int:
    names = (ctypes.c_char_p * len(tags))(*(tag.encode() for tag in tags))
    with library.status() as status:
        # The MetaGraphDef that it could return is a copy of the whole graph: signatures are read from the file.
        session = library.long.TF_LoadSessionFromSavedModel(
            session_options, None, os.fsencode(path), names, len(tags), graph, None, status
        )
    return int(session)


def _import_graph(library: Library, graph: int, path: Path) -> None:
    with open_message(path) as message:
        data = message.data[:]
    buffer = library.quick.TF_NewBufferFromString(data, len(data))
    del data
    options = library.quick.TF_NewImportGraphDefOptions()
    try:
        with library.status() as status:
            library.long.TF_GraphImportGraphDef(graph, buffer, options, status)
    finally:
        library.quick.TF_DeleteImportGraphDefOptions(options)
        library.quick.TF_DeleteBuffer(buffer)


def _hint(message: str, model: Opened, version: str, processor: str) -> str:
    hints = []
    if processor != INSTALLED and any(words in message for words in _TOO_NEW):
        if not model.written_by:
            hints.append(_TOO_NEW_HINT)
        elif _minor(model.written_by) > _minor(version):
            hints.append(
                f"It was written by TensorFlow {model.written_by}. Write it with what this one has: "
                f"tfkit export {model.path} --processor {processor} --output FOLDER"
            )
    unknown = _UNKNOWN_OP_NAME.search(message)
    if unknown and not op_table(INSTALLED).knows(unknown[1]):
        hints.append(_OP_LIBRARY_HINT)
    return "\n".join(hints)


def _minor(version: str) -> tuple[int, int]:
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
