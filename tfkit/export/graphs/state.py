"""What a training graph has to fetch before it answers: its variables from a checkpoint, its tables, its files.

The part of the graph that restores a checkpoint is kept as the saver wrote it, but for what the outputs do not need:
optimizers' slots, the step, statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from tfkit.errors import ModelError
from tfkit.export.graphs.facts import GraphFacts, declared_shape
from tfkit.graph.attributes import bool_value, strings_value, type_value, types_value
from tfkit.graph.closure import needed_by
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.graph.tensor_proto import tensor_array
from tfkit.savedmodel.checkpoint import Variable
from tfkit.tensors import DType, Shape, TensorSpec

_RESOURCE = "VarHandleOp"
_VARIABLES = frozenset(("Variable", "VariableV2", "AutoReloadVariable", _RESOURCE))
_TABLES = frozenset((
    "HashTable", "HashTableV2", "MutableHashTable", "MutableHashTableV2", "MutableHashTableOfTensors",
    "MutableHashTableOfTensorsV2", "MutableDenseHashTable", "MutableDenseHashTableV2", "AnonymousHashTable",
))  # fmt: skip
_FILLS = frozenset((
    "InitializeTable", "InitializeTableV2", "InitializeTableFromTextFile", "InitializeTableFromTextFileV2",
    "LookupTableImport", "LookupTableImportV2",
))  # fmt: skip
_FROM_FILE = frozenset(("InitializeTableFromTextFile", "InitializeTableFromTextFileV2"))
_HAND_ON = frozenset(("Identity", "Enter", "RefEnter", "Switch", "RefSwitch", "RefIdentity"))
_RESTORE = "RestoreV2"
_SHOWN = 10
_STRING = int(DType.STRING)
_MIXED_HINT = "The .meta file and the others are perhaps of different checkpoints: copy all of one anew."
_UNSAVED_HINT = (
    "The saver that wrote the checkpoint leaves variables out that the outputs need: save them as well, with "
    "tf.train.Saver(tf.global_variables() + tf.local_variables())."
)


@dataclass(frozen=True, slots=True)
class State:
    """What has to run before a model answers.

    Attributes:
        restore: Restores the variables; ``None`` where there are none.
        checkpoint: What is fed with the checkpoint's name.
        init: Fills the tables.
        assets: The names of files by the nodes that hold their paths.
        files: Where these files are.
    """

    restore: Node | None
    checkpoint: Tensor | None
    init: tuple[Node, ...]
    assets: Mapping[Node, str]
    files: Mapping[str, Path]

    def notes(self, folder: Path) -> tuple[str, ...]:
        """Which files go with the model that do not lie in its folder, but where the graph says."""
        return tuple(
            f"{path} goes with the model, as assets/{name}: a table is filled from it"
            for name, path in self.files.items()
            if not path.is_relative_to(folder)
        )


def variables_of(nodes: Iterable[Node]) -> list[Node]:
    """The variables among some nodes."""
    return [node for node in nodes if node.op in _VARIABLES]


def gather_state(
    graph: Graph,
    outputs: Iterable[Node],
    *,
    restore_op: str,
    asset_paths: Iterable[str],
    folder: Path,
    index: Mapping[str, Variable],
) -> State:
    """Keeps of a graph's restoring and initialising what some outputs need.

    Args:
        graph: The graph; its restoring part is changed.
        outputs: The nodes of the outputs.
        restore_op: The name of the node that restores everything; empty if there is none.
        asset_paths: Names of the tensors that hold the paths of files.
        folder: The folder of the model, in which such files may be.
        index: What the checkpoint holds.

    Raises:
        ModelError: The checkpoint lacks a variable that is needed, or has it otherwise; a table is never filled; a file
            is missing.
    """
    needed = needed_by(outputs)
    restore_root = graph.nodes.get(restore_op)
    actions = [] if restore_root is None else list(_actions(restore_root))
    restoring = needed_by(actions) if actions else set()
    fills = _fills(graph, needed, restoring)
    needed |= needed_by(fills)
    restore = _Restoring(graph, index, [node for node in graph.nodes.values() if node in needed])
    restore.keep(actions)
    _check_filled(needed, fills, restore)
    restored, checkpoint = restore.finish()
    assets, files = _assets(graph, fills, asset_paths, folder)
    init = (graph.add(Node("init_tables", "NoOp", controls=fills)),) if fills else ()
    return State(restored, checkpoint, init, assets, files)


def _actions(root: Node) -> Iterator[Node]:
    """What a restoring node waits for: assignments, tables' imports; groups in between are gone through."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op == "NoOp":
            waiting.extend(node.controls)
        else:
            yield node


def _state_of(node: Node) -> Node | None:
    """The variable or table that a node changes, its first input."""
    for _ in range(100):
        if node.op in _VARIABLES | _TABLES:
            return node
        if not node.inputs:
            return None
        node = node.inputs[0].node
    return None


