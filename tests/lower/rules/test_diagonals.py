"""Diagonals other than the main one, on TensorFlows that know that one alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
OLD = (OLDEST, "tensorflow_cpu_1.15")
ALIGNS = ("LEFT_LEFT", "RIGHT_LEFT", "LEFT_RIGHT", "RIGHT_RIGHT")
BANDS = ((0, 0), (1, 1), (-2, -2), (-1, 2), (1, 2), (-2, -1), (0, 1), (-1, 0))


def matrices(*sizes: int) -> np.ndarray:
    return np.arange(1, np.prod(sizes) + 1, dtype="f").reshape(sizes)


def parts(tf, matrix):
    for band in BANDS:
        for align in ALIGNS:
            yield tf.linalg.diag_part(matrix, k=band, align=align, padding_value=-1.0)


def every_part(tf, matrix):
    return [*parts(tf, matrix), tf.linalg.diag_part(matrix, k=1), tf.linalg.trace(matrix)]


def spread(tf, diagonal, band):
    results = [
        tf.linalg.diag(diagonal),
        tf.linalg.diag(diagonal, k=2),
        tf.linalg.diag(diagonal, k=-1, padding_value=7.0),
        tf.linalg.diag(diagonal, num_rows=5),
        tf.linalg.diag(diagonal, num_cols=5, k=1),
        tf.linalg.diag(diagonal, num_rows=3, num_cols=5, padding_value=2.0),
    ]
    return results + [tf.linalg.diag(band, k=(-1, 1), align=align) for align in ALIGNS]


def put_in(tf, matrix, diagonal, band):
    results = [tf.linalg.set_diag(matrix, diagonal), tf.linalg.set_diag(matrix, diagonal[..., 1:], k=-2)]
    results += [tf.linalg.set_diag(matrix, band, k=(-1, 1), align=align) for align in ALIGNS]
    return [*results, tf.eye(tf.shape(matrix)[0], batch_shape=[2])]


@pytest.mark.parametrize("sizes", [(3, 4), (4, 3), (2, 3, 3)], ids=str)
def test_parts(prove: Prove, sizes: tuple[int, ...]):
    prove(every_part, [matrices(*sizes)], shapes=[(None,) * len(sizes)], processors=OLD, inside=len(sizes) == 3)


def test_no_matrices_have_no_parts(prove: Prove):
    prove(every_part, [matrices(0, 3, 4)], [matrices(2, 4, 4)])


def test_matrices_of_diagonals(prove: Prove):
    prove(spread, [matrices(2, 3), matrices(2, 3, 4)], [matrices(0, 3), matrices(1, 3, 3)], processors=OLD)


def test_diagonals_are_put_into_matrices(prove: Prove):
    calls = (
        [matrices(2, 4, 3), matrices(2, 3), matrices(2, 3, 3)],
        [matrices(0, 4, 3), matrices(0, 3), matrices(0, 3, 3)],
    )
    # TensorFlow 2.21 infers a wrong shape from one that is known in part.
    prove(put_in, *calls, shapes=[(None, 4, 3), (None, None), None], processors=OLD)
