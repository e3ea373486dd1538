"""How operations that tf2onnx does not convert, or not as they are, are written with those that it does.

The rules for older TensorFlows are for them as well; these are for what every TensorFlow has. They are exact but for
rounding, as ``docs/adding-a-rule.md`` asks. One file a family, all found by themselves.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

from tfkit.export.onnx.rules.registry import RULES
from tfkit.lower.rules import Rule, all_rules

# ONNX Runtime has no kernel of it for images with the channels last.
_RESIZES = frozenset(("ResizeBicubic",))


def onnx_rules() -> dict[str, list[Rule]]:
    """All rules by operation, those for ONNX first."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    rules = {op: [rule] for op, rule in RULES.items()}
    for op, more in all_rules().items():
        if "TensorList" not in op:  # there they are written for TensorFlow 1.12, by loops
            rules.setdefault(op, []).extend(_for_half_pixels(rule) if op in _RESIZES else rule for rule in more)
    return rules


def _for_half_pixels(rule: Rule) -> Rule:
    """The rule for the attribute that old TensorFlows lack, where that is set; others as they are."""
    if rule.misfit != "attribute":
        return rule
    return replace(rule, wanted=lambda edit: edit.node.bool_attr("half_pixel_centers"))
