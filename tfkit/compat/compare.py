"""How one output of a model in a runtime compares with the reference, in numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.compat.tolerance import DEFAULTS, Tolerance, choose_tolerance, largest, wide
from tfkit.tensors import DType

PERCENTILES = (50, 90, 99)
# The lowest decade of the histogram of relative errors, and the first above its highest: 1e-9 and less to 1 and more.
DECADES = (-9, 1)
# Values below this part of the largest count as large as that, when an error is made relative.
_SMALL = 1e-3
_MOST_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class Where:
    """The place of the largest error.

    Attributes:
        case: The number of the case among all, from 0.
        what: What the case is called.
        index: The index in the output.
        came: The value there, as text.
        expected: What the reference has there.
    """

    case: int
    what: str
    index: tuple[int, ...]
    came: str
    expected: str


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of an output, absolute or relative.

    Attributes:
        largest: The largest.
        mean: Their mean.
        percentiles: Those of ``PERCENTILES``.
    """

    largest: float
    mean: float
    percentiles: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """The errors as JSON has them: ``null`` stands for an infinite one, which JSON cannot hold."""
        named = {"max": self.largest, "mean": self.mean}
        named |= {f"p{share}": value for share, value in zip(PERCENTILES, self.percentiles, strict=True)}
        return {name: value if math.isfinite(value) else None for name, value in named.items()}


