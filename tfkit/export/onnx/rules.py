"""How operations that tf2onnx does not convert are written with those that it does.

The rules for older TensorFlows are for them as well; these are for what every TensorFlow has. They are exact but for
rounding, as ``docs/adding-a-rule.md`` asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import Apply, Rule, Wanted, all_rules
from tfkit.tensors import DType

_RULES: dict[str, Rule] = {}
# Of the complementary error function exp(-x**2) / x times a polynomial of 1 / x**2 is left for large x: from 1 to 2 and
# from there on (S. Moshier, Cephes, ndtrf.c); the highest power first.
_ERFC_NEAR = (
    2.326819970068386e-2, -1.387039388740657e-1, 3.687424674597105e-1, -5.824733027278666e-1, 6.210004621745983e-1,
    -4.944515323274145e-1, 3.404879937665872e-1, -2.741127028184656e-1, 5.638259427386472e-1,
)  # fmt: skip
_ERFC_FAR = (
    -1.047766399936249e1, 1.297719955372516e1, -7.495518717768503e0, 2.921019019210786e0, -1.015265279202700e0,
    4.218463358204948e-1, -2.820767439740514e-1, 5.641895067754075e-1,
)  # fmt: skip
# The same for doubles: quotients of polynomials, up to 1 (of the square), from there to 8, and beyond (Cephes, ndtr.c).
_ERF_DOUBLE = (
    (9.60497373987051638749, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
     5.55923013010394962768e4),
    (1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
     4.92673942608635921086e4),
)  # fmt: skip
_ERFC_DOUBLE = (
    (2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687, 4.86371970985681366614e1,
     1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
     5.57535335369399327526e2),
    (1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
     1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3, 5.57535340817727675546e2),
)  # fmt: skip
_ERFC_DOUBLE_FAR = (
    (5.64189583547755073984e-1, 1.27536670759978104416, 5.01905042251180477414, 6.16021097993053585195,
     7.40974269950448939160, 2.97886665372100240670),
    (1.0, 2.26052863220117276590, 9.39603524938001434673, 1.20489539808096656605e1, 1.70814450747565897222e1,
     9.60896809063285878198, 3.36907645100081516050),
)  # fmt: skip
_EXTREMES = ("UnsortedSegmentMax", "UnsortedSegmentMin")
_SIGNED = (DType.HALF, DType.FLOAT, DType.DOUBLE)
_SAFE = "_written_for_onnx"
# Lanczos's approximation of the gamma function, as Eigen and TensorFlow's XLA have it (g = 7, nine terms).
_LANCZOS_G = 7.0
_LANCZOS_FIRST = 0.99999999999980993227684700473478
_LANCZOS = (
    676.520368121885098567009190444019, -1259.13921672240287047156078755283, 771.3234287776530788486528258894,
    -176.61502916214059906584551354, 12.507343278686904814458936853, -0.13857109526572011689554707,
    9.984369578019570859563e-6, 1.50563273514931155834e-7,
)  # fmt: skip


def onnx_rules() -> dict[str, list[Rule]]:
    """All rules by operation, those for ONNX first."""
    rules = {op: [rule] for op, rule in _RULES.items()}
    for op, more in all_rules().items():
        if "TensorList" not in op:  # there they are written for TensorFlow 1.12, by loops
            rules.setdefault(op, []).extend(more)
    return rules


def _rule(*ops: str, makes: str, wanted: Wanted | None = None) -> Callable[[Apply], Apply]:
    def declare(apply: Apply) -> Apply:
        _RULES.update({op: Rule(op, makes, apply, wanted, "op") for op in ops})
        return apply

    return declare


def _maths(edit: Edit) -> Formulas:
    return Formulas(edit, edit.dtype(edit.input(0)))


# --- functions of one number


@_rule("Erfc", makes="Erf, or what is left for large numbers")
def erfc(edit: Edit) -> None:
    """One minus ``Erf`` up to 1; after that nothing would be left of the digits."""
    dtype = edit.dtype(edit.input(0))
    maths = Formulas(edit, DType.DOUBLE if dtype is DType.DOUBLE else DType.FLOAT)
    x = edit.cast(edit.input(0), edit.dtype(maths.of(0.0)))
    tail = _erfc_tail(maths, x, is_double=dtype is DType.DOUBLE)
    both_tails = maths.choose(maths.do("Less", x, 0.0), maths.do("Sub", 2.0, tail), tail)
    middle = maths.do("Sub", 1.0, maths.do("Erf", x))
    is_tail = maths.do("Greater", maths.do("Abs", x), 1.0)
    edit.become_identity(edit.cast(maths.choose(is_tail, both_tails, middle), dtype))


@_rule("Erf", makes="quotients of polynomials", wanted=lambda edit: edit.dtype(edit.input(0)) is DType.DOUBLE)
def erf(edit: Edit) -> None:
    """Of doubles, which ONNX Runtime has no ``Erf`` of."""
    maths, x = _maths(edit), edit.input(0)
    near = maths.do("Maximum", maths.do("Minimum", x, 1.0), -1.0)
    middle = maths.do("Mul", near, _quotient(maths, maths.do("Mul", near, near), _ERF_DOUBLE))
    tail = maths.do("Sub", 1.0, _erfc_tail(maths, x, is_double=True))
    both_tails = maths.choose(maths.do("Less", x, 0.0), maths.do("Neg", tail), tail)
    edit.become_identity(maths.choose(maths.do("Greater", maths.do("Abs", x), 1.0), both_tails, middle))


def _erfc_tail(maths: Formulas, x: Tensor, *, is_double: bool) -> Tensor:
    """The complementary error function of the size of a number, where that is 1 or more."""
    size = maths.do("Maximum", maths.do("Abs", x), 1.0)
    bell = maths.do("Exp", maths.do("Neg", maths.do("Mul", size, size)))
    if is_double:
        size = maths.do("Minimum", size, 30.0)  # nothing is left of the bell there
        near, far = _quotient(maths, size, _ERFC_DOUBLE), _quotient(maths, size, _ERFC_DOUBLE_FAR)
        return maths.do("Mul", bell, maths.choose(maths.do("Less", size, 8.0), near, far))
    inverse = maths.do("RealDiv", 1.0, maths.do("Mul", size, size))
    near, far = maths.polynomial(inverse, _ERFC_NEAR), maths.polynomial(inverse, _ERFC_FAR)
    return maths.do("Mul", maths.do("RealDiv", bell, size), maths.choose(maths.do("Less", size, 2.0), near, far))


def _quotient(maths: Formulas, x: Tensor, parts: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    above, below = parts
    return maths.do("RealDiv", maths.polynomial(x, above), maths.polynomial(x, below))


@_rule("Expm1", makes="Tanh near 0, Exp elsewhere")
def expm1(edit: Edit) -> None:
    """``2 t / (1 - t)`` with ``t = tanh(x / 2)``, which loses no digits where ``exp(x)`` is nearly 1."""
    maths, x = _maths(edit), edit.input(0)
    near = maths.choose(maths.do("Less", maths.do("Abs", x), 1.0), x, 0.5)
    t = maths.do("Tanh", maths.do("Mul", near, 0.5))
    small = maths.do("RealDiv", maths.do("Add", t, t), maths.do("Sub", 1.0, t))
    large = maths.do("Sub", maths.do("Exp", x), 1.0)
    edit.become_identity(maths.choose(maths.do("Less", maths.do("Abs", x), 1.0), small, large))


@_rule("Log1p", makes="Log, corrected by the rounding of 1 + x")
def log1p(edit: Edit) -> None:
    """``log(1 + x)`` times ``x`` over what was really added to 1 (W. Kahan)."""
    maths, x = _maths(edit), edit.input(0)
    edit.become_identity(_log1p(maths, x))


def _log1p(maths: Formulas, x: Tensor) -> Tensor:
    one_more = maths.do("Add", x, 1.0)
    added = maths.do("Sub", one_more, 1.0)
    is_lost = maths.do("Equal", added, 0.0)
    corrected = maths.do("Mul", maths.do("Log", one_more), maths.do("RealDiv", x, maths.choose(is_lost, 1.0, added)))
    # From 2 on nothing is lost, and infinities stay what they are.
    plain = maths.choose(maths.do("Greater", x, 2.0), maths.do("Log", one_more), corrected)
    return maths.choose(is_lost, x, plain)


@_rule("Xlogy", makes="Log, Mul, SelectV2")
def xlogy(edit: Edit) -> None:
    """0 where ``x`` is, whatever the logarithm."""
    _unless_zero(edit, lambda maths, x, y: maths.do("Mul", x, maths.do("Log", y)))


@_rule("Xdivy", makes="RealDiv, SelectV2")
def xdivy(edit: Edit) -> None:
    """0 where ``x`` is, whatever it is divided by."""
    _unless_zero(edit, lambda maths, x, y: maths.do("RealDiv", x, y))


@_rule("Xlog1py", makes="Log, Mul, SelectV2")
def xlog1py(edit: Edit) -> None:
    """0 where ``x`` is, whatever the logarithm."""
    _unless_zero(edit, lambda maths, x, y: maths.do("Mul", x, _log1p(maths, y)))


@_rule("MulNoNan", makes="Mul, SelectV2")
def mul_no_nan(edit: Edit) -> None:
    """0 where the second factor is, whatever the first."""
    maths, (x, y) = _maths(edit), edit.node.inputs
    product = maths.do("Mul", x, y)
    zero = maths.do("ZerosLike", product)
    edit.become_identity(maths.choose(maths.do("Equal", y, 0.0), zero, product))


def _unless_zero(edit: Edit, function: Callable[[Formulas, Tensor, Tensor], Tensor]) -> None:
    maths, (x, y) = _maths(edit), edit.node.inputs
    result = function(maths, x, y)
    edit.become_identity(maths.choose(maths.do("Equal", x, 0.0), maths.do("ZerosLike", result), result))


@_rule("Lgamma", makes="Lanczos's approximation")
def lgamma(edit: Edit) -> None:
    """Computed in doubles; of numbers below 1/2 by reflection."""
    x = edit.cast(edit.input(0), DType.DOUBLE)
    maths = Formulas(edit, DType.DOUBLE)
    is_left = maths.do("Less", x, 0.5)
    right = maths.choose(is_left, maths.do("Sub", 1.0, x), x)
    total, _ = _lanczos(maths, right)
    base = maths.do("Add", right, _LANCZOS_G - 0.5)
    part = maths.do("Mul", maths.do("Sub", right, 0.5), maths.do("Log", base))
    logs = maths.do("Add", maths.do("Sub", part, base), maths.do("Log", total))
    logs = maths.do("Add", logs, math.log(2 * math.pi) / 2)
    # Of the sine only the distance to the next whole number counts, which keeps its digits.
    distance = maths.do("Abs", maths.do("Sub", x, maths.do("Floor", maths.do("Add", x, 0.5))))
    sine = maths.do("Sin", maths.do("Mul", distance, math.pi))
    reflected = maths.do("Sub", maths.do("Sub", math.log(math.pi), maths.do("Log", sine)), logs)
    result = maths.choose(is_left, reflected, logs)
    infinite = maths.do("Equal", maths.do("Abs", x), math.inf)
    result = maths.choose(infinite, maths.of(math.inf), result)
    edit.become_identity(edit.cast(result, edit.dtype(edit.input(0))))


@_rule("Digamma", makes="the derivative of Lanczos's approximation")
def digamma(edit: Edit) -> None:
    """Computed in doubles; of numbers below 1/2 by reflection. At the poles it is not a number."""
    x = edit.cast(edit.input(0), DType.DOUBLE)
    maths = Formulas(edit, DType.DOUBLE)
    is_left = maths.do("Less", x, 0.5)
    right = maths.choose(is_left, maths.do("Sub", 1.0, x), x)
    total, slope = _lanczos(maths, right)
    base = maths.do("Add", right, _LANCZOS_G - 0.5)
    logs = maths.do("Add", maths.do("Log", base), maths.do("RealDiv", slope, total))
    logs = maths.do("Sub", logs, maths.do("RealDiv", _LANCZOS_G, base))
    distance = maths.do("Sub", x, maths.do("Floor", maths.do("Add", x, 0.5)))
    angle = maths.do("Mul", distance, math.pi)
    cotangent = maths.do("RealDiv", maths.do("Cos", angle), maths.do("Sin", angle))
    reflected = maths.do("Sub", logs, maths.do("Mul", cotangent, math.pi))
    result = maths.choose(is_left, reflected, logs)
    is_pole = maths.both(maths.do("LessEqual", x, 0.0), maths.do("Equal", x, maths.do("Floor", x)))
    result = maths.choose(is_pole, maths.of(math.nan), result)
    edit.become_identity(edit.cast(result, edit.dtype(edit.input(0))))


def _lanczos(maths: Formulas, x: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of the terms, and its slope, at ``x - 1``."""
    total, slope = maths.of(_LANCZOS_FIRST), maths.of(0.0)
    for place, factor in enumerate(_LANCZOS):
        under = maths.do("Add", x, float(place))
        term = maths.do("RealDiv", factor, under)
        total = maths.do("Add", total, term)
        slope = maths.do("Sub", slope, maths.do("RealDiv", term, under))
    return total, slope


