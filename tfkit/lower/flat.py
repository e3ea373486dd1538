"""A SavedModel whose graph calls no functions any more: what rewrites work on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfkit import proto
from tfkit.eas.structure import is_internal
from tfkit.errors import ModelError
from tfkit.graph.attributes import strings_value, type_value
from tfkit.graph.functions import Functions
from tfkit.graph.graph_def import read_graph
from tfkit.graph.inline import Inliner
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.ops import Argument
from tfkit.processors.tables import op_table
from tfkit.savedmodel.files import find_model_file, open_message
from tfkit.savedmodel.reader import MetaGraph, find_metagraph, find_signature, read_metagraphs
from tfkit.tensors import SERVE_TAG, DType, Signature

_MAIN_OPS = ("saved_model_main_op", "legacy_init_op")
_INIT_SIGNATURE = "__saved_model_init_op"
_STRING = int(DType.STRING)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.\-/]")


@dataclass(slots=True)
class FlatSignature:
    """A signature, and the tensors behind it.

    Attributes:
        message: The ``SignatureDef``.
        inputs: The tensors that are fed, by the names of the inputs.
        outputs: The tensors that are fetched, by the names of the outputs.
    """

    message: Any
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


@dataclass(slots=True)
class FlatModel:
    """A SavedModel's metagraph, inlined.

    Attributes:
        path: The SavedModel's folder.
        tags: The metagraph's tags.
        tensorflow: The TensorFlow that wrote it.
        graph: Its nodes.
        signatures: By name.
        init: What has to run before the first request: it fills tables.
        restore: What restores the variables; ``None`` where there is nothing to restore.
        saver: The ``SaverDef``.
        checkpoint: What is fed with the name of the checkpoint.
        assets: The names of the assets' files, by the nodes that hold their paths.
        functions: What is left of the functions' library where some calls were kept.
    """

    path: Path
    tags: tuple[str, ...]
    tensorflow: str
    graph: Graph
    signatures: dict[str, FlatSignature]
    init: list[Node] = field(default_factory=list)
    restore: Node | None = None
    saver: Any = None
    checkpoint: Tensor | None = None
    assets: dict[Node, str] = field(default_factory=dict)
    functions: Functions | None = None

    def copy(self) -> FlatModel:
        """The same model with nodes of its own, for a rewrite that leaves this one as it is."""
        graph, copies = self.graph.copy()

        def moved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: Tensor(copies[tensor.node], tensor.output) for name, tensor in tensors.items()}

        return replace(
            self,
            graph=graph,
            signatures={
                name: FlatSignature(each.message, moved(each.inputs), moved(each.outputs))
                for name, each in self.signatures.items()
            },
            init=[copies[node] for node in self.init],
            restore=None if self.restore is None else copies[self.restore],
            checkpoint=None
            if self.checkpoint is None
            else Tensor(copies[self.checkpoint.node], self.checkpoint.output),
            assets={copies[node]: filename for node, filename in self.assets.items()},
        )

    def roots(self) -> Iterable[Node]:
        """What the model is for: everything else may go."""
        for signature in self.signatures.values():
            yield from (tensor.node for tensor in (*signature.inputs.values(), *signature.outputs.values()))
        yield from self.init
        if self.restore is not None:
            yield self.restore
        if self.checkpoint is not None:
            yield self.checkpoint.node

    def prune(self, *, pivots: bool = True) -> None:
        """Drops what none of the roots needs; pivots are kept for what may be added yet."""
        self.graph.keep(self.roots(), pivots=pivots)
        self.assets = {node: name for node, name in self.assets.items() if node.name in self.graph.nodes}


def read_flat(
    path: str | Path,
    tags: Collection[str] | None = (SERVE_TAG,),
    signatures: Collection[str] | None = None,
    *,
    keep: Collection[str] = (),
) -> FlatModel:
    """Reads a SavedModel and inlines all of its functions.

    Args:
        path: Its folder.
        tags: The metagraph's tags.
        signatures: Those to keep; all by default.
        keep: Ops whose functions are left to them: branches and loops, say.

    Raises:
        ModelError: There is no SavedModel, a damaged one, or one that cannot be inlined.
        SignatureError: It has no such signature or tag set.
        MissingError: The file may not be read.
    """
    metagraphs = read_metagraphs(path)
    wanted = find_metagraph(metagraphs, tags, path)
    file = find_model_file(path)
    with open_message(file) as message:
        data = message.data[:]
    saved = proto.message("tensorflow.SavedModel").FromString(data)
    del data
    metagraph = saved.meta_graphs[metagraphs.index(wanted)]
    try:
        model = _flatten(metagraph, wanted, file.parent, _chosen(wanted.signatures, signatures), keep)
    except ModelError as error:
        raise ModelError(f"{file}: {error.message}", hint=error.hint) from None
    return model


def _chosen(signatures: Mapping[str, Signature], names: Collection[str] | None) -> list[str]:
    """The names of the signatures to keep; what TensorFlow keeps for itself is none."""
    if names is None:
        return [name for name in signatures if not is_internal(name)]
    return [find_signature(signatures, name).name for name in names]


def _flatten(
    metagraph: Any, known_as: MetaGraph, folder: Path, names: Collection[str], keep: Collection[str]
) -> FlatModel:
    known = _Known(metagraph.meta_info_def.stripped_op_list)
    graph = read_graph(metagraph.graph_def)
    functions = Functions(metagraph.graph_def.library, known.outputs_of)
    inliner = Inliner(graph, functions, known.is_stateful, keep=keep)
    restore, saver = _restore_of(metagraph, graph)
    init = _init_of(metagraph, graph)
    assets = {graph.tensor(asset.tensor).node: asset.filename for asset in known_as.assets}
    ends = {name: _tensors(metagraph.signature_def[name].outputs, graph) for name in names}
    inliner.run()
    signatures = {}
    for name in names:
        message = metagraph.signature_def[name]
        outputs = {key: inliner.now(tensor) for key, tensor in ends[name].items()}
        signatures[name] = FlatSignature(message, _tensors(message.inputs, graph), outputs)
    model = FlatModel(
        folder,
        known_as.tags,
        known_as.tensorflow_version,
        graph,
        signatures,
        init,
        restore,
        saver,
        graph.tensor(saver.filename_tensor_name) if restore is not None else None,
        assets,
        functions if keep else None,
    )
    _name_outputs(model)
    _hold_asset_paths(model)
    model.prune()
    return model


def inline_functions(graph: Graph, library: Any, op_list: Any) -> Inliner:
    """Inlines everything that a graph without signatures calls.

    Args:
        graph: The graph; it is changed.
        library: Its ``FunctionDefLibrary``.
        op_list: What it tells of its ops, an ``OpList``.

    Returns:
        What knows the tensors that stand for those of functions now.

    Raises:
        ModelError: A function is missing, calls itself, or does not fit its call.
    """
    known = _Known(op_list)
    inliner = Inliner(graph, Functions(library, known.outputs_of), known.is_stateful)
    inliner.run()
    return inliner


def _tensors(infos: Mapping[str, Any], graph: Graph) -> dict[str, Tensor]:
    return {key: graph.tensor(info.name) for key, info in infos.items()}


def _restore_of(metagraph: Any, graph: Graph) -> tuple[Node | None, Any]:
    """The node that restores the variables, and the ``SaverDef``; a function's output is called by its node here."""
    saver = metagraph.saver_def
    name = saver.restore_op_name.partition(":")[0]
    return (graph.tensor(name).node if name else None), saver


