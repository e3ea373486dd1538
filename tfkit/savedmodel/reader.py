"""Reads SavedModels in place: the file is mapped into memory, and only the pages that hold an answer are touched.

Field numbers are those of TensorFlow's ``saved_model.proto`` and ``meta_graph.proto``. Standard library only, but for
the text form, ``saved_model.pbtxt``, which protobuf has to parse.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tfkit.eas.structure import default_signature, is_internal
from tfkit.errors import ModelError, SignatureError, nearest
from tfkit.savedmodel.files import DAMAGED_HINT, find_model_file, open_message
from tfkit.savedmodel.kinds import check_saved_model
from tfkit.savedmodel.lazy import ContentError, Message
from tfkit.savedmodel.signatures import parse_signature
from tfkit.tensors import SERVE_TAG, Signature

# SavedModel
_META_GRAPHS = 2
# MetaGraphDef
_META_INFO, _GRAPH_DEF, _SAVER_DEF, _COLLECTION_DEF, _SIGNATURE_DEF, _ASSET_FILE_DEF = 1, 2, 3, 4, 5, 6
# MetaInfoDef
_TAGS, _TENSORFLOW_VERSION, _TENSORFLOW_GIT_VERSION = 4, 5, 6
# SaverDef
_RESTORE_OP_NAME = 3
# AssetFileDef; TensorFlow 1 keeps them in a collection, each in a google.protobuf.Any.
_TENSOR_INFO, _FILENAME = 1, 2
_ASSETS_COLLECTION, _ANY_LIST, _VALUE, _ANY_VALUE = "saved_model_assets", 5, 1, 2
_PLAIN = re.compile(r"[^\0\\]+")
# GraphDef
_NODE, _LIBRARY, _VERSIONS = 1, 2, 4
# FunctionDefLibrary, FunctionDef, VersionDef
_FUNCTION, _NODE_DEF, _PRODUCER, _MIN_CONSUMER = 1, 3, 1, 2


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that the graph reads when it is loaded.

    Attributes:
        filename: Its name in the folder ``assets``.
        tensor: The tensor of the graph that is fed with its path.
    """

    filename: str
    tensor: str


@dataclass(frozen=True, slots=True)
class GraphSummary:
    """What there is to say about a graph without parsing it.

    Attributes:
        producer: GraphDef version of the TensorFlow that wrote it.
        min_consumer: The oldest GraphDef version that may read it.
        nodes: Operations of the main graph.
        functions: Functions of its library.
        function_nodes: Operations of all functions together.
    """

    producer: int
    min_consumer: int
    nodes: int
    functions: int
    function_nodes: int

    @property
    def ops(self) -> int:
        """Operations of the graph and of its functions."""
        return self.nodes + self.function_nodes


@dataclass(frozen=True, slots=True)
class MetaGraph:
    """One graph of a SavedModel with its signatures.

    Attributes:
        tags: What it is chosen by, sorted: ``("serve",)``; may be empty.
        signatures: By name, in the order of names.
        tensorflow_version: The TensorFlow that wrote it, as it calls itself: ``2.21.0``.
        tensorflow_git_version: The same, by its source: ``v2.21.0-rc1-...``.
        graph_bytes: Size of the serialized graph.
        restore_op: The operation that restores the variables; empty if the graph has none to restore.
        assets: Files that the graph reads when it is loaded.
        graph: What the graph holds, where that was asked for.
    """

    tags: tuple[str, ...]
    signatures: Mapping[str, Signature]
    tensorflow_version: str
    tensorflow_git_version: str
    graph_bytes: int
    restore_op: str
    assets: tuple[Asset, ...]
    graph: GraphSummary | None = None


def read_metagraphs(path: str | Path, *, graph: bool = False) -> tuple[MetaGraph, ...]:
    """Reads every metagraph of a SavedModel, in the order of the file.

    Args:
        path: A SavedModel's folder, or its ``saved_model.pb`` or ``saved_model.pbtxt``.
        graph: Count the operations as well, which visits every node (but does not read its tensors).

    Raises:
        ModelError: There is no SavedModel at ``path``, or a damaged one.
        MissingError: The file may not be read.
    """
    file = find_model_file(path)
    with open_message(file) as message:
        check_saved_model(file, message)
        metagraphs = tuple(_parse_metagraph(each, graph=graph) for each in message.children(_META_GRAPHS))
    if not metagraphs:
        raise ModelError(f"{file} holds no graph: expected a SavedModel with at least one", hint=DAMAGED_HINT)
    return metagraphs