# --- plain arithmetic


@_rule("TruncateMod", makes="TruncateDiv, Mul, Sub")
def truncate_mod(edit: Edit) -> None:
    """What is left of a division that rounds towards zero."""
    x, y = edit.node.inputs
    edit.become("Sub", (x, edit.binary("Mul", edit.binary("TruncateDiv", x, y), y)), T=edit.dtype(x))


@_rule("Inv", makes="Reciprocal")
def inv(edit: Edit) -> None:
    """Another name."""
    edit.become("Reciprocal", edit.node.inputs, T=edit.dtype(edit.input(0)))


@_rule("L2Loss", makes="Square, Sum, Mul")
def l2_loss(edit: Edit) -> None:
    """Half of the sum of the squares."""
    x, dtype = edit.input(0), edit.dtype(edit.input(0))
    flat = edit.reshape(edit.add("Square", (x,), T=dtype), [-1])
    edit.become("Mul", (edit.reduce("Sum", flat, [0]), edit.const(0.5, dtype)), T=dtype)


@_rule("ApproximateEqual", makes="Sub, Abs, Less")
def approximate_equal(edit: Edit) -> None:
    """Whether two numbers are nearer to each other than the tolerance."""
    maths, (x, y) = _maths(edit), edit.node.inputs
    distance = maths.do("Abs", maths.do("Sub", x, y))
    tolerance = edit.node.float_attr("tolerance", float(np.float32(1e-5)))
    edit.become("Less", (distance, maths.of(tolerance)), T=edit.dtype(x))


