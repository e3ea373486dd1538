"""Functions of mathematical physics that older TensorFlows lack or have wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.broadcast import broadcast
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule
from tfkit.tensors import DType

# Rational approximations of the normal distribution's quantiles, as Eigen has them (S. Moshier, Cephes, ndtri.c): near
# the middle, in the tails, and far out. The numerators and the denominators, the highest power first.
_MIDDLE = (
    (-59.9633501014107895267, 98.0010754185999661536, -56.6762857469070293439, 13.9312609387279679503,
     -1.23916583867381258016),
    (1.0, 1.95448858338141759834, 4.67627912898881538453, 86.3602421390890590575, -225.462687854119370527,
     200.260212380060660359, -82.0372256168333339912, 15.9056225126211695515, -1.18331621121330003142),
)  # fmt: skip
_TAIL = (
    (4.05544892305962419923, 31.5251094599893866154, 57.1628192246421288162, 44.0805073893200834700,
     14.6849561928858024014, 2.18663306850790267539, -0.140256079171354495875, -0.0350424626827848203418,
     -8.57456785154685413611e-4),
    (1.0, 15.7799883256466749731, 45.3907635128879210584, 41.3172038254672030440, 15.0425385692907503408,
     2.50464946208309415979, -0.142182922854787788574, -0.0380806407691578277194, -9.33259480895457427372e-4),
)  # fmt: skip
_FAR = (
    (3.23774891776946035970, 6.91522889068984211695, 3.93881025292474443415, 1.33303460815807542389,
     0.201485389549179081538, 0.0123716634817820021358, 3.01581553508235416007e-4, 2.65806974686737550832e-6,
     6.23974539184983293730e-9),
    (1.0, 6.02427039364742014255, 3.67983563856160859403, 1.37702099489081330271, 0.216236993594496635890,
     0.0134204006088543189037, 3.28014464682127739104e-4, 2.89247864745380683936e-6, 6.79019408009981274425e-9),
)  # fmt: skip
_EDGE = math.exp(-2)  # of the middle
_FAR_OUT = 8.0


_RIGHT_SINE = (1, 14)
_SINE_IS_RIGHT_TO = 1e5  # at 1e6 the sine of a CPU's float32 is 0.03 off in TensorFlow 1.12, at 1e9 it is -26455


def _may_be_large(edit: Edit) -> bool:
    x, is_old_cpu = edit.input(0), edit.target.version < _RIGHT_SINE and not edit.target.gpu
    return is_old_cpu and edit.dtype(x) is DType.FLOAT and not _is_clipped(edit, x)


def _is_clipped(edit: Edit, x: Tensor) -> bool:
    ends = [edit.value(end) for end in x.node.inputs[1:]] if x.node.op == "ClipByValue" else [None]
    return all(end is not None and (abs(end) <= _SINE_IS_RIGHT_TO).all() for end in ends)


@rule("Sin", makes="itself in float64, where a number is large", wanted=_may_be_large)
def sine(edit: Edit) -> None:
    """Looks at the numbers first: small ones take 40 times as long in float64."""
    x = edit.input(0)
    size = edit.add("Abs", (x,), T=DType.FLOAT)
    is_small = edit.binary("LessEqual", size, edit.const(_SINE_IS_RIGHT_TO, DType.FLOAT))
    all_small = edit.add("All", (edit.reshape(is_small, [-1]), edit.const([0])), Tidx=DType.INT32, keep_dims=False)

    def as_it_is(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        ends = [inside.const(end, DType.FLOAT) for end in (-_SINE_IS_RIGHT_TO, _SINE_IS_RIGHT_TO)]
        known = inside.add("ClipByValue", (tensors[0], *ends), T=DType.FLOAT)  # so that it is known to be small
        return [inside.add("Sin", (known,), T=DType.FLOAT)]

    def in_double(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        wide = inside.cast(tensors[0], DType.DOUBLE)
        return [inside.cast(inside.add("Sin", (wide,), T=DType.DOUBLE), DType.FLOAT)]

    edit.become_identity(edit.choose(all_small, [x], [DType.FLOAT], as_it_is, in_double)[0])


@rule("Ndtri", makes="rational approximations", misfit="op")
def quantile(edit: Edit) -> None:
    """Computed in doubles and rounded once."""
    edit.become_identity(_in_double(edit, _ndtri))


@rule("Erfinv", makes="rational approximations", misfit="op")
def erfinv(edit: Edit) -> None:
    """A quantile of the normal distribution, scaled, as Eigen computes it."""
    edit.become_identity(_in_double(edit, _erfinv))


@rule("BesselI0", "BesselI1", makes="the scaled one, times Exp", misfit="op")
def bessel(edit: Edit) -> None:
    """The scaled ones are theirs, times the exponential of minus the size."""
    x, dtype = edit.input(0), edit.dtype(edit.input(0))
    maths = Formulas(edit, dtype)
    scaled = maths.do(f"{edit.node.op}e", x)
    edit.become("Mul", (scaled, maths.do("Exp", maths.do("Abs", x))), T=dtype)


def _in_double(edit: Edit, function: Callable[[Formulas, Tensor], Tensor]) -> Tensor:
    x = edit.input(0)
    return edit.cast(function(Formulas(edit, DType.DOUBLE), edit.cast(x, DType.DOUBLE)), edit.dtype(x))


def _erfinv(maths: Formulas, x: Tensor) -> Tensor:
    probability = maths.do("Add", maths.do("Mul", x, 0.5), 0.5)
    return maths.do("Mul", _ndtri(maths, probability), math.sqrt(0.5))


def _ndtri(maths: Formulas, probability: Tensor) -> Tensor:
    is_upper = maths.do("Greater", probability, 1 - _EDGE)
    lower = maths.choose(is_upper, maths.do("Sub", 1.0, probability), probability)
    in_middle = maths.do("Greater", lower, _EDGE)
    centred = maths.do("Sub", lower, 0.5)
    square = maths.do("Mul", centred, centred)
    curve = maths.do("Mul", maths.do("Mul", centred, square), _ratio(maths, square, _MIDDLE))
    middle = maths.do("Mul", maths.do("Add", centred, curve), math.sqrt(2 * math.pi))
    # Where it is not chosen the logarithm is taken of something harmless.
    x = maths.do("Sqrt", maths.do("Mul", maths.do("Log", maths.choose(in_middle, _EDGE, lower)), -2.0))
    inverse = maths.do("RealDiv", 1.0, x)
    ratio = maths.choose(maths.do("Less", x, _FAR_OUT), _ratio(maths, inverse, _TAIL), _ratio(maths, inverse, _FAR))
    logarithm = maths.do("RealDiv", maths.do("Log", x), x)
    tail = maths.do("Sub", maths.do("Sub", x, logarithm), maths.do("Mul", inverse, ratio))
    signed = maths.choose(is_upper, tail, maths.do("Neg", tail))
    result = maths.choose(in_middle, middle, signed)
    endless = maths.choose(maths.do("LessEqual", probability, 0.0), -math.inf, math.inf)
    at_end = maths.do("LessEqual", lower, 0.0)
    beyond = maths.do("Less", lower, 0.0)
    return maths.choose(beyond, math.nan, maths.choose(at_end, endless, result))


def _ratio(maths: Formulas, x: Tensor, factors: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    return maths.do("RealDiv", *(maths.polynomial(x, each) for each in factors))


@rule("NextAfter", makes="Bitcast, Add", misfit="op")
def next_after(edit: Edit) -> None:
    """Floats of one sign follow each other as the integers with the same bits do."""
    (x, towards), dtype = edit.node.inputs, edit.dtype(edit.input(0))
    whole = DType.INT32 if dtype is DType.FLOAT else DType.INT64
    sign_bit = -(2**31) if whole is DType.INT32 else -(2**63)
    x, towards = broadcast(edit, (x, towards))
    floats, integers = Formulas(edit, dtype), Formulas(edit, whole)
    bits = edit.add("Bitcast", (x,), T=dtype, type=whole)
    up, positive = (edit.cast(floats.do("Less", *each), whole) for each in ((x, towards), (0.0, x)))
    # The size grows if both are so or neither is.
    stepped = integers.do("Add", bits, integers.choose(integers.do("Equal", up, positive), 1, -1))
    from_zero = integers.choose(floats.do("Less", 0.0, towards), 1, sign_bit + 1)
    moved = integers.choose(floats.do("Equal", x, 0.0), from_zero, stepped)
    neighbour = edit.add("Bitcast", (moved,), T=whole, type=dtype)
    total = floats.do("Add", x, towards)
    result = floats.choose(floats.do("Equal", x, towards), towards, neighbour)
    edit.become("SelectV2", (edit.add("IsNan", (total,), T=dtype), total, result), T=dtype)