def _key(node: Node) -> str:
    """What a variable or table is shared by: nodes of one name stand for one."""
    return f"{node.text_attr('container')}/{node.text_attr('shared_name') or node.name}"


class _Restoring:
    """The restoring of what is needed.

    Args:
        graph: The graph.
        index: What the checkpoint holds.
        needed: What the outputs need, in the order of the graph.
    """

    def __init__(self, graph: Graph, index: Mapping[str, Variable], needed: Iterable[Node]) -> None:
        self._graph = graph
        self._index = index
        self._facts = GraphFacts(graph)
        self._wanted = {_key(node): node for node in needed if node.op in _VARIABLES | _TABLES}
        self._kept: list[Node] = []
        self._problems: list[str] = []
        self._unsaved = False
        self.restored: set[str] = set()

    def keep(self, actions: Iterable[Node]) -> None:
        """Keeps of what the saver restores that which is needed."""
        for action in actions:
            state = _state_of(action)
            if state is not None and _key(state) in self._wanted:
                self._kept.append(action)
                self.restored.add(_key(state))

    def finish(self) -> tuple[Node | None, Tensor | None]:
        """The node that restores all that is needed, and what is fed with the checkpoint's name.

        Raises:
            ModelError: The checkpoint does not have what is needed.
        """
        lost = [node for key, node in self._wanted.items() if node.op in _VARIABLES and key not in self.restored]
        readers = [node for node in needed_by(self._kept) if node.op == _RESTORE]
        if not self._kept and not lost:
            return None, None
        text = strings_value((), (b"checkpoint",))
        path = self._graph.add(Node("checkpoint_path", "Const", attrs={"dtype": type_value(_STRING), "value": text}))
        for reader in sorted(readers, key=lambda node: node.name):
            self._reduce(reader, path)
        self._restore_by_name(lost, path)
        if self._problems:
            shown = self._problems[:_SHOWN]
            more = [f"  and {len(self._problems) - _SHOWN} more"] if len(self._problems) > _SHOWN else []
            raise ModelError(
                "\n".join(["its variables do not fit its graph:", *(f"  {each}" for each in shown), *more]),
                hint=_UNSAVED_HINT if self._unsaved else _MIXED_HINT,
            )
        return self._graph.add(Node("restore_variables", "NoOp", controls=self._kept)), path.out()

    def _reduce(self, reader: Node, path: Node) -> None:
        """Lets a node restore only what is taken of it."""
        names, slices = (self._facts.value(tensor) for tensor in reader.inputs[1:3])
        if names is None or slices is None:
            raise ModelError(f"node {reader.name!r} computes the names of what it restores: expected constants")
        takers = needed_by(self._kept)
        taken: dict[int, list[Node]] = {}
        for node in takers:
            for tensor in node.inputs:
                if tensor.node is reader:
                    taken.setdefault(tensor.output, []).append(node)
        kept = sorted(taken)
        dtypes = reader.types_attr("dtypes")
        if len(names) != len(slices) or len(names) != len(dtypes) or (kept and kept[-1] >= len(names)):
            raise ModelError(
                f"node {reader.name!r} restores {len(names)} names in {len(slices)} slices as {len(dtypes)} tensors"
            )
        for at in kept:
            wanted = self._assigned_shape(taken[at], reader.out(at))
            self._check(names[at].decode("utf-8", "replace"), dtypes[at], wanted, slices[at].decode("ascii", "replace"))
        numbers = {at: position for position, at in enumerate(kept)}
        for node in {user for users in taken.values() for user in users}:
            node.inputs = [
                reader.out(numbers[tensor.output]) if tensor.node is reader else tensor for tensor in node.inputs
            ]
        texts = [self._texts(f"{reader.name}/{what}", [held[at] for at in kept])
                 for what, held in (("names", names), ("slices", slices))]  # fmt: skip
        reader.inputs, reader.controls = [path.out(), *texts], []
        reader.attrs = {"dtypes": types_value([dtypes[at] for at in kept])}

    def _assigned_shape(self, users: Iterable[Node], tensor: Tensor) -> Shape | None:
        """The shape of the variable that a tensor is assigned to as it is; ``None`` if something is done to it."""
        for user in users:
            if user.op == "Assign" and user.inputs[1] == tensor:
                return _variable_shape(_state_of(user))
            if user.op == "Identity":
                for node in self._kept:
                    if node.op == "AssignVariableOp" and node.inputs[1].node is user:
                        return _variable_shape(_state_of(node))
            if user.op == "AssignVariableOp" and user.inputs[1] == tensor:
                return _variable_shape(_state_of(user))
        return None

    def _check(self, name: str, dtype: int, shape: Shape | None, sliced: str) -> None:
        held = self._index.get(name)
        wanted = TensorSpec(name, _plain_dtype(dtype), shape)
        if held is None:
            self._problems.append(f"{name!r}, {wanted}, is not in the checkpoint")
            return
        if sliced.strip():
            *sizes, _ = sliced.split()
            whole = tuple(int(size) for size in sizes if size.isdecimal())
            wanted = TensorSpec(name, wanted.dtype, whole)
        fits = held.shape is None or wanted.accepts_shape(tuple(-1 if size is None else size for size in held.shape))
        if held.dtype != wanted.dtype or not fits:
            has = TensorSpec(name, held.dtype, held.shape)
            self._problems.append(f"{name!r} is {has} in the checkpoint, and {wanted} in the graph")

    def _restore_by_name(self, variables: list[Node], path: Node) -> None:
        """Restores variables that the saver leaves out by their own names, if the checkpoint has them."""
        if not variables:
            return
        names = [node.text_attr("shared_name") or node.name for node in variables]
        dtypes = [node.type_attr("dtype") for node in variables]
        for node, name, dtype in zip(variables, names, dtypes, strict=True):
            self._unsaved |= name not in self._index
            self._check(name, dtype, declared_shape(node), "")
        texts = (
            self._texts("restore_by_name/names", [name.encode() for name in names]),
            self._texts("restore_by_name/slices", [b""] * len(names)),
        )
        reader = Node("restore_by_name", _RESTORE, (path.out(), *texts), {"dtypes": types_value(dtypes)})
        self._graph.add(reader)
        for at, (node, dtype) in enumerate(zip(variables, dtypes, strict=True)):
            given = (node.out(), reader.out(at))
            if node.op == _RESOURCE:
                assign = Node(f"{node.name}/restore", "AssignVariableOp", given, {"dtype": type_value(dtype)})
            else:
                attrs = {"T": type_value(dtype), "use_locking": bool_value(True), "validate_shape": bool_value(True)}
                assign = Node(f"{node.name}/restore", "Assign", given, attrs)
            self._kept.append(self._graph.add(assign))

    def _texts(self, name: str, texts: Iterable[bytes]) -> Tensor:
        held = list(texts)
        attrs = {"dtype": type_value(_STRING), "value": strings_value((len(held),), held)}
        return self._graph.add(Node(name, "Const", attrs=attrs)).out()


