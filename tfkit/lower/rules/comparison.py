"""Comparisons, and what newer TensorFlows let them do."""

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import Shape


@rule("Equal", "NotEqual", makes="the same, where the shapes always go together")
def compare_what_fits(edit: Edit) -> None:
    """``a == b`` in Python asks for False, not an error, where the shapes do not go together."""
    shapes = [edit.shape(tensor) for tensor in edit.node.inputs]
    if not _go_together(shapes[0], shapes[1]):
        edit.refuse("it compares tensors whose shapes may not go together, which is an error before TensorFlow 2.2")
    edit.with_attrs(incompatible_shape_error=None)


def _go_together(one: Shape | None, other: Shape | None) -> bool:
    """Whether two shapes broadcast, for certain."""
    if one == () or other == ():
        return True
    if one is None or other is None:
        return False
    pairs = zip(reversed(one), reversed(other), strict=False)
    return all(a == 1 or b == 1 or (a is not None and a == b) for a, b in pairs)
