"""Functions of one number or two."""

from __future__ import annotations

import math
from collections.abc import Callable

from tfkit.export.onnx.rules.registry import formulas, onnx_rule
from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.tensors import DType

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
# Lanczos's approximation of the gamma function, as Eigen and TensorFlow's XLA have it (g = 7, nine terms).
_LANCZOS_G = 7.0
_LANCZOS_FIRST = 0.99999999999980993227684700473478
_LANCZOS = (
    676.520368121885098567009190444019, -1259.13921672240287047156078755283, 771.3234287776530788486528258894,
    -176.61502916214059906584551354, 12.507343278686904814458936853, -0.13857109526572011689554707,
    9.984369578019570859563e-6, 1.50563273514931155834e-7,
)  # fmt: skip


@onnx_rule("Erfc", makes="Erf, or what is left for large numbers")
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


@onnx_rule("Erf", makes="quotients of polynomials", wanted=lambda edit: edit.dtype(edit.input(0)) is DType.DOUBLE)
def erf(edit: Edit) -> None:
    """Of doubles, which ONNX Runtime has no ``Erf`` of."""
    maths, x = formulas(edit), edit.input(0)
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


@onnx_rule("Expm1", makes="Tanh near 0, Exp elsewhere")
def expm1(edit: Edit) -> None:
    """``2 t / (1 - t)`` with ``t = tanh(x / 2)``, which loses no digits where ``exp(x)`` is nearly 1."""
    maths, x = formulas(edit), edit.input(0)
    near = maths.choose(maths.do("Less", maths.do("Abs", x), 1.0), x, 0.5)
    t = maths.do("Tanh", maths.do("Mul", near, 0.5))
    small = maths.do("RealDiv", maths.do("Add", t, t), maths.do("Sub", 1.0, t))
    large = maths.do("Sub", maths.do("Exp", x), 1.0)
    edit.become_identity(maths.choose(maths.do("Less", maths.do("Abs", x), 1.0), small, large))


@onnx_rule("Log1p", makes="Log, corrected by the rounding of 1 + x")
def log1p(edit: Edit) -> None:
    """``log(1 + x)`` times ``x`` over what was really added to 1 (W. Kahan)."""
    maths, x = formulas(edit), edit.input(0)
    edit.become_identity(_log1p(maths, x))


def _log1p(maths: Formulas, x: Tensor) -> Tensor:
    one_more = maths.do("Add", x, 1.0)
    added = maths.do("Sub", one_more, 1.0)
    is_lost = maths.do("Equal", added, 0.0)
    corrected = maths.do("Mul", maths.do("Log", one_more), maths.do("RealDiv", x, maths.choose(is_lost, 1.0, added)))
    # From 2 on nothing is lost, and infinities stay what they are.
    plain = maths.choose(maths.do("Greater", x, 2.0), maths.do("Log", one_more), corrected)
    return maths.choose(is_lost, x, plain)


@onnx_rule("Xlogy", makes="Log, Mul, SelectV2")
def xlogy(edit: Edit) -> None:
    """0 where ``x`` is, whatever the logarithm."""
    _unless_zero(edit, lambda maths, x, y: maths.do("Mul", x, maths.do("Log", y)))


@onnx_rule("Xdivy", makes="RealDiv, SelectV2")
def xdivy(edit: Edit) -> None:
    """0 where ``x`` is, whatever it is divided by."""
    _unless_zero(edit, lambda maths, x, y: maths.do("RealDiv", x, y))


@onnx_rule("Xlog1py", makes="Log, Mul, SelectV2")
def xlog1py(edit: Edit) -> None:
    """0 where ``x`` is, whatever the logarithm."""
    _unless_zero(edit, lambda maths, x, y: maths.do("Mul", x, _log1p(maths, y)))


@onnx_rule("MulNoNan", makes="Mul, SelectV2")
def mul_no_nan(edit: Edit) -> None:
    """0 where the second factor is, whatever the first."""
    maths, (x, y) = formulas(edit), edit.node.inputs
    product = maths.do("Mul", x, y)
    zero = maths.do("ZerosLike", product)
    edit.become_identity(maths.choose(maths.do("Equal", y, 0.0), zero, product))


def _unless_zero(edit: Edit, function: Callable[[Formulas, Tensor, Tensor], Tensor]) -> None:
    maths, (x, y) = formulas(edit), edit.node.inputs
    result = function(maths, x, y)
    edit.become_identity(maths.choose(maths.do("Equal", x, 0.0), maths.do("ZerosLike", result), result))


@onnx_rule("Lgamma", makes="Lanczos's approximation")
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


@onnx_rule("Digamma", makes="the derivative of Lanczos's approximation")
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
