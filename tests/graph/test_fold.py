"""Branches whose condition is a constant: what never runs goes, and what always does stays as it was."""

import numpy as np
import pytest

from tfkit.errors import ModelError
from tfkit.graph.attributes import bool_value, int_value, type_value
from tfkit.graph.fold import fold, make_constant
from tfkit.graph.nodes import Graph, Node, follow
from tfkit.tensors import DType


class Drawing:
    """A graph that is drawn node by node."""

    def __init__(self):
        self.graph = Graph()

    def node(self, name, op, *inputs, controls=(), **attrs):
        tensors = [each.out() if isinstance(each, Node) else each for each in inputs]
        return self.graph.add(Node(name, op, tensors, attrs, controls=controls))

    def const(self, name, value, dtype=DType.BOOL, controls=()):
        node = self.node(name, "Const")
        make_constant(node, np.asarray(value), dtype)
        node.controls = list(controls)
        return node

    def branch(self, name, condition, data):
        """``-data`` where the condition holds, else a constant."""
        switch = self.node(f"{name}/switch", "Switch", data, condition)
        choice = self.node(f"{name}/choice", "Switch", condition, condition)
        no, yes = self.node(f"{name}/no", "Identity", choice), self.node(f"{name}/yes", "Identity", choice.out(1))
        then = self.node(f"{name}/then", "Neg", switch.out(1), controls=[yes])
        otherwise = self.const(f"{name}/otherwise", 0.0, DType.FLOAT, controls=[no])
        return self.node(f"{name}/merge", "Merge", otherwise, then, N=int_value(2))


@pytest.fixture
def drawing():
    return Drawing()


def now(tensor, replaced, graph):
    """The name of what stands for a tensor."""
    found = follow(tensor, replaced).node
    assert graph.nodes.get(found.name) is found
    return found.name


def test_the_branch_that_runs_stays_and_the_other_goes(drawing):
    x = drawing.node("x", "Placeholder")
    merged = drawing.branch("b", drawing.const("on", True), x)
    y = drawing.node("y", "Relu", merged)

    replaced = fold(drawing.graph)

    assert [each.node.name for each in y.inputs] == ["b/then"]
    assert drawing.graph.nodes["b/then"].inputs == [x.out()]
    assert "b/otherwise" not in drawing.graph.nodes
    assert now(merged.out(), replaced, drawing.graph) == "b/then"


def test_a_constant_that_the_branch_hangs_on_stays_after_its_pivot(drawing):
    merged = drawing.branch("b", drawing.const("on", False), drawing.node("x", "Placeholder"))

    replaced = fold(drawing.graph)

    assert now(merged.out(), replaced, drawing.graph) == "b/otherwise"
    assert [each.name for each in drawing.graph.nodes["b/otherwise"].controls] == ["b/no"]
    assert not [node for node in drawing.graph.nodes.values() if node.op in ("Switch", "Merge")]


@pytest.mark.parametrize(
    ("op", "values", "runs"),
    [
        ("LogicalNot", [False], True),
        ("LogicalAnd", [True, None], None),
        ("LogicalAnd", [False, None], False),
        ("LogicalOr", [True, None], True),
        ("LogicalOr", [False, False], False),
        ("Identity", [True], True),
        ("Equal", [True, False], False),
        ("NotEqual", [True, False], True),
    ],
)
def test_conditions_made_of_constants_are_known(drawing, op, values, runs):
    """``None`` is what a request says."""
    inputs = [
        drawing.node(f"p{at}", "Placeholder") if value is None else drawing.const(f"c{at}", value)
        for at, value in enumerate(values)
    ]
    merged = drawing.branch("b", drawing.node("condition", op, *inputs), drawing.node("x", "Placeholder"))

    replaced = fold(drawing.graph)

    expected = {True: "b/then", False: "b/otherwise", None: "b/merge"}[runs]
    assert now(merged.out(), replaced, drawing.graph) == expected


@pytest.mark.parametrize(("number", "runs"), [(0.4, False), (0.6, True)])
def test_comparisons_of_numbers_are_known(drawing, number, runs):
    condition = drawing.node(
        "greater", "Greater", drawing.const("rate", number, DType.FLOAT), drawing.const("half", 0.5, DType.FLOAT)
    )
    merged = drawing.branch("b", condition, drawing.node("x", "Placeholder"))

    replaced = fold(drawing.graph)

    assert now(merged.out(), replaced, drawing.graph) == ("b/then" if runs else "b/otherwise")


def test_a_branch_in_a_branch_that_never_runs_goes_as_well(drawing):
    on, off = drawing.const("on", True), drawing.const("off", False)
    x = drawing.node("x", "Placeholder")
    switch = drawing.node("outer", "Switch", x, off)
    inner = drawing.branch("inner", on, switch.out(1))
    merged = drawing.node("merge", "Merge", drawing.node("same", "Identity", switch), inner, N=int_value(2))

    replaced = fold(drawing.graph)

    assert now(merged.out(), replaced, drawing.graph) == "same"
    assert not [name for name in drawing.graph.nodes if name.startswith("inner/then")]


def test_what_a_merge_says_of_its_choice_becomes_a_constant(drawing):
    merged = drawing.branch("b", drawing.const("on", True), drawing.node("x", "Placeholder"))
    which = drawing.node("which", "Identity", merged.out(1))

    fold(drawing.graph)

    constant = which.inputs[0].node
    assert (constant.op, constant.attrs["value"].tensor.tensor_content) == ("Const", b"\x01\x00\x00\x00")


def test_controls_move_on_to_what_runs(drawing):
    merged = drawing.branch("b", drawing.const("on", True), drawing.node("x", "Placeholder"))
    after = drawing.node("after", "NoOp", controls=[merged])

    fold(drawing.graph)

    assert [each.name for each in after.controls] == ["b/then"]


def test_loops_stay_loops(drawing):
    enter = drawing.node("enter", "Enter", drawing.node("x", "Placeholder"), is_constant=bool_value(False))
    merge = drawing.node("merge", "Merge", enter)
    more = drawing.node("loop", "LoopCond", drawing.node("less", "Less", merge, merge))
    switch = drawing.node("switch", "Switch", merge, more)
    inner = drawing.branch("inner", drawing.const("on", True), switch.out(1))
    merge.inputs.append(drawing.node("next", "NextIteration", inner).out())
    leave = drawing.node("exit", "Exit", switch)

    fold(drawing.graph)

    assert drawing.graph.nodes["next"].inputs[0].node.name == "inner/then"
    assert {"merge", "switch", "loop"} <= set(drawing.graph.nodes)
    assert leave.inputs == [switch.out()]


def test_a_select_by_a_constant_is_its_choice(drawing):
    a, b = drawing.node("a", "Placeholder"), drawing.node("b", "Placeholder")
    chosen = drawing.node("chosen", "Select", drawing.const("off", False), a, b, T=type_value(DType.FLOAT))
    y = drawing.node("y", "Neg", chosen)

    fold(drawing.graph)

    assert y.inputs == [b.out()]


def test_a_merge_of_many_that_says_which_ran_is_refused_where_some_never_run(drawing):
    x = drawing.node("x", "Placeholder")
    switch = drawing.node("switch", "Switch", x, drawing.const("on", True))
    dead = drawing.node("dead", "Neg", switch)
    merge = drawing.node("merge", "Merge", dead, x, drawing.node("z", "Placeholder"), N=int_value(3))
    drawing.node("which", "Identity", merge.out(1))

    with pytest.raises(ModelError, match="node 'merge' says which of several branches ran"):
        fold(drawing.graph)
