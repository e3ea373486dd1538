"""Comparing the outputs of an exported model with its source's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.compat.tolerance import DEFAULTS, Tolerance, largest, wide
from tfkit.errors import VerdictError
from tfkit.export.report import OutputCheck

# Errors above this part of the largest value are no rounding: the model computes something else.
_ROUNDING = 1e-2
_ROUNDING_HINT = "If such a difference is right for this model, allow it with --atol and --rtol."
_OTHER_MODEL_HINT = (
    "This is no rounding: the model seems to compute something else in a graph than when it is called eagerly. "
    "Compare model(x) with model.predict(x) in Keras: where they differ as well, the model or Keras is at fault."
)


def compare_output(name: str, exported: Array, source: Array, tolerance: Tolerance, *, place: str = "") -> OutputCheck:
    """Compares one output.

    Args:
        name: The output.
        exported: What the exported model gave.
        source: What the source gave on the same inputs.
        tolerance: What floating-point values may differ by; everything else must be equal.
        place: Which inputs these were, for the message.

    Raises:
        VerdictError: They differ.
    """
    if exported.shape != source.shape or exported.dtype != source.dtype:
        raise VerdictError(
            f"output {name!r} is {exported.dtype}{list(exported.shape)} in the exported model and "
            f"{source.dtype}{list(source.shape)} in the source{place}"
        )
    if dtype_of(source) not in DEFAULTS:
        return _compare_exact(name, exported, source, place)
    have, want = exported.astype(wide(source)), source.astype(wide(source))
    with np.errstate(invalid="ignore", over="ignore"):
        same = (have == want) | (np.isnan(have) & np.isnan(want))
        error = np.where(same, 0.0, np.abs(have - want))
        near = np.isfinite(error) & np.isfinite(want) & (error <= tolerance.atol + tolerance.rtol * np.abs(want))
        differs = ~(same | near)
    if differs.any():
        worst = np.unravel_index(int(np.argmax(np.where(differs, np.nan_to_num(error, nan=np.inf), -1.0))), error.shape)
        raise VerdictError(
            f"output {name!r} differs from the source{place}: largest absolute error {error[worst]:.3g} at "
            f"{[int(index) for index in worst]}: the exported model gives {have[worst]:.9g}, "
            f"the source {want[worst]:.9g}; allowed is {tolerance.atol:.3g} + {tolerance.rtol:.3g} * |source|",
            hint=_ROUNDING_HINT if error[worst] <= _ROUNDING * largest(source) else _OTHER_MODEL_HINT,
        )
    return OutputCheck(name, float(np.max(error, initial=0.0)), tolerance)


def merge_checks(checks: Sequence[Mapping[str, OutputCheck]]) -> tuple[OutputCheck, ...]:
    """One entry an output: the largest error over all samples, and the widest tolerance."""
    return tuple(
        OutputCheck(
            name,
            max(check[name].max_abs_error for check in checks),
            Tolerance(
                max(check[name].tolerance.atol for check in checks), max(check[name].tolerance.rtol for check in checks)
            ),
        )
        for name in checks[0]
    )


def _compare_exact(name: str, exported: Array, source: Array, place: str) -> OutputCheck:
    differs = np.asarray(exported != source)
    if differs.any():
        at = tuple(int(index[0]) for index in np.nonzero(np.atleast_1d(differs)))[: source.ndim]
        raise VerdictError(
            f"output {name!r} differs from the source{place} at {list(at)}: the exported model gives {exported[at]!r}, "
            f"the source {source[at]!r}; {dtype_of(source).short_name} must be equal ({int(differs.sum())} of "
            f"{source.size} values are not)"
        )
    return OutputCheck(name, 0.0, Tolerance(0.0, 0.0))
