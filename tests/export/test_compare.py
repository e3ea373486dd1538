"""What counts as the same output."""

import ml_dtypes
import numpy as np
import pytest

from tfkit.compat.tolerance import Tolerance, choose_tolerance, varies
from tfkit.errors import VerdictError
from tfkit.export.compare import compare_output
from tfkit.tensors import DType

EXACT = Tolerance(0.0, 0.0)


def test_the_largest_error_is_reported():
    check = compare_output("y", np.float32([1.0, 2.25]), np.float32([1.0, 2.0]), Tolerance(0.5, 0.0))
    assert (check.name, check.max_abs_error) == ("y", 0.25)


def test_a_difference_names_the_place_both_values_and_the_tolerance():
    with pytest.raises(VerdictError) as error:
        compare_output(
            "y", np.float32([[1, 2], [3, 4.5]]), np.float32([[1, 2], [3, 4]]), Tolerance(0.1, 0.01), place=" (here)"
        )
    assert error.value.message == (
        "output 'y' differs from the source (here): largest absolute error 0.5 at [1, 1]: "
        "the exported model gives 4.5, the source 4; allowed is 0.1 + 0.01 * |source|"
    )


@pytest.mark.parametrize(
    ("have", "want"),
    [
        ([np.nan, 1], [np.nan, 1]),
        ([np.inf, -np.inf], [np.inf, -np.inf]),
        ([], []),
    ],
)
def test_nans_and_infinities_in_the_same_places_are_equal(have, want):
    assert compare_output("y", np.float32(have), np.float32(want), EXACT).max_abs_error == 0


@pytest.mark.parametrize(("have", "want"), [(np.nan, 1), (1, np.nan), (np.inf, 1), (1, np.inf), (np.inf, -np.inf)])
def test_a_nan_or_infinity_on_one_side_differs(have, want):
    with pytest.raises(VerdictError, match="differs"):
        compare_output("y", np.float32([0, have]), np.float32([0, want]), Tolerance(1e9, 0.1))


@pytest.mark.parametrize(
    ("have", "want"),
    [
        (np.int64([1, 2]), np.int64([1, 3])),
        (np.array([True, False]), np.array([True, True])),
        (np.array([b"a", b"b"], dtype=object), np.array([b"a", b"c"], dtype=object)),
        (np.array(b"a", dtype=object), np.array(b"c", dtype=object)),
    ],
)
def test_whole_numbers_booleans_and_texts_must_be_equal(have, want):
    assert compare_output("y", want, want, EXACT).max_abs_error == 0
    with pytest.raises(VerdictError, match="must be equal"):
        compare_output("y", have, want, Tolerance(10, 10))


@pytest.mark.parametrize("have", [np.zeros((2, 1), np.float32), np.zeros(2, np.float64)])
def test_another_shape_or_dtype_differs(have):
    with pytest.raises(VerdictError, match=r"in the source"):
        compare_output("y", have, np.zeros(2, np.float32), EXACT)


def test_halves_are_compared_in_a_wider_type():
    want = np.array([1000.0], dtype=ml_dtypes.bfloat16)
    have = np.array([1008.0], dtype=ml_dtypes.bfloat16)
    assert compare_output("y", have, want, Tolerance(10, 0)).max_abs_error == 8


def test_the_default_tolerance_follows_type_and_size():
    assert choose_tolerance(np.float32([1, 0.5])) == Tolerance(1e-5, 1e-4)
    assert choose_tolerance(np.float32([1e-9])).atol == pytest.approx(1e-14)
    assert choose_tolerance(np.float32([-200, np.inf])).atol == pytest.approx(2e-3)
    assert choose_tolerance(np.float64([1])).atol < choose_tolerance(np.float16([1])).atol
    assert choose_tolerance(np.float32([1]), compute_dtype=DType.HALF) == choose_tolerance(np.float16([1]))
    assert choose_tolerance(np.int32([5])) == EXACT
    assert choose_tolerance(np.float32([1]), atol=0.0, rtol=0.5) == Tolerance(0.0, 0.5)


def test_rounding_is_no_variation():
    assert not varies([np.float32([1, np.nan]), np.float32([1 + 2e-7, np.nan])])
    assert varies([np.float32([1]), np.float32([1.001])])
    assert varies([np.array([b"a"], dtype=object), np.array([b"b"], dtype=object)])
