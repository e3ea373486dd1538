"""Where the rules for ONNX are declared."""

from __future__ import annotations

from collections.abc import Callable

from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import Apply, Rule, Wanted

RULES: dict[str, Rule] = {}


def onnx_rule(*ops: str, makes: str, wanted: Wanted | None = None) -> Callable[[Apply], Apply]:
    """Declares a function to be the rule for some operations, as ``tfkit.lower.rules.rule`` does for TensorFlows."""

    def declare(apply: Apply) -> Apply:
        RULES.update({op: Rule(op, makes, apply, wanted, "op") for op in ops})
        return apply

    return declare


def formulas(edit: Edit) -> Formulas:
    """Formulas in the dtype of a node's first input."""
    return Formulas(edit, edit.dtype(edit.input(0)))
