"""Which nodes of a graph hang on which."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tfkit.graph.nodes import Graph, Node


def needed_by(roots: Iterable[Node], *, stops: Callable[[Node], bool] = lambda _: False) -> set[Node]:
    """Some nodes, and everything that has to run before them; not before nodes at which it ``stops``."""
    needed: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            if not stops(node):
                waiting += [tensor.node for tensor in node.inputs]
                waiting += node.controls
    return needed


def consumers(graph: Graph) -> dict[Node, list[Node]]:
    """For every node, the nodes that take a tensor of it; once for each that they take."""
    found: dict[Node, list[Node]] = {node: [] for node in graph.nodes.values()}
    for node in graph.nodes.values():
        for tensor in node.inputs:
            found[tensor.node].append(node)
    return found


def reached_from(
    roots: Iterable[Node], taken_by: dict[Node, list[Node]], *, stops: Callable[[Node], bool] = lambda _: False
) -> set[Node]:
    """Some nodes, and everything that takes something of them; not beyond nodes at which it ``stops``."""
    reached: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            if not stops(node):
                waiting += taken_by[node]
    return reached
