"""Whether a TensorFlow takes a model as it is, found from its op tables.

What each version checks, and when, was found by trying crafted models in the real ones:

- Every node of the main graph is checked when the model is loaded, used or not: its operation, its attributes, that
  there is a kernel, and whether the operation was retired before the graph's version.
- From 1.14 on, so are the operations of all functions that the main graph calls, but for branches and loops.
- Attributes and kernels inside functions matter only where a node runs. Up to 1.12 whatever is stateful in a function
  runs with it, later only what its results need.
- Up to 2.4 an attribute that the operation does not have is refused. Later ones only log it, and do without what it
  asks for. Names that begin with an underscore are always allowed.
- Functions that nothing calls are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tfkit.compat.written import LOADING, Body, WrittenModel, WrittenNode
from tfkit.lower.flat import count_of
from tfkit.lower.target import Misfit, Target, first_allowing
from tfkit.processors.ops import Op
from tfkit.processors.tables import first_with, op_table

_IGNORES_UNKNOWN = (2, 5)  # the first TensorFlow that logs attributes it does not know, by its source; of EAS's: 2.7
_READS_FUNCTIONS = (1, 14)
_XLA_CPU = " (PyPI's build would compile it for each shape, on its device XLA_CPU: nobody knows whether EAS's does)"

# Why a node does not fit, and the attribute at fault; empty if none is.
_Fault = tuple[Misfit, str]


@dataclass(frozen=True, slots=True)
class Blocker:
    """A node that keeps a TensorFlow from loading or running a model as it is.

    Attributes:
        node: Its name.
        op: Its operation.
        function: The function it is in; empty for the main graph.
        misfit: Why.
        attribute: The attribute that is at fault; empty if none is.
        signatures: The signatures that need it; none for what loading needs, or TensorFlow merely looks at.
    """

    node: str
    op: str
    function: str
    misfit: Misfit
    attribute: str
    signatures: tuple[str, ...]


def blockers(model: WrittenModel, target: Target) -> Iterator[Blocker]:
    """What keeps a TensorFlow from loading a model as it is, and running every signature of it."""
    if model.min_consumer > target.graph_version:
        text = f"the graph asks for GraphDef version {model.min_consumer}, TensorFlow {target.minor} has "
        yield Blocker("", "", "", Misfit("graph", f"{text}{target.graph_version}"), "", ())
    loads_functions = target.version >= _READS_FUNCTIONS
    reach = model.reach(stateful=not loads_functions)
    seen = set().union(*(each.functions for each in reach.values()))
    if loads_functions:
        seen |= model.loaded()
    checker = _Checker(target, model)
    for body in (model.main, *(model.functions[name] for name in sorted(seen))):
        users = {name for name, each in reach.items() if body.name in each.functions}
        for node, (misfit, attribute) in checker.misfits(body, runs=bool(users), stateful=not loads_functions):
            needed = users or {name for name, each in reach.items() if not body.name and node.name in each.main}
            yield Blocker(node.name, node.op, body.name, misfit, attribute, tuple(sorted(needed - {LOADING})))


class _Checker:
    """Checks nodes against the tables of one TensorFlow."""

    def __init__(self, target: Target, model: WrittenModel) -> None:
        self._target = target
        self._table = op_table(target.processor)
        self._strict = target.version < _IGNORES_UNKNOWN
        self._producer = model.producer
        self._own = model.functions
        self._kernels: dict[tuple[Any, ...], Misfit | None] = {}
        self._required: dict[str, tuple[str, ...]] = {}

    def misfits(self, body: Body, *, runs: bool, stateful: bool) -> Iterator[tuple[WrittenNode, _Fault]]:
        """The nodes of a body that do not fit, each with the first reason and the attribute that it is about.

        Args:
            body: The main graph, all of which is checked, or a function.
            runs: Whether anything runs the function.
            stateful: What is stateful in it runs with it.
        """
        running = (body.kept if stateful else body.computed) if runs else ()
        for node in body.nodes.values():
            if node.op in self._own:
                continue  # a call by the function's name
            op = self._table.op(node.op)
            if op is None:
                text = f"TensorFlow {self._target.minor} has no op {node.op}"
                yield node, (Misfit("op", text, first_with(node.op)), "")
                continue
            fault = next(self._shape_misfits(node, op), None)
            if fault is None and (not body.name or node.name in running):
                fault = next(self._run_misfits(node, op), None)
            if fault is not None:
                yield node, fault

    def _shape_misfits(self, node: WrittenNode, op: Op) -> Iterator[_Fault]:
        """What makes a node impossible to read at all."""
        attrs = node.attrs
        if op.name not in self._required:
            self._required[op.name] = tuple(each.name for each in op.attributes.values() if each.default is None)
        for name in self._required[op.name]:
            if name not in attrs:
                text = f"{op.name} of TensorFlow {self._target.minor} needs an attribute {name}"
                yield Misfit("attribute", text), name
                return
        wanted = len(op.inputs)
        if any(each.number_attr or each.type_list_attr for each in op.inputs):
            attrs = {each.name: each.default for each in op.attributes.values()} | dict(attrs)
            wanted = sum(count_of(argument, attrs) for argument in op.inputs)
        if wanted != node.inputs:
            text = f"{op.name} takes {wanted} inputs in TensorFlow {self._target.minor}, this one has {node.inputs}"
            yield Misfit("input", text), ""

    def _run_misfits(self, node: WrittenNode, op: Op) -> Iterator[_Fault]:
        """What keeps a node from being run."""
        minor = self._target.minor
        if (unknown := self._target.dtype_misfit(node.attrs)) is not None:
            yield unknown
            return
        for name, value in node.attrs.items():
            attribute = op.attributes.get(name)
            if attribute is None:
                if name[0] != "_" and (self._strict or not self._target.may_drop(op.name, name, value)):
                    without = "" if self._strict else ", which does without it"
                    text = f"{op.name} has no attribute {name} in TensorFlow {minor}{without}"
                    yield Misfit("attribute", text, first_with(op.name, name)), name
            elif (attribute.allowed or attribute.minimum is not None) and (problem := attribute.problem(value)):
                text = f"{op.name} of TensorFlow {minor}: {problem}"
                yield Misfit("attribute", text, first_allowing(op, name, value)), name
        if op.deprecated is not None and op.deprecated <= self._producer:
            advice = f": {op.advice}" if op.advice else ""
            text = f"TensorFlow {minor} has {op.name} for graphs before version {op.deprecated}{advice}"
            yield Misfit("op", text), ""
        if (misfit := self._kernel_misfit(node, op)) is not None:
            yield misfit, ""

    def _kernel_misfit(self, node: WrittenNode, op: Op) -> Misfit | None:
        types = op.types_of(node.attrs)
        key = (op.name, *types.items())
        if key not in self._kernels:
            self._kernels[key] = None
            if op.kernels and not self._target.has_kernel(op.name, types):
                problem = self._table.kernel_problem(op.name, "cpu", types)
                on_xla = _XLA_CPU if op.has_kernel("xla_cpu", types) else ""
                self._kernels[key] = Misfit("kernel", problem + on_xla, first_with(op.name, types=types))
        return self._kernels[key]
