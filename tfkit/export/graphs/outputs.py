"""Finds what a graph without a signature may be asked for, the likeliest first.

A training graph computes much beside its results: a loss, gradients, summaries, what it saves. What remains when these
are left out, hangs on an input and is used by nothing else, or by nothing but the loss, is a likely output. Names and
operations tell more: ``probabilities``, ``Softmax``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tfkit.export.graphs.facts import PLACEHOLDERS
from tfkit.graph.closure import consumers, reached_from
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.lower.facts import Facts
from tfkit.savedmodel.frozen import NEVER_OUTPUTS
from tfkit.savedmodel.signatures import parse_dtype
from tfkit.tensors import DType, Shape

_PIPELINE_END = re.compile(
    r"IteratorGetNext.*|DatasetToSingleElement|Queue(Dequeue|DequeueMany|DequeueUpTo)(V2)?|ReaderRead(UpTo)?(V2)?"
    r"|(Map|OrderedMap)?Unstage(NoKey)?|OptionalGetValue"
)
_LEARNING_OP = re.compile(r"(Resource)?(Sparse)?Apply[A-Z].*|Assign.*|(Resource)?Scatter[A-Z].*")
_TRAINING_OP = re.compile(
    rf"{_LEARNING_OP.pattern}|.*Summary(V2)?|Save.*|Restore.*|.*Grad(V2|V3)?"
    r"|Queue.*|.*Dataset(V\d+)?|.*Iterator.*|Assert|PrintV2|NoOp|Const"
)
_TRAINING_SCOPE = re.compile(r"(.*/)?(gradients|save)(_\d+)?/.*")
_STRUCTURE = frozenset(("Shape", "ShapeN", "Rank", "Size", "Switch", "Merge", "LoopCond", "NextIteration"))
PYTHON = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))
_NO_RESULTS = NEVER_OUTPUTS | _STRUCTURE | PLACEHOLDERS | PYTHON
_LIKELY_OPS = {
    "Softmax": 2, "LogSoftmax": 2, "Sigmoid": 2, "ArgMax": 2, "TopKV2": 2, "TopK": 2, "BiasAdd": 1, "Identity": 1,
    "IdentityN": 1, "Reshape": 1, "NonMaxSuppressionV3": 1,
}  # fmt: skip
_LIKELY_NAME = re.compile(
    r"(final_|model_)?(softmax(_tensor)?|prob(s|ability|abilities)?|pred(s|ict|iction|ictions)?|y_(pred|hat)|logits?"
    r"|outputs?|scores?|class(es)?|sigmoid|embeddings?|results?|decoded)(_\d+)?",
    re.IGNORECASE,
)
# Numbers that training turns: no data, even where the graph does not say that they are single numbers.
_KNOB_NAME = re.compile(r".*(keep|drop|rate|prob|phase|train|step|momentum|decay).*|(.*/)?lr", re.IGNORECASE)
_MEASURE_NAME = re.compile(r".*(loss|cost|accuracy|error|metric|cross_entropy|xent).*", re.IGNORECASE)
_PRINT = "Print"  # hands on what it prints
_TWO_OUTPUTS = frozenset(("TopK", "TopKV2"))
_BRANCHES, _FRAME_ENDS = frozenset(("Enter", "RefEnter")), frozenset(("Exit", "RefExit"))
# By how much a candidate has to be likelier than the next to be taken without asking.
_CLEARLY = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tensor that may be an output.

    Attributes:
        tensor: The tensor.
        dtype: Its dtype.
        shape: What is known of its shape.
        likely: How likely it is, to compare with others.
    """

    tensor: Tensor
    dtype: DType
    shape: Shape | None
    likely: int


def is_pipeline_end(node: Node) -> bool:
    """Whether a node hands out what an input pipeline has read: a data set's iterator, a queue."""
    return _PIPELINE_END.fullmatch(node.op) is not None


