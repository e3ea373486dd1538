"""Quotients of signed integers, rounded down.

Up to 2.4 TensorFlow adds up the sizes of the two first, which wraps near the ends of the dtype: -128 // 3 is 42.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_RIGHT_FROM = (2, 7)
_NARROW = (DType.INT8, DType.INT16)
_WIDE = (DType.INT32, DType.INT64)
_SMALL = 2**30
_OF_FEW_BITS = (*_NARROW, DType.UINT8, DType.UINT16)
_SIZES = frozenset(("Rank", "Shape", "ShapeN", "Size"))
_SMALL_OF_SMALL = frozenset(
    (
        "Add", "AddV2", "Cast", "ConcatV2", "ExpandDims", "FloorDiv", "FloorMod", "GatherV2", "Identity", "Max",
        "Maximum", "Min", "Minimum", "Mul", "Pack", "Prod", "Reshape", "Slice", "Squeeze", "StridedSlice", "Sub", "Sum",
    )
)  # fmt: skip


def _is_narrow(edit: Edit) -> bool:
    return edit.target.version < _RIGHT_FROM and edit.dtype(edit.input(0)) in _NARROW


def _may_be_large(edit: Edit) -> bool:
    if edit.target.version >= _RIGHT_FROM or edit.dtype(edit.input(0)) not in _WIDE:
        return False
    return not _are_small(edit, edit.node.inputs)


def _are_small(edit: Edit, tensors: Sequence[Tensor]) -> bool:
    """Whether tensors are computed from shapes, small constants and numbers of few bits alone.

    What is done with shapes stays as short and as quick as it is.
    """
    waiting, seen = list(tensors), set(tensors)
    while waiting:
        tensor = waiting.pop()
        node, known = tensor.node, edit.value(tensor)
        if known is not None:
            if known.dtype.kind != "i" or (abs(known.astype(float)) > _SMALL).any():
                return False
        elif node.op in _SIZES or (node.op == "Cast" and edit.dtype(node.inputs[0]) in _OF_FEW_BITS):
            continue
        elif node.op in _SMALL_OF_SMALL:
            waiting.extend(each for each in node.inputs if each not in seen)
            seen.update(node.inputs)
        else:
            return False
    return True


@rule("FloorDiv", makes="itself in int32, cast back", wanted=_is_narrow)
def divide_narrow(edit: Edit) -> None:
    """In int32 no sum of two such numbers wraps."""
    dtype = edit.dtype(edit.input(0))
    quotient = edit.binary("FloorDiv", *(edit.cast(tensor, DType.INT32) for tensor in edit.node.inputs))
    edit.become("Cast", (quotient,), SrcT=DType.INT32, DstT=dtype)


@rule("FloorDiv", makes="Div, one less where the remainders differ", wanted=_may_be_large)
def divide_wide(edit: Edit) -> None:
    """Rounding down and rounding towards zero leave the same remainder, but where they round to different numbers.

    ``Div`` and ``Mod`` round towards zero; by their newer names, TruncateDiv and TruncateMod, old ones do not say that
    somebody divides by zero.
    """
    operands, dtype = edit.node.inputs, edit.dtype(edit.input(0))
    towards_zero = edit.binary("Div", *operands)
    remainders = (edit.binary("FloorMod", *operands), edit.binary("Mod", *operands))
    edit.become("Sub", (towards_zero, edit.cast(edit.binary("NotEqual", *remainders), dtype)), T=dtype)
