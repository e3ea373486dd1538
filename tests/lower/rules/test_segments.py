"""Sums over segments whose numbers are int64, on TensorFlow 1."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
VALUES = np.arange(12, dtype="f").reshape(4, 3)
INDICES, SEGMENTS = np.array([0, 3, 1, 1]), np.array([0, 0, 2, 3])


def sums(tf, values, indices, segments):
    results = [
        function(values, chosen, numbers)
        for function in (tf.sparse.segment_sum, tf.sparse.segment_mean, tf.sparse.segment_sqrt_n)
        for chosen, numbers in ((indices, segments), (tf.cast(indices, tf.int32), segments))
    ]
    results += [tf.sparse.segment_mean(values, indices, tf.cast(segments, tf.int32), num_segments=6)]
    return [*results, tf.sparse.segment_sum(values, indices, segments, num_segments=tf.constant(7, tf.int64))]


def looked_up(tf, values, indices):
    rows = tf.RaggedTensor.from_row_lengths(indices, [0, 1, tf.size(indices) - 1])
    return [
        tf.nn.embedding_lookup_sparse(values, rows.to_sparse(), None, combiner=combiner)
        for combiner in ("sum", "mean", "sqrtn")
    ] + [tf.nn.safe_embedding_lookup_sparse(values, rows.to_sparse())]


def test_sums(prove: Prove):
    empty = [VALUES, INDICES[:0], SEGMENTS[:0]]
    prove(sums, [VALUES, INDICES, SEGMENTS], empty, processors=(OLDEST, "tensorflow_cpu_1.15"), tolerance=1e-6)


def test_embeddings_are_combined(prove: Prove):
    prove(looked_up, [VALUES, INDICES], [VALUES, INDICES[:1]], tolerance=1e-6)
