"""The numbers of a comparison."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tfkit.arrays import Array
from tfkit.compat.compare import Limits, OutputResult, compare_outputs
from tfkit.compat.tolerance import Tolerance


def compare(came: object, expected: object, limits: Limits | None = None) -> OutputResult:
    pair = (np.asarray(came), np.asarray(expected))
    return compare_outputs("s", "y", [pair], limits or Limits())


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def test_equal_outputs_pass_with_no_error_at_all() -> None:
    result = compare(floats(1, np.nan, np.inf), floats(1, np.nan, np.inf))
    assert result.passed
    assert result.worst is None
    assert result.finite_alike
    assert result.absolute is not None
    assert result.absolute.largest == 0


def test_the_largest_error_is_found_in_its_case_and_at_its_index() -> None:
    same = np.ones((1, 2), np.float32)
    came, expected = np.ones((3, 2), np.float32), np.ones((3, 2), np.float32)
    came[2, 1] = 1.5
    result = compare_outputs("s", "y", [(same, same), (came, expected)], Limits())
    assert not result.passed
    assert (result.values, result.mismatched) == (8, 1)
    assert result.worst is not None
    assert (result.worst.case, result.worst.index, result.worst.came) == (1, (2, 1), "1.5")
    assert result.absolute is not None
    assert result.absolute.largest == 0.5
    assert result.absolute.mean == pytest.approx(0.5 / 8)
    assert result.absolute.percentiles == (0.0, 0.5, 0.5)


def test_a_large_error_that_is_allowed_is_not_the_worst_beside_a_small_one_that_is_not() -> None:
    limits = Limits(atol=0.0, rtol=1e-3)
    result = compare(floats(1000.5, 0.11), floats(1000.0, 0.1), limits)
    assert result.worst is not None
    assert result.worst.index == (1,)


@pytest.mark.parametrize("came", [floats(1, 0), floats(np.nan, np.inf), floats(np.inf, 1), floats(1, -np.inf)])
def test_nan_and_infinity_have_to_be_where_they_were(came: Array) -> None:
    result = compare(came, floats(np.nan, np.inf) if came[0] == 1 else floats(1, np.inf))
    assert not result.passed
    assert not result.finite_alike
    json.dumps(result.as_dict(), allow_nan=False)


def test_texts_and_whole_numbers_are_equal_or_not() -> None:
    words = np.array([[b"a", b"b"]], object)
    assert compare(words, words).passed
    result = compare(words, np.array([[b"a", b"c"]], object))
    assert (result.passed, result.mismatched, result.absolute) == (False, 1, None)
    assert not compare(np.array([1, 2]), np.array([1, 3])).passed
    assert not compare(np.array([True]), np.array([False])).passed
    assert compare(np.array([2**62 + 1]), np.array([2**62])).mismatched == 1, "which no float can tell apart"


def test_another_shape_or_dtype_is_a_problem_of_its_own() -> None:
    assert compare(floats(1), floats(1, 2)).problem == "case 0: came float32[1], expected float32[2]"
    assert compare(np.array([1.0]), floats(1)).problem == "case 0: came float64[1], expected float32[1]"
    assert not compare(floats(1), floats(1, 2)).passed


def test_scores_tell_how_often_the_best_is_the_same() -> None:
    expected = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    came = expected.copy()
    came[3] = came[3, ::-1]
    assert compare(came, expected).argmax_agreement == 0.75
    assert compare(expected[:, :1], expected[:, :1]).argmax_agreement is None
    assert compare(np.array([[1, 2]]), np.array([[1, 2]])).argmax_agreement is None


def test_errors_are_counted_by_decade() -> None:
    result = compare(floats(1, 1.001, 30), floats(1, 1, 1))
    assert sum(result.histogram) == 3
    assert result.histogram[0] == 1, "no error at all"
    assert result.histogram[-1] == 1, "1 and more"


def test_errors_of_tiny_values_are_relative_to_the_largest() -> None:
    """Else a 1e-20 where the reference has a 0 would be infinitely wrong."""
    result = compare(floats(1, 1e-20), floats(1, 0))
    assert result.passed
    assert result.relative is not None
    assert result.relative.largest < 1e-15


def test_empty_outputs_compare() -> None:
    assert compare(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32)).passed


def test_what_was_allowed_when_the_reference_was_recorded_is_allowed_again() -> None:
    loose = {"y": Tolerance(0.1, 0.0)}
    assert not compare(floats(1.05), floats(1)).passed
    assert compare(floats(1.05), floats(1), Limits(recorded=loose)).passed
    assert not compare(floats(1.05), floats(1), Limits(atol=0.0, rtol=0.0, recorded=loose)).passed
