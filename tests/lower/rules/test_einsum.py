"""``tfkit.lower.rules.einsum``: sums of products along named axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(3)
SIZES = {"b": 2, "i": 3, "j": 4, "k": 5, "d": 3, "h": 2}


def attention(tf: Any, x: Any, projection: Any) -> Any:
    heads = tf.einsum("abc,cde->abde", x, projection)
    scores = tf.einsum("aecd,abcd->acbe", heads, heads)
    return tf.einsum("acbe,aecd->abcd", scores, heads)


def test_attention(prove: Prove) -> None:
    calls = [(RANDOM.random((rows, words, 6), np.float32), RANDOM.random((6, 2, 4), np.float32))
             for rows, words in ((1, 5), (3, 2))]  # fmt: skip
    assert prove(attention, *calls, processors=["tensorflow_cpu_1.12", "tensorflow_cpu_1.14"], tolerance=1e-5)


EQUATIONS = [
    "bi,ij->bj", "bi,ij", "bij->bji", "bij->b", "ij,ij->", "i,j->ij",
    "ii->i", "bii->b", "iij,j->i", "iii->i", "i->ii", "bij,j->bi", "bij,bik->jk", "bij,k->k", "bij,bij->bij",
]  # fmt: skip


def all_equations(tf: Any, *operands: Any) -> Any:
    """Every equation of the operands that it can take: they follow each other."""
    results, given = [], list(operands)
    for equation in EQUATIONS:
        count = equation.partition("->")[0].count(",") + 1
        results.append(
            tf.raw_ops.Einsum(inputs=given[:count], equation=equation if "->" in equation else equation + "->bj")
        )
        del given[:count]
    return results


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "complex64"])
@pytest.mark.parametrize("known", [True, False])
def test_equations(prove: Prove, dtype: str, known: bool) -> None:
    terms = [term for equation in EQUATIONS for term in equation.partition("->")[0].split(",")]
    call = [(RANDOM.random([SIZES[letter] for letter in term]) * 5).astype(dtype) for term in terms]
    shapes = [array.shape if known else (None,) * array.ndim for array in call]
    tolerance = 0.0 if dtype.startswith("int") else 1e-5
    prove(all_equations, call, shapes=shapes, tolerance=tolerance, inside=not known)


def spread(tf: Any, x: Any, y: Any, z: Any) -> Any:
    return (
        tf.einsum("...ij,...jk->...ik", x, y),
        tf.einsum("...ij,j->...i", x, z),
        tf.einsum("i...j,j->...i", x, z),
        tf.einsum("...i,...i->...", x, z),
        tf.einsum("...i->...", x),
    )


def spread_far(tf: Any, x: Any, y: Any) -> Any:
    return tf.einsum("...ij,...jk->...ik", x, y)


def test_an_ellipsis_of_many_axes_is_broadcast(prove: Prove) -> None:
    x, y = RANDOM.random((2, 1, 2, 1, 3, 4), np.float32), RANDOM.random((1, 3, 1, 2, 4, 5), np.float32)
    prove(spread_far, (x, y), (x[:1], y), tolerance=1e-5)


def test_an_ellipsis_is_broadcast(prove: Prove) -> None:
    calls = [
        (
            RANDOM.random((2, rows, 3, 4), np.float32),
            RANDOM.random((5, 4, 2), np.float32)[:more],
            RANDOM.random(4, np.float32),
        )
        for rows, more in ((1, 5), (5, 1), (5, 5))
    ]
    prove(spread, *calls, tolerance=1e-5)