@_rule("Cross", makes="GatherV2, Mul, Sub")
def cross(edit: Edit) -> None:
    """Of vectors of three numbers, the last axis."""
    x, y = edit.node.inputs
    last = edit.rank(x, "the vectors") - 1

    def turned(tensor: Tensor, order: list[int]) -> Tensor:
        return edit.gather(tensor, order, last)

    first = edit.binary("Mul", turned(x, [1, 2, 0]), turned(y, [2, 0, 1]))
    second = edit.binary("Mul", turned(x, [2, 0, 1]), turned(y, [1, 2, 0]))
    edit.become("Sub", (first, second), T=edit.dtype(x))


@_rule("LinSpace", makes="Range, Mul, Add")
def lin_space(edit: Edit) -> None:
    """The last number is the end itself, without rounding."""
    start, stop, count = edit.node.inputs
    dtype = edit.dtype(start)
    maths = Formulas(edit, dtype)
    steps = edit.cast(edit.binary("Maximum", edit.binary("Sub", count, edit.const(1, edit.dtype(count))),
                                  edit.const(1, edit.dtype(count))), dtype)  # fmt: skip
    step = maths.do("RealDiv", maths.do("Sub", stop, start), steps)
    places = edit.cast(edit.range_of(edit.cast(count, DType.INT32)), dtype)
    numbers = maths.do("Add", start, maths.do("Mul", places, step))
    is_last = edit.binary("Less", steps, maths.do("Add", places, 0.5))
    edit.become_identity(maths.choose(is_last, stop, numbers))


