"""A training graph is cut down to a model: its inputs and outputs are named or found, the rest goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tfkit import proto
from tfkit.errors import ModelError, SignatureError, nearest
from tfkit.export.graphs.checks import check_nodes
from tfkit.export.graphs.facts import PLACEHOLDERS, GraphFacts
from tfkit.export.graphs.inputs import (
    cut,
    find_loose,
    fix_values,
    open_empty_shapes,
    settle_defaults,
    switches,
)
from tfkit.export.graphs.outputs import PYTHON, Candidate, clear_outputs, is_pipeline_end, rank_outputs
from tfkit.export.graphs.questions import Questions, full_name, named
from tfkit.export.names import Port, check_renames, rename_ports
from tfkit.export.sources.base import SourceOptions
from tfkit.graph.attributes import shape_value
from tfkit.graph.closure import needed_by
from tfkit.graph.fold import fold
from tfkit.graph.graph_def import read_graph
from tfkit.graph.inline import chosen_functions
from tfkit.graph.nodes import Graph, Node, Tensor, follow
from tfkit.lower.flat import FlatSignature, inline_functions
from tfkit.savedmodel.frozen import parse_tensor_name
from tfkit.tensors import DEFAULT_SIGNATURE, PREDICT_METHOD

# The options that mean something for a graph.
GRAPH_OPTIONS = ("input_tensors", "output_tensors", "fixed")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Ends:
    """A signature's inputs and outputs, as tensors' names."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    method: str = PREDICT_METHOD


@dataclass(slots=True)
class ServedGraph:
    """A graph that is cut down to some signatures.

    Attributes:
        graph: The graph.
        signatures: By name.
        renamed: New names of inputs and outputs by those in the graph.
        own_names: The inputs' names by those in the graph.
        notes: What was found and taken.
    """

    graph: Graph
    signatures: dict[str, FlatSignature]
    renamed: dict[str, str] = field(default_factory=dict)
    own_names: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ends(self) -> list[Node]:
        """The nodes that give the outputs."""
        return [tensor.node for each in self.signatures.values() for tensor in each.outputs.values()]


def serve_graph(
    graph_def: Any,
    options: SourceOptions,
    *,
    ops: Any,
    signatures: Mapping[str, Ends],
    losses: Iterable[str] = (),
    training: Iterable[str] = (),
) -> ServedGraph:
    """Makes of a graph what a service needs: its inputs, its outputs, and what is between them.

    Args:
        graph_def: The ``GraphDef``.
        options: What the user said: tensors to take, values to fix, names to give.
        ops: What the graph tells of its ops, an ``OpList``.
        signatures: Those that the graph brings with it.
        losses: The names of the losses' nodes, as far as the graph tells them.
        training: The names of nodes that train: what only waits for them does so no more.

    Raises:
        SignatureError: A tensor is not there, or what is meant is not clear; the hint says how to choose.
        ModelError: The graph is damaged, or calls Python.
        UsageError: The options make no sense for it.
    """
    return _Shaping(graph_def, options, ops, losses, training).run(signatures)


