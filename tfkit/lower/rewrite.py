"""Rewrites a flat model until a target takes every node of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tfkit.graph.nodes import Node
from tfkit.lower.edit import Edit, Refusal
from tfkit.lower.facts import Facts
from tfkit.lower.flat import FlatModel
from tfkit.lower.rules import Rule, all_rules
from tfkit.lower.target import Misfit, Target

_MOST_REWRITES = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """A node that a target does not take, whatever the rules do.

    Attributes:
        node: Its name.
        op: Its operation.
        function: The function that it came from; empty for the main graph.
        misfit: Why the target does not take it.
        refusal: Why the rule for it does not help; empty if there is none.
    """

    node: str
    op: str
    function: str
    misfit: Misfit
    refusal: str = ""


@dataclass(slots=True)
class Rewrite:
    """What was done to a model.

    Attributes:
        applied: How often each rule was applied, by operation.
        problems: What remains.
    """

    applied: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


def rewrite(model: FlatModel, target: Target, rules: Mapping[str, Sequence[Rule]] | None = None) -> Rewrite:
    """Applies the rules to every node that needs them; the model is changed.

    Args:
        model: The model.
        target: The TensorFlow that it is to run on.
        rules: The rules by operation; by default those for older TensorFlows.

    Returns:
        What was done, and what could not be.
    """
    result = Rewrite()
    rules, facts = all_rules() if rules is None else rules, Facts(model.graph)
    waiting = list(model.graph.nodes.values())
    times: Counter[Node] = Counter()
    while waiting:
        node = waiting.pop()
        misfits = target.misfits(node)
        hopeless = any(misfit.kind == "dtype" for misfit in misfits)  # what a rule wrote would hold the dtype as well
        edit = Edit(model.graph, node, target, facts) if node.op in rules and not hopeless else None
        chosen = None if edit is None else _choose(rules[node.op], edit, misfits)
        if edit is None or chosen is None:
            if misfits:
                result.problems.append(_problem(node, misfits[0]))
            else:
                target.fit(node)
            continue
        op = node.op
        try:
            chosen.apply(edit)
        except Refusal as refusal:
            misfit = misfits[0] if misfits else Misfit("kernel", f"{op} does not run like this in {target.minor}")
            result.problems.append(_problem(node, misfit, str(refusal)))
            continue
        times[node] += 1
        if times[node] > _MOST_REWRITES:
            misfit = Misfit("op", f"{op} does not run like this in TensorFlow {target.minor}")
            result.problems.append(_problem(node, misfit, "its rules lead to it again"))
            continue
        result.applied[op] += 1
        waiting.extend((*edit.added, node))
    model.prune(pivots=False)
    # What was rewritten may have been the only thing that needed a node.
    result.problems = [problem for problem in result.problems if problem.node in model.graph.nodes]
    return result


def _choose(rules: Sequence[Rule], edit: Edit, misfits: list[Misfit]) -> Rule | None:
    for rule in rules:
        if rule.wanted(edit) if rule.wanted is not None else _is_for(rule, misfits):
            return rule
    return None


def _is_for(rule: Rule, misfits: list[Misfit]) -> bool:
    if not rule.misfit:
        return bool(misfits)
    return any(misfit.kind == rule.misfit for misfit in misfits)


def _problem(node: Node, misfit: Misfit, refusal: str = "") -> Problem:
    function = node.origin.function if node.origin is not None else ""
    return Problem(node.name, node.op, function, misfit, refusal)