@dataclass(frozen=True, slots=True)
class OutputResult:
    """How an output compares with the reference over all cases of a signature.

    Attributes:
        signature: The signature.
        name: The output.
        dtype: Its data type.
        problem: Why there is nothing to compare: another shape, another dtype; empty otherwise.
        values: How many values were compared.
        mismatched: How many of them differ by more than is allowed.
        absolute: Absolute errors; ``None`` for texts.
        relative: Errors relative to the reference's value; ``None`` for texts.
        worst: Where the largest excess over what is allowed is, or the largest error; ``None`` if all are equal.
        finite_alike: Whether NaN and infinities are where the reference has them.
        argmax_agreement: The share of rows whose largest value is at the same place; ``None`` where the output does not
            look like scores.
        tolerance: What was allowed, the widest of all cases.
        histogram: How many relative errors are in each decade of ``DECADES``; the first has the zeros as well.
    """

    signature: str
    name: str
    dtype: DType
    problem: str
    values: int
    mismatched: int
    absolute: Errors | None
    relative: Errors | None
    worst: Where | None
    finite_alike: bool
    argmax_agreement: float | None
    tolerance: Tolerance
    histogram: tuple[int, ...]

    @property
    def passed(self) -> bool:
        """Whether the output is the reference's."""
        return not self.problem and not self.mismatched

    @property
    def difference(self) -> str:
        """How it differs, in a sentence; empty where it does not by more than is allowed."""
        name = f"output {self.name!r} of {self.signature!r}"
        if self.passed or self.problem:
            return f"{name}: {self.problem}" if self.problem else ""
        where = ""
        if (worst := self.worst) is not None:
            where = f"; worst in {worst.what} at {list(worst.index)}: came {worst.came}, expected {worst.expected}"
        allowed = f"{self.tolerance.atol:.3g} + {self.tolerance.rtol:.3g} * |reference|"
        return f"{name}: {self.mismatched} of {self.values} values differ by more than {allowed}{where}"

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON has it."""
        return {
            "signature": self.signature,
            "name": self.name,
            "dtype": self.dtype.proto_name,
            "passed": self.passed,
            "problem": self.problem,
            "values": self.values,
            "mismatched": self.mismatched,
            "mismatched_share": self.mismatched / self.values if self.values else 0.0,
            "absolute": self.absolute.as_dict() if self.absolute is not None else None,
            "relative": self.relative.as_dict() if self.relative is not None else None,
            "worst": None
            if self.worst is None
            else {
                "case": self.worst.case,
                "what": self.worst.what,
                "index": list(self.worst.index),
                "came": self.worst.came,
                "expected": self.worst.expected,
            },
            "finite_alike": self.finite_alike,
            "argmax_agreement": self.argmax_agreement,
            "atol": self.tolerance.atol,
            "rtol": self.tolerance.rtol,
            "histogram": list(self.histogram),
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """What floating-point outputs may differ by; ``None``: the default of their type.

    Attributes:
        atol: Absolute.
        rtol: Relative to the reference.
        compute_dtype: The half type that the model computes in.
        recorded: What was allowed when the reference was recorded, by output: at least as much is allowed now.
    """

    atol: float | None = None
    rtol: float | None = None
    compute_dtype: DType | None = None
    recorded: Mapping[str, Tolerance] = field(default_factory=dict)

    def tolerance(self, name: str, expected: Array) -> Tolerance:
        """What an output may differ by."""
        chosen = choose_tolerance(expected, compute_dtype=self.compute_dtype, atol=self.atol, rtol=self.rtol)
        recorded = self.recorded.get(name, chosen)
        return Tolerance(
            max(chosen.atol, recorded.atol) if self.atol is None else chosen.atol,
            max(chosen.rtol, recorded.rtol) if self.rtol is None else chosen.rtol,
        )


@dataclass(slots=True)
class _Part:
    """The comparison of one case."""

    absolute: Array
    relative: Array
    beyond: Array
    came: Array
    expected: Array


def compare_outputs(
    signature: str,
    name: str,
    pairs: Sequence[tuple[Array, Array]],
    limits: Limits,
    cases: Sequence[tuple[int, str]] = (),
) -> OutputResult:
    """Compares what a runtime gave for an output with the reference.

    Args:
        signature: The signature.
        name: The output.
        pairs: For each case what came, and what was expected.
        limits: What counts as the same.
        cases: The number and the name of each case; by default they are counted.
    """
    cases = cases or [(number, f"case {number}") for number in range(len(pairs))]
    expected = [want for _, want in pairs]
    dtype = dtype_of(expected[0])
    allowed = [limits.tolerance(name, want) for want in expected]
    widest = Tolerance(max(each.atol for each in allowed), max(each.rtol for each in allowed))
    for (came, want), (_, what) in zip(pairs, cases, strict=True):
        if came.shape != want.shape or dtype_of(came) is not dtype_of(want):
            problem = (
                f"{what}: came {dtype_of(came).short_name}{list(came.shape)}, "
                f"expected {dtype_of(want).short_name}{list(want.shape)}"
            )
            return OutputResult(signature, name, dtype, problem, 0, 0, None, None, None, True, None, widest, ())
    parts = [_compare(came, want, each) for (came, want), each in zip(pairs, allowed, strict=True)]
    numeric = dtype is not DType.STRING
    relative = np.concatenate([part.relative.reshape(-1) for part in parts])
    return OutputResult(
        signature,
        name,
        dtype,
        "",
        sum(part.beyond.size for part in parts),
        sum(int(part.beyond.sum()) for part in parts),
        _errors(np.concatenate([part.absolute.reshape(-1) for part in parts])) if numeric else None,
        _errors(relative) if numeric else None,
        _worst(parts, cases),
        all(_finite_alike(came, want) for came, want in pairs),
        _argmax_agreement(pairs),
        widest,
        _histogram(relative),
    )


def _compare(came: Array, expected: Array, tolerance: Tolerance) -> _Part:
    if expected.dtype.names is not None:  # quantized: the whole numbers inside
        came, expected = came[came.dtype.names[0]], expected[expected.dtype.names[0]]  # type: ignore[index]
    if expected.dtype == object:
        differs = np.asarray(came != expected, dtype=np.bool_).reshape(expected.shape)
        error = differs.astype(np.float64)
        return _Part(error, error, differs, came, expected)
    kind = wide(expected)
    have, want = came.astype(kind), expected.astype(kind)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        same = (have == want) | (np.isnan(have) & np.isnan(want))
        absolute = np.where(same, 0.0, np.abs(have - want))
        absolute = np.where(np.isnan(absolute), np.inf, absolute)  # a number where the other has none
        size = np.maximum(np.abs(want), max(largest(expected) * _SMALL, np.finfo(np.float64).tiny))
        relative = np.where(same, 0.0, absolute / np.where(np.isfinite(size), size, 1.0))
        near = np.isfinite(want) & (absolute <= tolerance.atol + tolerance.rtol * np.abs(want))
    exact = dtype_of(expected) not in DEFAULTS
    return _Part(absolute, relative, np.asarray(came != expected) if exact else ~(same | near), came, expected)


def _errors(values: Array) -> Errors:
    if not values.size:
        return Errors(0.0, 0.0, tuple(0.0 for _ in PERCENTILES))
    shares = np.percentile(values, PERCENTILES, method="higher")
    return Errors(float(values.max()), float(values.mean()), tuple(map(float, shares)))


def _worst(parts: Iterable[_Part], cases: Iterable[tuple[int, str]]) -> Where | None:
    """The largest error among the values beyond what is allowed, or among all if there are none."""
    found: tuple[bool, float, Where] | None = None
    for (number, what), part in zip(cases, parts, strict=True):
        if not part.absolute.size or not (part.absolute.any() or part.beyond.any()):
            continue
        for beyond in (True, False):
            errors = np.where(part.beyond, part.absolute, -1.0) if beyond else part.absolute
            index = tuple(map(int, np.unravel_index(int(np.argmax(errors)), errors.shape)))
            if errors[index] >= 0 and (not beyond or part.beyond[index]):
                where = Where(number, what, index, str(part.came[index]), str(part.expected[index]))
                if found is None or (beyond, float(errors[index])) > found[:2]:
                    found = (beyond, float(errors[index]), where)
    return None if found is None else found[2]


def _finite_alike(came: Array, expected: Array) -> bool:
    if dtype_of(expected) not in DEFAULTS:
        return True
    have, want = came.astype(wide(expected)), expected.astype(wide(expected))
    return bool(
        np.array_equal(np.isnan(have), np.isnan(want))
        and np.array_equal(have[np.isinf(have)], want[np.isinf(have)])
        and np.array_equal(np.isinf(have), np.isinf(want))
    )


def _argmax_agreement(pairs: Sequence[tuple[Array, Array]]) -> float | None:
    first = pairs[0][1]
    if first.ndim != 2 or not 2 <= first.shape[1] <= _MOST_CLASSES or not dtype_of(first).is_float:
        return None
    rows = [came.argmax(axis=1) == want.argmax(axis=1) for came, want in pairs if want.ndim == 2 and want.size]
    return float(np.concatenate(rows).mean()) if rows else None


def _histogram(relative: Array) -> tuple[int, ...]:
    low, high = DECADES
    with np.errstate(divide="ignore"):
        decades = np.floor(np.log10(relative))
    # Infinity and nothing at all go where the largest and the smallest go.
    places = np.clip(np.nan_to_num(decades, neginf=low, posinf=high - 1), low, high - 1).astype(np.int64) - low
    return tuple(map(int, np.bincount(places.reshape(-1), minlength=high - low)))