def clear_outputs(candidates: list[Candidate]) -> list[Candidate]:
    """The candidates that are meant, where that is clear; both outputs of a ``TopK`` go together."""
    if not candidates:
        return []
    best = candidates[0]
    same = [each for each in candidates if each.tensor.node is best.tensor.node]
    others = [each for each in candidates if each.tensor.node is not best.tensor.node]
    return same if not others or best.likely - others[0].likely >= _CLEARLY else []


def rank_outputs(graph: Graph, facts: Facts, losses: Iterable[str] = ()) -> list[Candidate]:
    """The tensors that may be outputs, the likeliest first.

    Args:
        graph: The graph.
        facts: What is known of its tensors.
        losses: The names of the losses' nodes, as far as the graph tells them.
    """
    return _Ranking(graph, facts, losses).run()


class _Ranking:
    def __init__(self, graph: Graph, facts: Facts, losses: Iterable[str]) -> None:
        self._facts = facts
        self._batches = _batches(graph, facts)
        self._position = {node: at for at, node in enumerate(graph.nodes.values())}
        self._losses = {graph.nodes[name] for name in losses if name in graph.nodes}
        everything = consumers(graph)
        self._sources = _sources(graph, everything, facts)
        useless = {
            node for node, users in everything.items() if _is_training(node) or (node.op == _PRINT and not users)
        }
        self._taken_by = {
            node: [user for user in users if user not in useless]
            for node, users in everything.items() if node not in useless
        }  # fmt: skip
        for node in _only_learnt_from(everything):
            self._taken_by.pop(node, None)
        self._taken_by = {
            node: [user for user in users if user in self._taken_by] for node, users in self._taken_by.items()
        }
        frames = [node for node in graph.nodes.values() if node.op in _BRANCHES]
        inside = reached_from(frames, everything, stops=lambda node: node.op in _FRAME_ENDS)
        self._inside = {node for node in inside if node.op not in _FRAME_ENDS}

    def run(self) -> list[Candidate]:
        live = [node for node in self._taken_by if self._sources[node]]
        ends = [node for node in live if not any(self._sources[user] for user in self._taken_by[node])]
        results = {node for node in ends if not self._is_measure(node)}
        leading = _leading_to(results, live, self._taken_by)
        # What the loss is made of: the last that does not know the labels.
        results |= {node for node in live if node not in leading and self._meets_more(node)}
        possible = {node for node in results if self._is_possible(node)}
        named = {node for node in live if self._is_possible(node) and self._has_likely_name(node)}
        least = [self._sources[node] for node in possible]
        found = []
        for node in sorted(possible | named, key=self._position.__getitem__, reverse=True):
            likely = self._likely(node, is_result=node in possible, least=least)
            for output in range(2 if node.op in _TWO_OUTPUTS else 1):
                tensor = node.out(output)
                found.append(
                    Candidate(tensor, parse_dtype(self._facts.dtype(tensor)), self._facts.shape(tensor), likely)
                )
        return sorted(found, key=lambda each: -each.likely)

    def _is_possible(self, node: Node) -> bool:
        if node.op in _NO_RESULTS or node in self._inside or is_pipeline_end(node):
            return False
        dtype = parse_dtype(self._facts.dtype(node.out()))
        return dtype not in (DType.INVALID, DType.RESOURCE, DType.VARIANT) and not self._is_measure(node)

    def _is_measure(self, node: Node) -> bool:
        """Whether it says how well the model does: a number for the whole batch."""
        if node in self._losses:
            return True
        shape = self._facts.shape(node.out())
        return shape == () or (shape is None and _MEASURE_NAME.fullmatch(node.name) is not None)

    def _has_likely_name(self, node: Node) -> bool:
        """Whether its name is that of a result; the last operation of a layer goes by the layer's."""
        *scopes, name = node.name.split("/")
        if scopes and name.startswith(node.op):
            inside = "/".join((*scopes, ""))
            if any(user.name.startswith(inside) for user in self._taken_by[node]):
                return False
            name = scopes[-1]
        return _LIKELY_NAME.fullmatch(name) is not None

    def _meets_more(self, node: Node) -> bool:
        """Whether something is made of it and of an input that it does not hang on, such as the labels."""
        own = self._sources[node]
        return any(self._sources[user] & ~own for user in self._taken_by[node])

    def _likely(self, node: Node, *, is_result: bool, least: list[int]) -> int:
        likely = _LIKELY_OPS.get(node.op, 0) + int(is_result)
        likely += 3 if self._has_likely_name(node) else 0
        likely -= 3 if _MEASURE_NAME.fullmatch(node.name) is not None else 0
        shape = self._facts.shape(node.out())
        if shape:
            likely += 2 if shape[0] in self._batches else -3
        own = self._sources[node]
        if any(other != own and other & own == other for other in least):  # it may know the labels
            likely -= 4
        return likely


