"""Crossed features, by the op of before TensorFlow 2.3."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove, Prover

pytestmark = pytest.mark.network
TEXTS, NUMBERS = np.array([[b"a"], [b"b"]], object), np.array([[3, 4], [5, 6]])


def crossed(tf, texts, numbers):
    found = tf.sparse.cross([texts, tf.sparse.from_dense(numbers)])
    return found.indices, found.values, found.dense_shape


def separated(tf, texts, numbers):
    return tf.sparse.cross([texts, numbers], separator="&").values


def test_crosses(prove: Prove):
    prove(crossed, [TEXTS, NUMBERS], [TEXTS[:0], NUMBERS[:0]], processors=(OLDEST, "tensorflow_cpu_1.15"))


def test_other_separators_are_refused(prover: Prover, tmp_path):
    problem = prover.rewritten(tmp_path, separated, ("string", (None, 1)), ("int64", (None, 2))).problems[0]
    assert "_X_" in problem.refusal
