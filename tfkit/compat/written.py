"""A SavedModel's graph as the file has it, functions included: what a TensorFlow meets that loads it as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tfkit import proto
from tfkit.eas.structure import is_internal
from tfkit.graph.functions import CALLS
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.tables import op_table
from tfkit.savedmodel.files import find_model_file, open_message
from tfkit.savedmodel.reader import MetaGraph, find_metagraph, read_metagraphs
from tfkit.tensors import SERVE_TAG

LOADING = ""  # stands for what runs before any signature does: restoring variables, filling tables
_MAIN_OPS = ("saved_model_main_op", "legacy_init_op")
_INIT_SIGNATURE = "__saved_model_init_op"


@dataclass(frozen=True, slots=True, eq=False)
class WrittenNode:
    """A node of the main graph or of a function.

    Attributes:
        name: Its name there.
        op: Its operation.
        attrs: Its attributes: ``AttrValue`` messages by name.
        inputs: How many tensors it is fed with.
        feeders: The names of the nodes that it takes tensors from or waits for.
        functions: The functions that its attributes name, or that it calls by its operation.
        called: Whether it calls them whenever it runs, as a branch or a loop does not.
    """

    name: str
    op: str
    attrs: Mapping[str, Any]
    inputs: int
    feeders: tuple[str, ...]
    functions: tuple[str, ...]
    called: bool


@dataclass(frozen=True)
class Body:
    """The main graph, or a function.

    Attributes:
        name: The function's name; empty for the main graph.
        nodes: Its nodes by name.
        ends: The nodes that a call of it is made for; the main graph has none of its own.
        stateful: Those that do more than compute.
    """

    name: str
    nodes: Mapping[str, WrittenNode]
    ends: tuple[str, ...] = ()
    stateful: tuple[str, ...] = ()

    def behind(self, names: Iterable[str]) -> set[str]:
        """The nodes that some nodes need, and these themselves."""
        found: set[str] = set()
        waiting = [name for name in names if name in self.nodes]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(feeder for feeder in self.nodes[name].feeders if feeder in self.nodes)
        return found

    @cached_property
    def computed(self) -> set[str]:
        """What a call runs: what its results need."""
        return self.behind(self.ends)

    @cached_property
    def kept(self) -> set[str]:
        """What a call of TensorFlow 1.12 runs: everything stateful as well."""
        return self.behind((*self.ends, *self.stateful))


@dataclass(frozen=True)
class WrittenModel:
    """A metagraph's graph.

    Attributes:
        file: The file it is in.
        metagraph: What there is to say of it beside the graph.
        producer: The version of ``GraphDef`` it was written in.
        min_consumer: The oldest version of ``GraphDef`` that may read it.
        main: The main graph.
        functions: By name.
        roots: The nodes of the main graph that each signature asks for, and under ``LOADING`` those that loading runs.
    """

    file: Path
    metagraph: MetaGraph
    producer: int
    min_consumer: int
    main: Body
    functions: Mapping[str, Body]
    roots: Mapping[str, tuple[str, ...]]
    _reached: dict[bool, Mapping[str, Reach]] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """How many nodes there are, functions' included."""
        return len(self.main.nodes) + sum(len(body.nodes) for body in self.functions.values())

    def callers(self, function: str) -> tuple[str, ...]:
        """The node that calls a function, the one that calls the function this is in, and so on, where they are known.

        Of several callers, one.
        """
        found: list[str] = []
        while function in self._calls and len(found) < len(self.functions):
            function, node = self._calls[function]
            found.append(node)
        return tuple(found)

    @cached_property
    def _calls(self) -> Mapping[str, tuple[str, str]]:
        """By function: a function that calls it, or the main graph, and the node that does."""
        return {
            name: (body.name, node.name)
            for body in (*self.functions.values(), self.main)
            for node in body.nodes.values()
            for name in node.functions
        }

    def loaded(self) -> set[str]:
        """The functions whose bodies TensorFlow reads as soon as it loads the model, whoever asks for them."""
        return self._closure(self.main.nodes.values(), lambda body: body.nodes.values(), called=True)

    def reach(self, *, stateful: bool = False) -> Mapping[str, Reach]:
        """What runs for each signature, and under ``LOADING`` when the model is loaded.

        Args:
            stateful: Functions run everything stateful in them, as those of TensorFlow 1.12 do.
        """
        if stateful not in self._reached:
            self._reached[stateful] = {name: self._run_for(ends, stateful) for name, ends in self.roots.items()}
        return self._reached[stateful]

    def _run_for(self, ends: Sequence[str], stateful: bool) -> Reach:
        main = self.main.behind(ends)

        def running(body: Body) -> Iterator[WrittenNode]:
            return (body.nodes[name] for name in (body.kept if stateful else body.computed))

        return Reach(main, self._closure((self.main.nodes[name] for name in main), running))

    def _closure(
        self,
        start: Iterable[WrittenNode],
        inside: Callable[[Body], Iterable[WrittenNode]],
        *,
        called: bool = False,
    ) -> set[str]:
        """The functions that some nodes name, and that the nodes inside these name in turn."""
        found: set[str] = set()
        waiting = list(start)
        while waiting:
            node = waiting.pop()
            if called and not node.called:
                continue
            for name in node.functions:
                if name not in found and name in self.functions:
                    found.add(name)
                    waiting.extend(inside(self.functions[name]))
        return found


