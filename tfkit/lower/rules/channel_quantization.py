"""Numbers rounded to those that a few bits hold, each channel in a range of its own, which came with TensorFlow 2.3."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas, Value
from tfkit.lower.rules import rule

_LARGEST = 3.4028234663852886e38  # of float32, for doubles as well
_DEFAULT_BITS = 8


def _has_no_channels(edit: Edit) -> bool:
    return edit.node.int_attr("axis", -1) != -1 and not edit.target.has("QuantizeAndDequantizeV2", "axis")


@rule("QuantizeAndDequantizeV4", makes="Mul, Round, Mul", wanted=_has_no_channels)
def quantize_channels(edit: Edit) -> None:
    """Scales each channel so that its range fits that of the integers, rounds, and scales back."""
    x = edit.input(0)
    maths = Formulas(edit, edit.dtype(x))
    rank, axis = edit.rank(x, "the numbers"), edit.node.int_attr("axis")
    least, most = _integers(edit)
    if edit.node.bool_attr("range_given"):
        edit.refuse("ranges of channels are given, which TensorFlow itself refuses")
    others = [at for at in range(rank) if at != axis]
    low, high = (edit.reduce(op, x, others, keep_dims=True) for op in ("Min", "Max"))
    from_low, from_high = _scale(maths, least, low), _scale(maths, most, high)
    is_low = maths.do("Less", from_low, from_high)  # whether it is the lower end that decides
    scale = maths.do("Minimum", from_low, from_high)
    back = maths.do("RealDiv", maths.choose(is_low, low, high), maths.choose(is_low, least or 1, most))
    edit.become("Mul", (_round(edit, maths, maths.do("Mul", x, scale)), back), T=edit.dtype(x))


def _integers(edit: Edit) -> tuple[int, int]:
    """The least and the largest integer."""
    bits = edit.node.int_attr("num_bits", _DEFAULT_BITS)
    if not edit.node.bool_attr("signed_input", True):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)) + edit.node.bool_attr("narrow_range"), 2 ** (bits - 1) - 1


def _scale(maths: Formulas, integer: int, limit: Tensor) -> Value:
    """How much larger an integer is than what it stands for; endless if they have not the same sign."""
    if integer == 0:
        return _LARGEST
    same_sign = maths.do("Greater", maths.do("Mul", limit, integer), 0.0)
    return maths.choose(same_sign, maths.do("RealDiv", integer, maths.choose(same_sign, limit, 1.0)), _LARGEST)


def _round(edit: Edit, maths: Formulas, numbers: Tensor) -> Tensor:
    if edit.node.text_attr("round_mode", "HALF_TO_EVEN") == "HALF_UP":
        return maths.do("Floor", maths.do("Add", numbers, 0.5))
    return maths.do("Round", numbers)