@_rule("BroadcastArgs", makes="Pad, Maximum")
def broadcast_args(edit: Edit) -> None:
    """Of two shapes each size that is not 1; a size of 0 is no reason to look at the other."""
    x, y = edit.node.inputs
    dtype = edit.dtype(x)
    rank = edit.binary("Maximum", edit.size(x), edit.size(y))

    def padded(shape: Tensor) -> Tensor:
        more = edit.reshape(edit.binary("Sub", rank, edit.size(shape)), [1])
        ones = edit.add("Fill", (more, edit.const(1, dtype)), T=dtype, index_type=DType.INT32)
        return edit.concat([ones, shape])

    x, y = padded(x), padded(y)
    edit.become_identity(edit.select(edit.binary("Equal", x, edit.const(1, dtype)), y, x))


@_rule("InTopKV2", makes="Greater, Sum, Less")
def in_top_k(edit: Edit) -> None:
    """Whether fewer than ``k`` scores exceed that of the target."""
    scores, targets, count = edit.node.inputs
    dtype, index = edit.dtype(scores), edit.dtype(targets)
    classes = edit.part(edit.shape_tensor(scores, index), 1, 2)
    inside = edit.add("LogicalAnd", (edit.binary("GreaterEqual", targets, edit.const(0, index)),
                                     edit.binary("Less", targets, classes)))  # fmt: skip
    safe = edit.select(inside, targets, edit.add("ZerosLike", (targets,), T=index))
    own = edit.add("GatherV2", (scores, edit.expand_dims(safe, 1), edit.const(1)), Tparams=dtype, Tindices=index,
                   Taxis=DType.INT32, batch_dims=1)  # fmt: skip
    larger = edit.reduce("Sum", edit.cast(edit.binary("Greater", scores, own), index), [1])
    finite = edit.reduce("All", edit.add("IsFinite", (scores,), T=dtype), [1])
    fits = edit.add("LogicalAnd", (inside, finite))
    edit.become("LogicalAnd", (fits, edit.binary("Less", larger, edit.cast(count, index))))


