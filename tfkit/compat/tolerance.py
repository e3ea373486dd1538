"""How far the outputs of two runs of a model may be apart, and whether outputs vary at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.errors import UsageError
from tfkit.tensors import DType

# What two runs of the same float operations in another order may differ by, relative to the largest value.
DEFAULTS = {
    DType.DOUBLE: 1e-8,
    DType.COMPLEX128: 1e-8,
    DType.FLOAT: 1e-5,
    DType.COMPLEX64: 1e-5,
    DType.HALF: 1e-2,
    DType.BFLOAT16: 5e-2,
}
_RTOL_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a value may be from the source's: ``atol + rtol * |source|``."""

    atol: float
    rtol: float


def choose_tolerance(
    source: Array, *, compute_dtype: DType | None = None, atol: float | None = None, rtol: float | None = None
) -> Tolerance:
    """The tolerance for one output.

    Args:
        source: The source's values. By default ``atol`` grows with the largest of them.
        compute_dtype: The half type that the model computes in, whatever the output's own type.
        atol: The user's absolute tolerance.
        rtol: The user's relative tolerance.
    """
    step = DEFAULTS.get(dtype_of(source))
    if step is None:
        return Tolerance(0.0, 0.0)
    if compute_dtype is not None:
        step = max(step, DEFAULTS[compute_dtype])
    return Tolerance(step * largest(source) if atol is None else atol, step * _RTOL_FACTOR if rtol is None else rtol)


def check_tolerance(name: str, value: float | None) -> float | None:
    """A tolerance that the user gave.

    Raises:
        UsageError: It is none.
    """
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} {value} is not possible: expected a number from 0 on")
    return value


def varies(samples: Sequence[Array]) -> bool:
    """Whether any sample differs from the first by more than rounding."""
    first, *others = samples
    return any(other.shape != first.shape or not _alike(first, other) for other in others)


def largest(array: Array) -> float:
    """The largest finite magnitude."""
    values = np.abs(array.astype(wide(array)))
    return float(np.max(values, where=np.isfinite(values), initial=0.0))


def wide(array: Array) -> type[np.generic]:
    """The type to compute differences of an array's values in."""
    return np.complex128 if array.dtype.kind == "c" else np.float64


def _alike(first: Array, other: Array) -> bool:
    if dtype_of(first) not in DEFAULTS:
        return bool(np.array_equal(first, other))
    kind = wide(first)
    return bool(np.allclose(other.astype(kind), first.astype(kind), rtol=1e-6, atol=0.0, equal_nan=True))
