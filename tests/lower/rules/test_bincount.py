"""Counting, on TensorFlows that have no DenseBincount."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
ROWS = np.array([[1, 2, 2, 9], [0, 0, 5, 4]])
WEIGHTS = np.array([[1, 2, 3, 4], [0.5, 0, 5, 4]], "f")
PROCESSORS = (OLDEST, "tensorflow_cpu_1.15")
TEXTS = np.array([b"a b a c", b"", b"c c c"], object)


def counts(tf, x):
    return (
        tf.math.bincount(x, minlength=6, maxlength=6, axis=-1),
        tf.math.bincount(x, minlength=6, maxlength=6, axis=-1, binary_output=True, dtype=tf.float32),
        tf.math.bincount(x, minlength=6, maxlength=6),
        tf.math.bincount(tf.cast(x, tf.int32), minlength=6, dtype=tf.int64),
    )


def weighted(tf, x, weights):
    return tf.math.bincount(x, weights, minlength=6, maxlength=6, axis=-1), tf.math.bincount(x, weights, minlength=20)


def raw(tf, x, size, weights):
    """Whether weights were given only the sizes say, when it runs."""
    return tf.raw_ops.DenseBincount(input=x, size=size, weights=weights, binary_output=False)


def of_words(tf, texts):
    words = tf.strings.to_hash_bucket_fast(tf.strings.split(texts), 7)
    return (
        tf.math.bincount(words, minlength=7, maxlength=7, axis=-1, dtype=tf.float32),
        tf.math.bincount(words, minlength=7, maxlength=7, axis=-1, binary_output=True),
        tf.math.bincount(words.to_sparse(), minlength=7, maxlength=7, axis=-1),
        tf.math.bincount(words.to_sparse(), minlength=5, maxlength=5, axis=-1, binary_output=True),
    )


def sparse(tf, x, weights):
    words = tf.RaggedTensor.from_tensor(x)
    results = [
        tf.sparse.bincount(x, axis=-1),
        tf.sparse.bincount(x, minlength=12, axis=-1, binary_output=True),
        tf.sparse.bincount(x, maxlength=5, axis=-1, weights=weights),
        tf.sparse.bincount(tf.reshape(x, [-1]), maxlength=50),
        tf.sparse.bincount(words, axis=-1),
        tf.sparse.bincount(words.to_sparse(), axis=-1, weights=tf.sparse.from_dense(weights + 1)),
    ]
    return [part for each in results for part in (each.indices, each.values, each.dense_shape)]


def test_dense_numbers_are_counted(prove: Prove):
    prove(counts, [ROWS], [np.zeros((0, 4), int)], processors=PROCESSORS)


def test_dense_numbers_are_counted_by_weight(prove: Prove):
    prove(weighted, [ROWS, WEIGHTS], [ROWS[:1], WEIGHTS[1:]])


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64"])
def test_empty_weights_stand_for_ones(prove: Prove, dtype: str):
    shapes = ((None, None), (), (None, None))
    size = np.array(6)
    prove(raw, [ROWS, size, WEIGHTS.astype(dtype)], [ROWS, size, np.zeros((0, 0), dtype)], shapes=shapes)


def test_the_rank_need_not_be_known(prove: Prove):
    none = np.zeros(0, "f")
    prove(raw, [ROWS, np.array(6), none], [ROWS[0], np.array(3), none], shapes=(None, (), (0,)), inside=False)


def test_words_are_counted(prove: Prove):
    prove(of_words, [TEXTS], [TEXTS[:0]], [TEXTS[1:2]], processors=PROCESSORS)


def test_only_what_occurs_is_given(prove: Prove):
    prove(sparse, [ROWS, WEIGHTS], [ROWS[:1], WEIGHTS[:1]], processors=PROCESSORS)