@dataclass(frozen=True, slots=True)
class Reach:
    """What runs: nodes of the main graph, and functions."""

    main: Collection[str]
    functions: Collection[str]


def read_written(path: str | Path, tags: Collection[str] | None = (SERVE_TAG,)) -> WrittenModel:
    """Reads a SavedModel's graph as it is.

    Args:
        path: Its folder.
        tags: The metagraph's tags.

    Raises:
        ModelError: There is no SavedModel, or a damaged one.
        MissingError: The file may not be read.
    """
    metagraphs = read_metagraphs(path)
    known_as = find_metagraph(metagraphs, tags, path)
    file = find_model_file(path)
    with open_message(file) as message:
        saved = proto.message("tensorflow.SavedModel").FromString(message.data[:])
    metagraph = saved.meta_graphs[metagraphs.index(known_as)]
    graph = metagraph.graph_def
    reader = _Reader({function.signature.name for function in graph.library.function})
    main = Body("", reader.nodes(graph.node))
    return WrittenModel(
        file,
        known_as,
        graph.versions.producer,
        graph.versions.min_consumer,
        main,
        {function.signature.name: reader.function(function) for function in graph.library.function},
        _roots(metagraph),
    )


def _roots(metagraph: Any) -> dict[str, tuple[str, ...]]:
    roots = {
        name: tuple(_node(info.name) for info in signature.outputs.values())
        for name, signature in sorted(metagraph.signature_def.items())
        if not is_internal(name)
    }
    loading = [
        name for key in _MAIN_OPS if key in metagraph.collection_def
        for name in metagraph.collection_def[key].node_list.value
    ]  # fmt: skip
    if _INIT_SIGNATURE in metagraph.signature_def:
        loading += [info.name for info in metagraph.signature_def[_INIT_SIGNATURE].outputs.values()]
    loading.append(metagraph.saver_def.restore_op_name)
    return roots | {LOADING: tuple(dict.fromkeys(map(_node, loading)))}


def _node(tensor: str) -> str:
    """The name of the node behind an input: ``node``, ``node:1``, ``node:output:1`` or ``^node``."""
    return tensor.lstrip("^").partition(":")[0]


class _Reader:
    """Reads nodes, and which functions they call."""

    def __init__(self, functions: Collection[str]) -> None:
        self._functions = functions
        self._table = op_table(INSTALLED)
        self._function_attrs: dict[str, tuple[str, ...] | None] = {}

    def nodes(self, messages: Iterable[Any]) -> dict[str, WrittenNode]:
        return {message.name: self._node(message) for message in messages}

    def function(self, message: Any) -> Body:
        nodes = self.nodes(message.node_def)
        ends = (*map(_node, message.ret.values()), *message.control_ret.values())
        stateful = tuple(name for name, node in nodes.items() if self._is_stateful(node.op))
        return Body(message.signature.name, nodes, ends, stateful)

    def _node(self, message: Any) -> WrittenNode:
        inputs = list(message.input)
        attrs = dict(message.attr)
        direct = message.op in self._functions
        functions = (message.op,) if direct else tuple(self._named(message.op, attrs))
        return WrittenNode(
            message.name,
            message.op,
            attrs,
            sum(text[:1] != "^" for text in inputs),
            tuple(map(_node, inputs)),
            functions,
            called=direct or message.op in CALLS,
        )

    def _named(self, op: str, attrs: Mapping[str, Any]) -> Iterator[str]:
        if op not in self._function_attrs:
            known = self._table.op(op)
            self._function_attrs[op] = None if known is None else tuple(
                name for name, attribute in known.attributes.items() if attribute.type in ("func", "list(func)")
            )  # fmt: skip
        of_op = self._function_attrs[op]
        for name in attrs if of_op is None else of_op:
            if name in attrs:
                value = attrs[name]
                if value.WhichOneof("value") == "func":
                    yield value.func.name
                else:
                    yield from (each.name for each in value.list.func)

    def _is_stateful(self, op: str) -> bool:
        known = self._table.op(op)
        return known is None or known.stateful