class _Shaping:
    """The way from a training graph to one that is served."""

    def __init__(
        self, graph_def: Any, options: SourceOptions, ops: Any, losses: Iterable[str], training: Iterable[str]
    ) -> None:
        self._options = options
        self._losses = tuple(losses)
        self._graph = read_graph(graph_def)
        check_nodes(self._graph, graph_def)
        open_empty_shapes(self._graph)
        _stop_training(self._graph, training)
        fix_values(self._graph, options.fixed)
        self._inliner = inline_functions(self._graph, graph_def.library, ops)
        self._facts = GraphFacts(self._graph)
        self._questions = Questions(self._facts)
        self._result = ServedGraph(self._graph, {})
        self._folded: Mapping[Any, Sequence[Tensor]] = {}
        self._renamable: tuple[list[Port], list[Port]] = ([], [])

    def run(self, signatures: Mapping[str, Ends]) -> ServedGraph:
        chosen = self._chosen(signatures)
        inputs = {
            name: {key: self._cut(self._find(text, "--input-tensor"), key) for key, text in ends.inputs.items()}
            for name, ends in chosen.items()
        }
        given = {name: {key: self._find(text, "--output-tensor") for key, text in ends.outputs.items()}
                 for name, ends in chosen.items()}  # fmt: skip
        taken = [tensor for each in inputs.values() for tensor in each.values()]
        settled = settle_defaults(self._graph, taken, self._facts)
        self._folded = fold(self._graph)
        for name, ends in chosen.items():
            outputs = {key: self._alive(key, tensor) for key, tensor in given[name].items()} or self._find_outputs()
            self._note_defaults(settled, {*outputs.values(), *given[name].values()})
            self._add(name, self._find_inputs(outputs, inputs[name]), outputs, ends.method)
        check_renames(*self._renamable, self._options.rename)
        self._check_calls()
        return self._result

    # --- which tensors

    def _chosen(self, signatures: Mapping[str, Ends]) -> Mapping[str, Ends]:
        """The signatures to make; without tensors those that are to be found."""
        options = self._options
        if options.input_tensors or options.output_tensors or not signatures:
            return {options.signature or DEFAULT_SIGNATURE: Ends(options.input_tensors, options.output_tensors)}
        if options.signature is None:
            return signatures
        if options.signature not in signatures:
            raise SignatureError(
                f"the graph has no signature {options.signature!r}",
                hint=f"{nearest(options.signature, signatures)} With --output-tensor a new one gets that name.",
            )
        return {options.signature: signatures[options.signature]}

    def _find(self, text: str, option: str) -> Tensor:
        """The tensor called ``node`` or ``node:0``, which a function may have given."""
        name, output = parse_tensor_name(text)
        node = self._graph.nodes.get(name)
        tensor = None if node is None else self._inliner.now(node.out(output))
        if tensor is not None and self._facts.dtype(tensor):
            return tensor
        if node is not None:
            raise SignatureError(f"{option}: node {name!r} ({node.op}) has no output {output} that can be taken")
        likely = self._likely_names() if option == "--output-tensor" else self._fed_names()
        close = [f"{each}:0" for each in get_close_matches(name, self._graph.nodes, n=3, cutoff=0.7)]
        raise SignatureError(
            f"{option}: the graph has no tensor {text!r}", hint=nearest(f"{name}:0", dict.fromkeys((*close, *likely)))
        )

    def _cut(self, tensor: Tensor, name: str) -> Tensor:
        return cut(self._graph, tensor, name, self._facts)

    def _alive(self, name: str, tensor: Tensor) -> Tensor:
        now = follow(tensor, self._folded)
        if now.node.name not in self._graph.nodes:
            fixed = ", ".join(f"{key}={value}" for key, value in self._options.fixed.items())
            raise SignatureError(f"output {name!r} ({tensor}) is never computed" + (f" with {fixed}" if fixed else ""))
        return now

    # --- what is found

    def _find_outputs(self) -> dict[str, Tensor]:
        candidates = self._candidates()
        found = named([each.tensor for each in clear_outputs(candidates)])
        if not found:
            raise self._questions.which_outputs(candidates)
        for name, tensor in found.items():
            self._result.notes.append(f"output {name!r} was found: {full_name(tensor)} ({tensor.node.op})")
        return found

    def _candidates(self) -> list[Candidate]:
        return rank_outputs(self._graph, self._facts, self._losses)

    def _fed_names(self) -> list[str]:
        fed = (node for node in self._graph.nodes.values() if node.op in PLACEHOLDERS or is_pipeline_end(node))
        return [full_name(node.out()) for node in fed]

    def _likely_names(self) -> list[str]:
        return [full_name(each.tensor) for each in self._candidates()[:_SHOWN]]

    def _find_inputs(self, outputs: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The inputs: those that are given, or the placeholders that the outputs need."""
        loose = find_loose(self._graph, outputs.values(), given.values())
        found = named(loose.placeholders)
        if loose.pipeline:
            raise self._questions.pipeline({**given, **found}, loose.pipeline)
        if given:
            if found:
                raise self._questions.more_inputs(given, found)
            self._check_effects(outputs, given)
            return dict(given)
        if chooses := switches(self._graph, loose.placeholders, self._facts):
            raise self._questions.switches(found, chooses)
        if not found:
            raise self._questions.no_input(outputs.values())
        for name, tensor in found.items():
            self._result.notes.append(f"input {name!r} was found: {full_name(tensor)}")
        return found

    def _note_defaults(self, settled: Mapping[Tensor, set[Node]], outputs: Iterable[Tensor]) -> None:
        nodes = {tensor.node for tensor in outputs}
        for tensor, reached in settled.items():
            note = f"{tensor.node.name} has its default; --input-tensor makes it an input"
            if not nodes.isdisjoint(reached) and note not in self._result.notes:
                self._result.notes.append(note)

    def _check_effects(self, outputs: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> None:
        needed = needed_by(tensor.node for tensor in outputs.values())
        for name, tensor in inputs.items():
            if name in self._options.input_tensors and tensor.node not in needed:
                raise self._questions.without_effect(name, tensor)

    # --- the result

    def _add(self, name: str, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor], method: str) -> None:
        """Adds a signature, under the names that the user wants."""
        ports_in, ports_out = _ports(inputs), _ports(outputs)
        new_in = rename_ports("input", ports_in, self._options.rename)
        new_out = rename_ports("output", ports_out, self._options.rename)
        self._renamable[0].extend(ports_in)
        self._renamable[1].extend(ports_out)
        result = self._result
        result.renamed.update({old: new for old, new in (new_in | new_out).items() if old != new})
        for old, tensor in inputs.items():
            result.own_names.update({old: new_in[old], tensor.node.name: new_in[old]})
        signature = FlatSignature(
            proto.message("tensorflow.SignatureDef")(method_name=method),
            {new_in[key]: tensor for key, tensor in inputs.items()},
            {new_out[key]: tensor for key, tensor in outputs.items()},
        )
        self._describe(signature.message.inputs, signature.inputs)
        self._describe(signature.message.outputs, signature.outputs)
        result.signatures[name] = signature

    def _describe(self, infos: Any, tensors: Mapping[str, Tensor]) -> None:
        for key, tensor in tensors.items():
            infos[key].name = full_name(tensor)
            infos[key].dtype = self._facts.dtype(tensor)
            infos[key].tensor_shape.CopyFrom(shape_value(self._facts.shape(tensor)).shape)

    def _check_calls(self) -> None:
        """Checks that what the outputs need is all there."""
        for node in needed_by(self._result.ends):
            if node.op in PYTHON:
                raise ModelError(
                    f"node {node.name!r} ({node.op}) calls Python, which no service can do",
                    hint=f"Name what it gives, or a tensor behind it, as an input: --input-tensor NAME={node.name}:0",
                )
            for called in chosen_functions(node):
                raise ModelError(f"node {node.name!r} ({node.op}) calls the function {called!r}: it cannot be inlined")


def _stop_training(graph: Graph, training: Iterable[str]) -> None:
    """Lets nothing wait for what trains."""
    stopped = {graph.nodes[name] for name in training if name in graph.nodes}
    for node in graph.nodes.values():
        if not stopped.isdisjoint(node.controls):
            node.controls = [each for each in node.controls if each not in stopped]


def _ports(tensors: Mapping[str, Tensor]) -> list[Port]:
    return [Port(key, (full_name(tensor), tensor.node.name)) for key, tensor in tensors.items()]


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Says in errors about a graph which file it is from."""
    try:
        yield
    except (ModelError, SignatureError) as error:
        raise type(error)(f"{file}: {error.message}", hint=error.hint) from None
