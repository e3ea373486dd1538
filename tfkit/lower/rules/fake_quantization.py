"""Numbers rounded to those that a few bits hold, where the older operation does not round as today's does."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule

_SAME_SINCE = (1, 15)  # 1.12 has no rounding to even, 1.14 no narrow range
_LARGEST = 3.4028234663852886e38
_DEFAULT_BITS = 8


def _is_old(edit: Edit) -> bool:
    return edit.target.version < _SAME_SINCE


@rule("QuantizeAndDequantizeV4", makes="Mul, Round, Mul", wanted=_is_old)
def quantize(edit: Edit) -> None:
    """Scales numbers so that the range fits that of the integers, rounds, and scales back."""
    if edit.node.int_attr("axis", -1) != -1:
        edit.refuse("each slice has a range of its own")
    x, low, high = edit.node.inputs
    maths, is_given = Formulas(edit, edit.dtype(x)), edit.node.bool_attr("range_given")
    least, most = _integers(edit)
    if not is_given:
        flat = edit.reshape(x, [-1])
        low, high = edit.reduce("Min", flat, [0]), edit.reduce("Max", flat, [0])
    from_low, from_high = _scale(maths, least, low), _scale(maths, most, high)
    is_low = maths.do("Less", from_low, from_high)
    scale = maths.choose(is_low, from_low, from_high)
    back = maths.do("RealDiv", maths.choose(is_low, low, high), maths.choose(is_low, least or 1, most))
    if is_given:
        low = maths.choose(is_low, low, maths.do("Mul", back, least))
        high = maths.choose(is_low, maths.do("Mul", back, most), high)
        x = maths.do("Minimum", maths.do("Maximum", x, low), high)
    scaled = maths.do("Mul", x, scale)
    if edit.node.text_attr("round_mode", "HALF_TO_EVEN") == "HALF_UP":
        rounded = maths.do("Floor", maths.do("Add", scaled, 0.5))
    else:
        rounded = maths.do("Round", scaled)
    edit.become("Mul", (rounded, back), T=edit.dtype(x))


def _integers(edit: Edit) -> tuple[int, int]:
    """The least and the largest integer."""
    bits = edit.node.int_attr("num_bits", _DEFAULT_BITS)
    if not edit.node.bool_attr("signed_input", True):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)) + edit.node.bool_attr("narrow_range"), 2 ** (bits - 1) - 1


def _scale(maths: Formulas, integer: int, limit: Tensor) -> Tensor:
    """How much larger an integer is than what it stands for; endless if they have not the same sign."""
    same_sign = maths.do("Greater", maths.do("Mul", limit, integer), 0.0)
    return maths.choose(same_sign, maths.do("RealDiv", integer, maths.choose(same_sign, limit, 1.0)), _LARGEST)