# --- numbers in ranges


@_rule("Bucketize", makes="GreaterEqual, Sum")
def bucketize(edit: Edit) -> None:
    """How many boundaries a number has reached."""
    x, dtype = edit.input(0), edit.dtype(edit.input(0))
    if "boundaries" not in edit.node.attrs:
        edit.refuse("it has no boundaries")
    boundaries = [float(each) for each in edit.node.attrs["boundaries"].list.f]
    wide = DType.DOUBLE if dtype in (DType.INT32, DType.INT64, DType.DOUBLE) else DType.FLOAT
    numbers = edit.expand_dims(edit.cast(x, wide), -1)
    reached = edit.cast(edit.binary("GreaterEqual", numbers, edit.const(boundaries, wide)), DType.INT32)
    edit.become_identity(edit.reduce("Sum", reached, [-1]))


@_rule("LowerBound", makes="Less, Sum")
def lower_bound(edit: Edit) -> None:
    """How many of a row's sorted numbers are smaller."""
    _count_below(edit, "Less")


@_rule("UpperBound", makes="LessEqual, Sum")
def upper_bound(edit: Edit) -> None:
    """How many of a row's sorted numbers are not larger."""
    _count_below(edit, "LessEqual")


def _count_below(edit: Edit, comparison: str) -> None:
    numbers, values = edit.node.inputs
    dtype = DType(edit.node.type_attr("out_type") or int(DType.INT32))
    below = edit.binary(comparison, edit.expand_dims(numbers, 1), edit.expand_dims(values, 2))
    edit.become_identity(edit.reduce("Sum", edit.cast(below, dtype), [2]))


