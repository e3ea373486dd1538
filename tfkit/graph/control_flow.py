"""Branches and loops as TensorFlow 1 has them, which newer ones still run.

A branch is ``Switch`` and ``Merge``, a loop ``Enter``, ``Merge``, ``Switch``, ``NextIteration`` and ``Exit``: what the
newer ones make of ``If`` and ``While`` before they run them (``lower_if_op.cc``, ``lower_while_op.cc``; "Implementation
of Control Flow in TensorFlow", 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tfkit.graph.attributes import bool_value, int_value, text_value, type_value
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.tensors import DType

_BOOL = int(DType.BOOL)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a body gives.

    Attributes:
        returns: Its results.
        done: The nodes after which it has run.
    """

    returns: list[Tensor]
    done: list[Node]


# Makes a body's nodes: given its arguments and the pivot that those without inputs hang on (see ``Node.pivot``).
Body = Callable[[Sequence[Tensor], Node], Ran]


@dataclass(frozen=True, slots=True)
class Builder:
    """Adds nodes to a graph, in the name and in the place of a call.

    Attributes:
        graph: The graph.
        call: The node that they stand for.
        prefix: What their names begin with.
        pivot: What those without inputs hang on; ``None`` outside of branches and loops.
    """

    graph: Graph
    call: Node
    prefix: str
    pivot: Node | None

    def add(self, name: str, op: str, inputs: Iterable[Tensor], **attrs: Any) -> Node:
        """Adds a node."""
        node = Node(f"{self.prefix}/{name}", op, inputs, attrs, origin=self.call.origin, pivot=self.pivot)
        node.require_pivot()
        return self.graph.add(node)


def choose(
    builder: Builder,
    taken: Tensor,
    arguments: Sequence[Tensor],
    argument_types: Sequence[int],
    result_types: Sequence[int],
    then: Body,
    otherwise: Body,
) -> Ran:
    """Runs one of two bodies.

    The arguments come through ``Switch``es, of which one side is dead, and with it all that hangs on it; ``Merge``
    takes what is alive.

    Args:
        builder: Adds the nodes.
        taken: Whether ``then`` runs; a bool scalar.
        arguments: What both are given.
        argument_types: Their dtypes.
        result_types: The dtypes of what both return.
        then: The one body.
        otherwise: The other.
    """
    is_bool = type_value(_BOOL)
    switch = builder.add("switch", "Switch", (taken, taken), T=is_bool)
    pivots = [builder.add(f"pivot_{side}", "Identity", (switch.out(side),), T=is_bool) for side in (0, 1)]
    switches = [
        builder.add(f"switch{at}", "Switch", (tensor, taken), T=type_value(dtype))
        for at, (tensor, dtype) in enumerate(zip(arguments, argument_types, strict=True))
    ]
    sides = [body([each.out(side) for each in switches], pivots[side]) for side, body in ((0, otherwise), (1, then))]
    results = [
        builder.add(f"merge{at}", "Merge", (no, yes), T=type_value(dtype), N=int_value(2))
        for at, (no, yes, dtype) in enumerate(zip(sides[0].returns, sides[1].returns, result_types, strict=True))
    ]
    ends = []
    for side, (pivot, ran) in enumerate(zip(pivots, sides, strict=True)):
        end = builder.add(f"end_{side}", "Identity", (pivot.out(),), T=is_bool)
        end.controls = list(dict.fromkeys(ran.done))
        ends.append(end.out())
    # A control input from a dead side would make what waits for it dead as well: whichever has run passes through here.
    ended = builder.add("end", "Merge", ends, T=is_bool, N=int_value(2))
    return Ran([each.out() for each in results], [ended, *results])


def loop(
    builder: Builder,
    values: Sequence[Tensor],
    types: Sequence[int],
    invariant: Sequence[bool],
    condition: Body,
    body: Body,
    *,
    controls: Sequence[Node],
    parallel_iterations: int,
) -> Ran:
    """Runs a body while a condition holds.

    Args:
        builder: Adds the nodes.
        values: What goes into the first turn.
        types: Their dtypes.
        invariant: Which of them every turn hands on as they are; at least one is not.
        condition: Of the values, whether there is a further turn.
        body: Of the values, those of the next turn.
        controls: What has to be done before the loop.
        parallel_iterations: How many turns TensorFlow may run at a time.
    """
    frame = {"frame_name": text_value(builder.prefix), "parallel_iterations": int_value(parallel_iterations)}
    enters = []
    for at, (tensor, dtype, same) in enumerate(zip(values, types, invariant, strict=True)):
        enter = builder.add(
            f"enter{at}", "Enter", (tensor,), T=type_value(dtype), is_constant=bool_value(same), **frame
        )
        enter.controls = list(controls)
        enters.append(enter)
    changing = [at for at, same in enumerate(invariant) if not same]
    # The second input, what comes from the turn before, follows at the end.
    inside = replace(builder, pivot=None)
    merges = {
        at: inside.add(f"merge{at}", "Merge", (enters[at].out(),), T=type_value(types[at]), N=int_value(2))
        for at in changing
    }
    first = merges[changing[0]]
    given = [merges[at].out() if at in merges else enter.out() for at, enter in enumerate(enters)]
    asked = condition(given, first)
    goes_on = inside.add("condition", "LoopCond", (asked.returns[0],))
    goes_on.controls = list(dict.fromkeys(asked.done))
    switches = {
        at: inside.add(f"switch{at}", "Switch", (merge.out(), goes_on.out()), T=type_value(types[at]))
        for at, merge in merges.items()
    }
    passed = {
        at: inside.add(f"turn{at}", "Identity", (switch.out(1),), T=type_value(types[at]))
        for at, switch in switches.items()
    }
    turn = body([passed[at].out() if at in passed else given[at] for at in range(len(given))], passed[changing[0]])
    results = list(values)
    exits = []
    for at in changing:
        given_back = turn.returns[at]
        if is_constant_enter(given_back.node):  # alive even after the last turn
            given_back = inside.add(f"again{at}", "Identity", (given_back,), T=type_value(types[at])).out()
            given_back.node.controls = [passed[changing[0]]]
        again = inside.add(f"next{at}", "NextIteration", (given_back,), T=type_value(types[at]))
        again.controls = list(dict.fromkeys(turn.done))
        merges[at].inputs.append(again.out())
        left = inside.add(f"exit{at}", "Exit", (switches[at].out(0),), T=type_value(types[at]))
        exits.append(left)
        results[at] = left.out()
    return Ran(results, list(exits))


def is_constant_enter(node: Node) -> bool:
    """Whether a node brings a value into a loop that is there in every turn, and in the one that does not come."""
    return node.op == "Enter" and node.bool_attr("is_constant")


def hang_on_pivots(graph: Graph) -> None:
    """Keeps what takes nothing but such values from running in the turn that does not come."""
    for node in graph.nodes.values():
        if node.pivot is None or not node.inputs or node.controls:
            continue
        if all(is_constant_enter(tensor.node) for tensor in node.inputs):
            node.controls.append(node.pivot)