def _init_of(metagraph: Any, graph: Graph) -> list[Node]:
    names = [
        name for key in _MAIN_OPS if key in metagraph.collection_def
        for name in metagraph.collection_def[key].node_list.value
    ]  # fmt: skip
    if not names and _INIT_SIGNATURE in metagraph.signature_def:
        names = [info.name for info in metagraph.signature_def[_INIT_SIGNATURE].outputs.values()]
    return [graph.tensor(name).node for name in dict.fromkeys(names)]


def _name_outputs(model: FlatModel) -> None:
    """Lets what comes out of a function be called by its signature and output."""
    for name, signature in model.signatures.items():
        for key, tensor in signature.outputs.items():
            if tensor.node.origin is not None:
                attrs = {"T": type_value(signature.message.outputs[key].dtype)}
                identity = Node(_node_name(f"{name}/{key}"), "Identity", (tensor,), attrs)
                signature.outputs[key] = model.graph.add(identity).out()


def _node_name(name: str) -> str:
    """The nearest name that a node may have: it begins with a letter, a digit or a point."""
    name = _NOT_IN_NAMES.sub("_", name)
    return name if name[0].isalnum() or name[0] == "." else f"signature{name}"


def _hold_asset_paths(model: FlatModel) -> None:
    """Makes constants of the placeholders that TensorFlow 2 feeds with assets' paths, as TensorFlow 1 wants them."""
    for node, filename in model.assets.items():
        if node.op == "Placeholder":
            node.op = "Const"
            node.attrs = {"dtype": type_value(_STRING), "value": strings_value((), (filename.encode(),))}