@_rule("HistogramFixedWidth", makes="UnsortedSegmentSum")
def histogram(edit: Edit) -> None:
    """As many bins as are wanted; what is outside of the range is in the first or the last."""
    values, limits, bins = edit.node.inputs
    dtype, result = edit.dtype(values), DType(edit.node.type_attr("dtype") or int(DType.INT32))
    maths = Formulas(edit, DType.DOUBLE)
    flat = edit.cast(edit.reshape(values, [-1]), DType.DOUBLE)
    low, high = (edit.cast(edit.gather(limits, at), DType.DOUBLE) for at in (0, 1))
    del dtype
    count = edit.cast(bins, DType.DOUBLE)
    step = maths.do("RealDiv", maths.do("Sub", high, low), count)
    place = maths.do("Floor", maths.do("RealDiv", maths.do("Sub", flat, low), step))
    place = maths.do("Minimum", maths.do("Maximum", place, 0.0), maths.do("Sub", count, 1.0))
    ones = edit.add("OnesLike", (edit.cast(place, result),), T=result)
    edit.become(
        "UnsortedSegmentSum", (ones, edit.cast(place, DType.INT32), bins), T=result, Tindices=DType.INT32,
        Tnumsegments=DType.INT32,
    )  # fmt: skip


# --- matrices


@_rule("Diag", makes="MatrixDiagV3 of a vector")
def diag(edit: Edit) -> None:
    """Of a vector; tensors of more axes are refused."""
    x = edit.input(0)
    if edit.rank(x, "the diagonal") != 1:
        edit.refuse("the diagonal is no vector")
    size = edit.reshape(edit.shape_tensor(x), [])
    square = edit.add("Equal", (edit.expand_dims(edit.range_of(size), 0), edit.expand_dims(edit.range_of(size), 1)),
                      T=DType.INT32)  # fmt: skip
    edit.become("Mul", (edit.cast(square, edit.dtype(x)), edit.expand_dims(x, 0)), T=edit.dtype(x))


@_rule("DiagPart", makes="GatherNd")
def diag_part(edit: Edit) -> None:
    """Of a matrix; tensors of more axes are refused."""
    x = edit.input(0)
    if edit.rank(x, "the tensor") != 2:
        edit.refuse("the tensor is no matrix")
    numbers = edit.range_of(edit.reshape(edit.part(edit.shape_tensor(x), 0, 1), []))
    edit.become("GatherNd", (x, edit.pack([numbers, numbers], 1)), Tparams=edit.dtype(x), Tindices=DType.INT32)


# --- segments


def _is_plain(edit: Edit) -> bool:
    return _SAFE not in edit.node.attrs


@_rule(
    "UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin",
    makes="itself, with a segment for what belongs to none", wanted=_is_plain,
)  # fmt: skip
def unsorted_segment(edit: Edit) -> None:
    """What has a negative number is left out, and the largest of no numbers is the lowest there is."""
    data, ids, count = edit.node.inputs
    numbers, size = edit.dtype(ids), edit.cast(count, edit.dtype(ids))
    safe = edit.select(edit.binary("Less", ids, edit.const(0, numbers)), size, ids)
    more = edit.binary("Add", size, edit.const(1, numbers))
    result = _segments(edit, edit.node.op, data, safe, more)
    if edit.node.op in _EXTREMES:
        empty = _of_rows(
            edit,
            edit.binary("Equal", _counts(edit, safe, more, numbers), edit.const(0, numbers)),
            edit.rank(data, "the data"),
        )
        result = edit.select(empty, edit.const(_lowest(edit.node.op, edit.dtype(data)), edit.dtype(data)), result)
    edit.become_identity(edit.gather(result, edit.range_of(edit.cast(size, DType.INT32))))


@_rule("SegmentProd", "SegmentMax", "SegmentMin", makes="UnsortedSegmentProd, UnsortedSegmentMax, ...")
def segment(edit: Edit) -> None:
    """Sorted segments; of those that have nothing, 0, and 1 for products."""
    data, ids = edit.node.inputs
    dtype, numbers = edit.dtype(data), edit.dtype(ids)
    size = _segments_of(edit, ids)
    result = _segments(edit, f"Unsorted{edit.node.op}", data, ids, size)
    if edit.node.op in ("SegmentMax", "SegmentMin"):
        empty = _of_rows(
            edit,
            edit.binary("Equal", _counts(edit, ids, size, numbers), edit.const(0, numbers)),
            edit.rank(data, "the data"),
        )
        result = edit.select(empty, edit.const(0, dtype), result)
    edit.become_identity(result)


