"""Ragged tensors, on TensorFlows that cannot pad them or do not know them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
TEXTS = np.array([b"a b,c a;c", b"", b"c c;d,e f g;h"], object)
OLD = (OLDEST, "tensorflow_cpu_1.14")
NUMBERS = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]], "f")
ROWS = np.array([0, 0, 2, 3])


def padded(tf, texts):
    words = tf.strings.split(texts)
    return (
        words.to_tensor(),
        words.to_tensor("-"),
        words.to_tensor(shape=[None, 2]),
        words.to_tensor(shape=[2, 4]),
        words.to_tensor("?", shape=[5, None]),
    )


def padded_twice(tf, texts):
    parts = tf.strings.split(tf.strings.split(texts, ";"), ",")
    letters = tf.strings.bytes_split(parts)
    return parts.to_tensor(), parts.to_tensor("-", shape=[None, 1, 3]), letters.to_tensor(shape=[None, None, 2, 4])


def padded_by_rows(tf, values, rows):
    one = tf.RaggedTensor.from_value_rowids(values, rows, nrows=5)
    two = tf.RaggedTensor.from_value_rowids(one, tf.constant([0, 2, 2, 2, 4], tf.int64), nrows=6)
    return one.to_tensor(), one.to_tensor([1.0, 2, 3]), two.to_tensor(-1.0), two.to_tensor(shape=[4, 2, 2, 3])


def sparse(tf, texts, values, rows):
    ragged = tf.RaggedTensor.from_value_rowids(values, rows, nrows=5)
    results = [tf.strings.split(texts).to_sparse(), ragged.to_sparse()]
    results.append(tf.strings.split(tf.strings.split(texts, ";"), ",").to_sparse())
    return [part for each in results for part in (each.indices, each.values, each.dense_shape)]


def ranges(tf, starts, limits):
    floats = tf.ragged.range(tf.cast(starts, tf.float32), tf.cast(limits, tf.float32), 0.25)
    results = [tf.ragged.range(starts, limits), tf.ragged.range(limits, starts, -2), tf.ragged.range(limits), floats]
    results.append(tf.ragged.range(starts, tf.cast(limits, tf.int64), 3, row_splits_dtype=tf.int32))
    return [part for each in results for part in (each.values, each.row_splits)]


def gathered(tf, texts, which):
    words = tf.strings.split(texts)
    parts = tf.strings.split(tf.strings.split(texts, ";"), ",")
    both = [tf.gather(words, which[0]), tf.gather(parts, which[1]), tf.gather(words, which), tf.gather(parts, which)]
    return [part for each in both for part in (each.flat_values, *each.nested_row_splits)]


def filled(tf, values, rows):
    results = tf.raw_ops.RaggedFillEmptyRows(
        value_rowids=rows, values=values[:, 0], nrows=tf.constant(6, tf.int64), default_value=-1.0
    )
    return list(results)


def test_words_are_padded_and_cut(prove: Prove):
    prove(padded, [TEXTS], [TEXTS[:0]], [TEXTS[1:2]], processors=OLD)


def test_rows_of_rows_are_padded_and_cut(prove: Prove):
    prove(padded_twice, [TEXTS], [TEXTS[:0]], [TEXTS[1:2]], processors=OLD)


def test_rows_of_vectors_are_padded_and_cut(prove: Prove):
    prove(padded_by_rows, [NUMBERS, ROWS], [NUMBERS[:0], ROWS[:0]], processors=OLD)


def test_ragged_becomes_sparse(prove: Prove):
    prove(sparse, [TEXTS, NUMBERS, ROWS], [TEXTS[:0], NUMBERS[:0], ROWS[:0]])


def test_ranges_of_several_lengths(prove: Prove):
    numbers = np.array([1, 5, 2, 0], "i"), np.array([4, 2, 2, 7], "i")
    prove(ranges, numbers, [each[:0] for each in numbers])


def test_rows_are_gathered(prove: Prove):
    which = np.array([[0, 2, 2], [2, 1, 0]])
    prove(gathered, [TEXTS, which], [TEXTS, which[:, :0]])


def test_empty_rows_are_filled(prove: Prove):
    prove(filled, [NUMBERS, ROWS], [NUMBERS[:0], ROWS[:0]], processors=(OLDEST, "tensorflow_cpu_2.7"))