def _sources(graph: Graph, taken_by: Mapping[Node, list[Node]], facts: Facts) -> dict[Node, int]:
    """What each node hangs on, as a bit for each tensor of data; switches and rates are none."""
    sources = dict.fromkeys(graph.nodes.values(), 0)
    bits: dict[Tensor, int] = {}
    waiting = []
    for node in graph.nodes.values():
        if node.op in PLACEHOLDERS and not _is_knob(node, facts):
            sources[node] = bits[node.out()] = 1 << len(bits)
            waiting.append(node)
        elif is_pipeline_end(node):
            for tensor in {tensor for user in taken_by[node] for tensor in user.inputs if tensor.node is node}:
                bits[tensor] = 1 << len(bits)
            waiting.append(node)
    while waiting:
        node = waiting.pop()
        for user in taken_by[node]:
            found = sources[user]
            for tensor in user.inputs:
                found |= bits.get(tensor, 0 if is_pipeline_end(tensor.node) else sources[tensor.node])
            if found != sources[user] and user.op not in PLACEHOLDERS:
                sources[user] = found
                waiting.append(user)
    return sources


def _batches(graph: Graph, facts: Facts) -> set[int | None]:
    """The sizes of batches that the graph's inputs have for good: most often one."""
    shapes = (facts.shape(node.out()) for node in graph.nodes.values() if node.op in PLACEHOLDERS)
    return {None, *(shape[0] for shape in shapes if shape is not None and len(shape) > 1)}


def _leading_to(ends: set[Node], live: list[Node], taken_by: Mapping[Node, list[Node]]) -> set[Node]:
    """The nodes of which some end is made."""
    made_of: dict[Node, list[Node]] = {node: [] for node in live}
    for node in live:
        for user in taken_by[node]:
            if user in made_of:
                made_of[user].append(node)
    return reached_from(ends, made_of)


def _is_training(node: Node) -> bool:
    return (_TRAINING_OP.fullmatch(node.op) is not None and not is_pipeline_end(node)) or _TRAINING_SCOPE.fullmatch(
        node.name
    ) is not None


def _is_knob(node: Node, facts: Facts) -> bool:
    shape = facts.shape(node.out())
    unsaid = shape is None and _KNOB_NAME.fullmatch(node.name) is not None
    return shape == () or facts.dtype(node.out()) == DType.BOOL or unsaid


def _only_learnt_from(taken_by: Mapping[Node, list[Node]]) -> set[Node]:
    """What is made for nothing but the updates of variables: averages, sums of gradients."""
    made_of: dict[Node, list[Node]] = {node: [] for node in taken_by}
    for node, users in taken_by.items():
        for user in users:
            made_of[user].append(node)
    found: set[Node] = set()
    waiting = [node for node in taken_by if _LEARNING_OP.fullmatch(node.op)]
    while waiting:
        for node in made_of[waiting.pop()]:
            users = taken_by[node]
            if node not in found and all(user in found or _LEARNING_OP.fullmatch(user.op) for user in users):
                found.add(node)
                if not _TRAINING_SCOPE.fullmatch(node.name):
                    waiting.append(node)
    return found