@_rule("SegmentMean", makes="SegmentSum and counts")
def segment_mean(edit: Edit) -> None:
    """Of segments that have nothing, 0."""
    data, ids = edit.node.inputs
    edit.become_identity(_mean(edit, data, ids, _segments_of(edit, ids), rank=edit.rank(data, "the data"), root=False))


@_rule(
    "SparseSegmentMean", "SparseSegmentSqrtN", "SparseSegmentMeanWithNumSegments",
    "SparseSegmentSqrtNWithNumSegments", makes="GatherV2, sums and counts",
)  # fmt: skip
def sparse_segment_mean(edit: Edit) -> None:
    """The same of some rows."""
    data, indices, ids, *count = edit.node.inputs
    size = edit.cast(count[0], edit.dtype(ids)) if count else _segments_of(edit, ids)
    rank, root = edit.rank(data, "the data"), "SqrtN" in edit.node.op
    edit.become_identity(_mean(edit, edit.gather(data, indices), ids, size, rank=rank, root=root))


def _mean(edit: Edit, data: Tensor, ids: Tensor, size: Tensor, *, rank: int, root: bool) -> Tensor:
    dtype = edit.dtype(data)
    counts = edit.cast(_counts(edit, ids, size, edit.dtype(ids)), dtype)
    counts = edit.binary("Maximum", counts, edit.const(1, dtype))
    if root:
        counts = edit.add("Sqrt", (counts,), T=dtype)
    return edit.binary("RealDiv", _segments(edit, "UnsortedSegmentSum", data, ids, size), _of_rows(edit, counts, rank))


def _segments(edit: Edit, op: str, data: Tensor, ids: Tensor, size: Tensor) -> Tensor:
    """A node that no rule looks at again."""
    numbers = edit.dtype(ids)
    return edit.add(
        op, (data, ids, size), T=edit.dtype(data), Tindices=numbers, Tnumsegments=numbers, **{_SAFE: True}
    )  # fmt: skip


def _segments_of(edit: Edit, ids: Tensor) -> Tensor:
    """How many sorted segments there are."""
    numbers = edit.dtype(ids)
    with_none = edit.concat([edit.const([-1], numbers), ids])
    return edit.binary("Add", edit.reduce("Max", with_none, [0]), edit.const(1, numbers))


def _counts(edit: Edit, ids: Tensor, size: Tensor, numbers: DType) -> Tensor:
    return _segments(edit, "UnsortedSegmentSum", edit.add("OnesLike", (ids,), T=numbers), ids, size)


def _of_rows(edit: Edit, vector: Tensor, rank: int) -> Tensor:
    """A vector that holds something of each segment, in a shape that is broadcast to those of the data's rows."""
    return edit.reshape(vector, [-1, *[1] * (rank - 1)])


def _lowest(op: str, dtype: DType) -> float:
    """The lowest number of a dtype, or for the smallest of some numbers the highest."""
    kind = np.dtype(NUMPY_DTYPES[dtype])
    limits: Any = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    end: float = limits.min if op == "UnsortedSegmentMax" else limits.max
    return end


# --- signs


def _signed(edit: Edit) -> Tensor | None:
    """The float whose highest bit is asked for, where a float's bits are taken for a whole number to see its sign."""
    node, zero = edit.input(0).node, edit.value(edit.input(1))
    if zero is None or zero.any():
        return None
    if node.op == "BitwiseAnd":
        mask = edit.value(node.inputs[1])
        if mask is None or not (mask < 0).all():
            return None
        node = node.inputs[0].node
    floats = node.op == "Bitcast" and edit.dtype(node.inputs[0]) in _SIGNED
    return node.inputs[0] if floats else None


@_rule("Less", makes="Less and, of zeros, what 1 divided by them is", wanted=lambda edit: _signed(edit) is not None)
def sign(edit: Edit) -> None:
    """Whether a number is below 0, or is -0: ONNX has no bits of floats."""
    x = _signed(edit)
    if x is None:
        raise AssertionError("it was wanted")
    maths = Formulas(edit, edit.dtype(x))
    of_zero = maths.do("Less", maths.do("RealDiv", 1.0, x), 0.0)
    below = maths.do("Less", x, 0.0)
    edit.become("LogicalOr", (below, maths.both(maths.do("Equal", x, 0.0), of_zero)))