def _plain_dtype(number: int) -> DType:
    return DType(number % 100) if number % 100 in DType._value2member_map_ else DType.INVALID


def _variable_shape(node: Node | None) -> Shape | None:
    """The shape of a variable."""
    return None if node is None else declared_shape(node)


def _fills(graph: Graph, needed: set[Node], restoring: set[Node]) -> list[Node]:
    """What fills the tables that are needed."""
    tables = {_key(node) for node in needed if node.op in _TABLES}
    return [
        node for node in graph.nodes.values()
        if node.op in _FILLS and node not in restoring and (state := _state_of(node)) is not None
        and _key(state) in tables
    ]  # fmt: skip


def _check_filled(needed: Iterable[Node], fills: Iterable[Node], restore: _Restoring) -> None:
    filled = {_key(state) for node in fills if (state := _state_of(node)) is not None} | restore.restored
    for node in sorted((node for node in needed if node.op in _TABLES), key=lambda node: node.name):
        if _key(node) not in filled:
            raise ModelError(
                f"table {node.name!r} ({node.op}) is neither filled by the graph nor saved in the checkpoint",
                hint="Save the graph with what initialises the table, or name an output that needs no table.",
            )


def _assets(
    graph: Graph, fills: Iterable[Node], asset_paths: Iterable[str], folder: Path
) -> tuple[dict[Node, str], dict[str, Path]]:
    """The files that tables are filled from, under names of their own."""
    needed = needed_by(fills)
    holders = [graph.nodes[name] for text in asset_paths if (name := text.partition(":")[0]) in graph.nodes]
    holders += [found for node in fills if node.op in _FROM_FILE and (found := _origin(node.inputs[1])) is not None]
    assets: dict[Node, str] = {}
    files: dict[str, Path] = {}
    for node in dict.fromkeys(each for each in holders if each in needed and each.op == "Const"):
        path = _find_file(node, _text_of(node), folder)
        name, number = path.name, 0
        while files.get(name, path) != path:
            number += 1
            name = f"{path.stem}_{number}{path.suffix}"
        assets[node], files[name] = name, path
    return assets, files


def _origin(tensor: Tensor) -> Node | None:
    """The constant that a tensor hands on."""
    node = tensor.node
    while node.op in _HAND_ON:
        node = node.inputs[0].node
    return node if node.op == "Const" else None


def _text_of(node: Node) -> str:
    values: Any = tensor_array(node.attrs["value"].tensor).reshape(-1)
    return bytes(values[0]).decode("utf-8", "surrogateescape") if values.size == 1 and values.dtype == object else ""


def _find_file(node: Node, text: str, folder: Path) -> Path:
    """Where a file is that a graph names by the path that it had where it was trained."""
    name = (PureWindowsPath if "\\" in text else PurePosixPath)(text).name
    if name:
        for path in (folder / name, folder / "assets" / name, Path(text)):
            if path.is_file():
                return path
    raise ModelError(
        f"the file {text!r} is missing, of which node {node.name!r} fills a table",
        hint=f"Put it into {folder}, under the name {name}.",
    )