def read_signatures(path: str | Path, tags: Collection[str] | None = (SERVE_TAG,)) -> dict[str, Signature]:
    """Reads the signatures of one metagraph of a SavedModel.

    Args:
        path: A SavedModel's folder, or its ``saved_model.pb`` or ``saved_model.pbtxt``.
        tags: The metagraph's tags, all of them; ``None`` for ``serve``, or else the only metagraph there is.

    Returns:
        The signatures by name, in the order of names.

    Raises:
        ModelError: There is no SavedModel at ``path``, or a damaged one, or none with these tags.
        MissingError: The file may not be read.
    """
    return dict(find_metagraph(read_metagraphs(path), tags, path).signatures)


def find_metagraph(metagraphs: Collection[MetaGraph], tags: Collection[str] | None, path: str | Path) -> MetaGraph:
    """The metagraph that has exactly these tags; ``None`` means ``serve``, or else the only one there is.

    Raises:
        ModelError: There is none; the hint lists the tag sets that there are.
    """
    wanted = {SERVE_TAG} if tags is None else set(tags)
    for metagraph in metagraphs:
        if set(metagraph.tags) == wanted:
            return metagraph
    if tags is None and len(metagraphs) == 1:
        return next(iter(metagraphs))
    known = "; ".join(show_tags(metagraph.tags) for metagraph in metagraphs)
    raise ModelError(f"{path} has no graph with the tags {show_tags(sorted(wanted))}", hint=f"Its tag sets: {known}.")


def show_tags(tags: Collection[str]) -> str:
    """A tag set as commands take and print it."""
    return ",".join(tags) if tags else "(none)"


def find_signature(signatures: Mapping[str, Signature], name: str | None = None) -> Signature:
    """The signature called ``name``, or the default one (see ``tfkit.eas.structure.default_signature``).

    Raises:
        SignatureError: There is no such signature; the hint offers the nearest names.
    """
    if not name:
        return default_signature(signatures)
    known = {each: signature for each, signature in signatures.items() if not is_internal(each)}
    try:
        return known[name]
    except KeyError:
        raise SignatureError(f"the model has no signature {name!r}", hint=nearest(name, known)) from None


def _parse_metagraph(message: Message, *, graph: bool) -> MetaGraph:
    info = message.child(_META_INFO)
    signatures = {name: parse_signature(name, each) for name, each in message.entries(_SIGNATURE_DEF)}
    graph_def = message.child(_GRAPH_DEF)
    return MetaGraph(
        tags=tuple(sorted(info.texts(_TAGS))),
        signatures={name: signatures[name] for name in sorted(signatures)},
        tensorflow_version=info.text(_TENSORFLOW_VERSION),
        tensorflow_git_version=info.text(_TENSORFLOW_GIT_VERSION),
        graph_bytes=graph_def.size_bytes,
        restore_op=message.child(_SAVER_DEF).text(_RESTORE_OP_NAME),
        assets=_parse_assets(message),
        graph=_summarize(graph_def) if graph else None,
    )


def _parse_assets(message: Message) -> tuple[Asset, ...]:
    found = list(message.children(_ASSET_FILE_DEF))
    for name, collection in message.entries(_COLLECTION_DEF):
        if name == _ASSETS_COLLECTION and not found:
            found = [each.child(_ANY_VALUE) for each in collection.child(_ANY_LIST).children(_VALUE)]
    return tuple(Asset(_inside(each.text(_FILENAME)), each.child(_TENSOR_INFO).text(1)) for each in found)


def _inside(filename: str) -> str:
    """The name of an asset's file, which never leads out of the folder that it is in."""
    path = PurePosixPath(filename)
    if path.is_absolute() or ".." in path.parts or not path.parts or not _PLAIN.fullmatch(filename):
        raise ContentError(f"asset {filename!r} does not lie in the model's folder assets")
    return filename


def _summarize(graph_def: Message) -> GraphSummary:
    nodes = functions = function_nodes = producer = min_consumer = 0
    for field in graph_def.fields():
        if field.number == _NODE:
            nodes += 1
        elif field.number == _LIBRARY:
            for function in graph_def.at(field).children(_FUNCTION):
                functions += 1
                function_nodes += sum(each.number == _NODE_DEF for each in function.fields())
        elif field.number == _VERSIONS:
            versions = graph_def.at(field)
            producer, min_consumer = versions.integer(_PRODUCER), versions.integer(_MIN_CONSUMER)
    return GraphSummary(producer, min_consumer, nodes, functions, function_nodes)