# --- colours


@_rule("AdjustSaturation", makes="RGBToHSV, Mul, HSVToRGB")
def adjust_saturation(edit: Edit) -> None:
    """The saturation times the factor, within 0 and 1."""
    images, factor = edit.node.inputs
    dtype, last = edit.dtype(images), edit.rank(images, "the images") - 1
    single = Formulas(edit, DType.FLOAT)
    hsv = edit.add("RGBToHSV", (edit.cast(images, DType.FLOAT),), T=DType.FLOAT)
    hsv = edit.note(hsv, edit.shape(images))
    hue, saturation, value = (edit.gather(hsv, [at], last) for at in range(3))
    scaled = single.do("Minimum", single.do("Maximum", single.do("Mul", saturation, factor), 0.0), 1.0)
    changed = edit.note(edit.concat([hue, scaled, value], last), edit.shape(images))
    edit.become_identity(edit.cast(edit.add("HSVToRGB", (changed,), T=DType.FLOAT), dtype))


@_rule("RGBToHSV", makes="Max, Min, RealDiv, SelectV2")
def rgb_to_hsv(edit: Edit) -> None:
    """As TensorFlow's kernel computes it (``colorspace_op.h``)."""
    maths, rgb = _maths(edit), edit.input(0)
    last = edit.rank(rgb, "the images") - 1
    red, green, blue = (edit.gather(rgb, [at], last) for at in range(3))
    value = edit.reduce("Max", rgb, [last], keep_dims=True)
    spread = maths.do("Sub", value, edit.reduce("Min", rgb, [last], keep_dims=True))
    grey = maths.do("Equal", spread, 0.0)
    saturation = maths.choose(
        maths.do("Greater", value, 0.0),
        maths.do("RealDiv", spread, maths.choose(maths.do("Greater", value, 0.0), value, 1.0)),
        0.0,
    )
    norm = maths.do("RealDiv", 1 / 6, maths.choose(grey, 1.0, spread))
    of_blue = maths.do("Add", maths.do("Mul", norm, maths.do("Sub", red, green)), 4 / 6)
    of_green = maths.do("Add", maths.do("Mul", norm, maths.do("Sub", blue, red)), 2 / 6)
    of_red = maths.do("Mul", norm, maths.do("Sub", green, blue))
    hue = maths.choose(
        maths.do("Equal", red, value), of_red, maths.choose(maths.do("Equal", green, value), of_green, of_blue)
    )
    hue = maths.choose(maths.do("Greater", spread, 0.0), hue, 0.0)
    hue = maths.choose(maths.do("Less", hue, 0.0), maths.do("Add", hue, 1.0), hue)
    edit.become_identity(edit.concat([hue, saturation, value], last))


@_rule("HSVToRGB", makes="Abs, Minimum, Maximum, Mul")
def hsv_to_rgb(edit: Edit) -> None:
    """As TensorFlow's kernel computes it (``colorspace_op.h``)."""
    maths, hsv = _maths(edit), edit.input(0)
    last = edit.rank(hsv, "the images") - 1
    hue, saturation, value = (edit.gather(hsv, [at], last) for at in range(3))
    sixfold = maths.do("Mul", hue, 6.0)

    def clipped(number: Tensor) -> Tensor:
        return maths.do("Minimum", maths.do("Maximum", number, 0.0), 1.0)

    red = clipped(maths.do("Sub", maths.do("Abs", maths.do("Sub", sixfold, 3.0)), 1.0))
    green = clipped(maths.do("Sub", 2.0, maths.do("Abs", maths.do("Sub", sixfold, 2.0))))
    blue = clipped(maths.do("Sub", 2.0, maths.do("Abs", maths.do("Sub", sixfold, 4.0))))
    paleness = maths.do("Sub", 1.0, saturation)
    channels = [
        maths.do("Mul", maths.do("Add", paleness, maths.do("Mul", saturation, each)), value)
        for each in (red, green, blue)
    ]
    edit.become_identity(edit.concat(channels, last))
