"""Random numbers that follow from a seed are the same on every TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove, Prover

pytestmark = pytest.mark.network
SIZES, SEED = np.array([2, 3], "i"), np.array([7, 9], "i")


def floats(tf, sizes, seed):
    return (
        tf.random.stateless_uniform(sizes, seed),
        tf.random.stateless_normal(sizes, tf.cast(seed, tf.int64)),
        tf.random.stateless_truncated_normal(sizes, seed, dtype=tf.float64),
        tf.nn.experimental.stateless_dropout(tf.ones(sizes), 0.4, seed),
    )


def integers(tf, sizes, seed):
    return (
        tf.random.stateless_uniform(sizes, seed, 3, 90, tf.int32),
        tf.random.stateless_uniform(sizes, seed, -5, 2**40, tf.int64),
    )


def three_fry(tf, sizes, seed):
    return tf.random.stateless_uniform(sizes, seed, alg="threefry")


def test_floats(prove: Prove):
    processors = (OLDEST, "tensorflow_cpu_1.15", "tensorflow_cpu_2.3", "tensorflow_cpu_2.4")
    prove(floats, [SIZES, SEED], [SIZES * 0, SEED], processors=processors, tolerance=1e-6)


def test_integers(prove: Prove):
    prove(integers, [SIZES, SEED], [SIZES * 0, SEED], processors=("tensorflow_cpu_1.14", "tensorflow_cpu_2.4"))


def test_other_algorithms_are_refused(prover: Prover, tmp_path):
    problems = prover.rewritten(tmp_path, three_fry, ("int32", (2,)), ("int32", (2,))).problems
    assert any("not made of a seed" in problem.refusal for problem in problems)
