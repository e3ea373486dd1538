"""What a check found, for people and programs: nodes that have the same thing wrong with them stand together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tfkit.compat.loading import Blocker
from tfkit.compat.outside import CALLS_PYTHON, outside
from tfkit.compat.written import WrittenModel
from tfkit.graph.nodes import Node
from tfkit.lower.flat import FlatModel
from tfkit.lower.rewrite import Problem
from tfkit.lower.target import DTYPE_ADVICE, Misfit

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is.

    Attributes:
        node: Its name.
        function: The function it is in; empty for the main graph.
        layer: The scope of names it was made in, which is the Keras layer: ``functional_1/dense_1``; may be empty.
        signatures: The signatures that need it; none for what loading needs.
    """

    node: str
    function: str
    layer: str
    signatures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps a TensorFlow from running a model.

    Attributes:
        op: The operation; empty for what is wrong with the graph as a whole.
        misfit: What is wrong, and since which TensorFlow it is not.
        refusal: Why lowering does not help with it; empty if it was not tried.
        places: The nodes.
        solved: Whether lowering takes care of it.
        attribute: The attribute that is at fault; empty if none is, or after lowering.
    """

    op: str
    misfit: Misfit
    refusal: str
    places: tuple[Place, ...]
    solved: bool
    attribute: str = ""

    @property
    def advice(self) -> str:
        """What the user can do."""
        if self.solved:
            return "tfkit export MODEL --processor NAME writes it with what that TensorFlow has."
        if self.misfit.kind == "dtype":
            return DTYPE_ADVICE
        newer = f"Take a processor with TensorFlow {self.misfit.since} or newer" if self.misfit.since else ""
        layers = list(dict.fromkeys(place.layer for place in self.places if place.layer))
        where = f" in {layers[0]}" if layers else ""
        if self.misfit.kind == "op" and not self.misfit.since:
            return f"No TensorFlow has it: replace {self.op}{where}, or name the library that has it when serving."
        change = f"write {self.op}{where} with other operations" if self.op else "export the model anew"
        return f"{newer}, or {change}." if newer else f"{change[0].upper()}{change[1:]}."

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return {
            "op": self.op,
            "kind": self.misfit.kind,
            "attribute": self.attribute,
            "reason": self.misfit.text,
            "since": self.misfit.since,
            "refusal": self.refusal,
            "solved_by_lowering": self.solved,
            "advice": self.advice,
            "nodes": [
                {
                    "node": place.node,
                    "function": place.function,
                    "layer": place.layer,
                    "signatures": list(place.signatures),
                }
                for place in self.places
            ],
        }


def findings_before(blockers: Iterable[Blocker], model: WrittenModel) -> tuple[Finding, ...]:
    """What keeps a TensorFlow from taking a model as it is."""

    def place(blocker: Blocker) -> Place:
        names = (blocker.node, *model.callers(blocker.function))
        return Place(blocker.node, blocker.function, _layer(names), blocker.signatures)

    return _group(blockers, lambda each: (each.op, each.misfit, "", each.attribute), place, solved=True)


def findings_of_python(model: WrittenModel) -> tuple[Finding, ...]:
    """The operations that call a Python function, which is nowhere but in the process that wrote the model."""
    return tuple(
        Finding(
            warned.op,
            Misfit("python", f"{warned.op} calls a Python function, which no service holds"),
            "",
            tuple(Place(node, "", _layer([node]), warned.signatures) for node in warned.nodes),
            solved=False,
        )
        for warned in outside(model)
        if warned.kind == CALLS_PYTHON
    )


def findings_after(problems: Sequence[Problem], model: FlatModel) -> tuple[Finding, ...]:
    """What keeps a TensorFlow from taking a model that was lowered for it."""
    if not problems:
        return ()
    users = _users(model)

    def place(problem: Problem) -> Place:
        node = model.graph.nodes.get(problem.node)
        if node is None:
            return Place(problem.node, problem.function, "", ())
        names, origin = [], node.origin
        while origin is not None:
            names.append(origin.node)
            origin = origin.call
        return Place(problem.node, problem.function, _layer(names or [problem.node]), tuple(users.get(node, ())))

    return _group(problems, lambda each: (each.op, each.misfit, each.refusal, ""), place, solved=False)


def _group(
    items: Iterable[_T],
    key: Callable[[_T], tuple[str, Misfit, str, str]],
    place: Callable[[_T], Place],
    *,
    solved: bool,
) -> tuple[Finding, ...]:
    groups: dict[tuple[str, Misfit, str, str], list[Place]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(place(item))
    return tuple(
        Finding(op, misfit, refusal, tuple(places), solved, attribute)
        for (op, misfit, refusal, attribute), places in groups.items()
    )


def _layer(names: Sequence[str]) -> str:
    """The scope of a node, given its name and those of the calls around it, the innermost first.

    The outermost that has one tells most: a loop's body knows nothing of the layer that the loop is for.

    >>> _layer(["lstm_cell/add", "functional/lstm/while", "StatefulPartitionedCall"])
    'functional/lstm'
    """
    return next((scope for name in reversed(names) if (scope := name.rpartition("/")[0])), "")


def _users(model: FlatModel) -> Mapping[Node, Sequence[str]]:
    """The signatures that need each node."""
    users: dict[Node, list[str]] = {}
    for name, signature in sorted(model.signatures.items()):
        waiting = [tensor.node for tensor in signature.outputs.values()]
        while waiting:
            node = waiting.pop()
            names = users.setdefault(node, [])
            if not names or names[-1] != name:
                names.append(name)
                waiting.extend(tensor.node for tensor in node.inputs)
                waiting.extend(node.controls)
    return users
