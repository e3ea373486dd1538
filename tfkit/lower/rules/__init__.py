"""How operations are written with what older TensorFlows have; one file a family, all found by themselves.

See ``docs/adding-a-rule.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from tfkit.lower.edit import Edit

Apply = Callable[[Edit], None]
Wanted = Callable[[Edit], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to write an operation.

    Attributes:
        op: The operation that it replaces.
        makes: What it makes of it, for people: ``Select, its operands broadcast``.
        apply: Changes a node; raises ``Refusal`` if the node is beyond it.
        wanted: Whether a node needs it that fits the target's tables; by default it is for those that do not.
        misfit: The kind of ``Misfit`` that it is for: ``kernel``, say. Empty: any.
    """

    op: str
    makes: str
    apply: Apply
    wanted: Wanted | None = None
    misfit: str = ""


_RULES: dict[str, list[Rule]] = {}


def rule(*ops: str, makes: str, wanted: Wanted | None = None, misfit: str = "") -> Callable[[Apply], Apply]:
    """Declares a function to be the rule for some operations."""

    def declare(apply: Apply) -> Apply:
        for op in ops:
            _RULES.setdefault(op, []).append(Rule(op, makes, apply, wanted, misfit))
        return apply

    return declare


@cache
def all_rules() -> dict[str, list[Rule]]:
    """The rules by operation, in the order in which they are tried."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return _RULES