class _Known:
    """What is known of ops: by the newest TensorFlow, and by the model for those that came from a library."""

    def __init__(self, op_list: Any) -> None:
        self._table = op_table(INSTALLED)
        self._own = {op.name: op for op in op_list.op}
        self._outputs: dict[str, tuple[Argument, ...]] = {}

    def outputs_of(self, op: str, attrs: Mapping[str, Any]) -> list[tuple[str, int]]:
        """The names of an op's outputs, and how many tensors each stands for."""
        if op not in self._outputs:
            self._outputs[op] = self._arguments(op)
        return [(argument.name, count_of(argument, attrs)) for argument in self._outputs[op]]

    def is_stateful(self, op: str) -> bool:
        """Whether an op does more than compute; one that nobody knows may."""
        known = self._table.op(op)
        if known is not None:
            return known.stateful
        return op not in self._own or bool(self._own[op].is_stateful)

    def _arguments(self, op: str) -> tuple[Argument, ...]:
        known = self._table.op(op)
        if known is not None:
            return known.outputs
        if op not in self._own:
            raise ModelError(
                f"nothing is known of the operation {op}: neither TensorFlow {self._table.minor} has it nor the model "
                "tells of it"
            )
        return tuple(
            Argument(arg.name, arg.type, arg.type_attr, arg.number_attr, arg.type_list_attr, arg.is_ref)
            for arg in self._own[op].output_arg
        )


def count_of(argument: Argument, attrs: Mapping[str, Any]) -> int:
    """How many tensors an input or output of an op stands for, in a node with these attributes."""
    name = argument.number_attr or argument.type_list_attr
    if not name:
        return 1
    if name not in attrs:  # left out where it has its default, which is none of them
        return 0
    return int(attrs[name].i) if argument.number_attr else len(attrs[name].list.type)


def each_argument(arguments: Iterable[Argument], attrs: Mapping[str, Any]) -> list[Argument]:
    """What an op calls each of the inputs, or outputs, of a node with these attributes."""
    return [argument for argument in arguments for _ in range(count_of(argument, attrs))]


def dtypes_of(argument: Argument, attrs: Mapping[str, Any]) -> list[int]:
    """The dtypes of those tensors; 0 where the node does not say."""
    if argument.type_list_attr:
        return list(attrs[argument.type_list_attr].list.type) if argument.type_list_attr in attrs else []
    dtype = argument.dtype or (int(attrs[argument.type_attr].type) if argument.type_attr in attrs else 0)
    return [dtype] * count_of(argument, attrs)
