"""Gathering within batches, on TensorFlow 1.12."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import Prove

pytestmark = pytest.mark.network
TENSOR = np.arange(2 * 3 * 4, dtype="f").reshape(2, 3, 4)
INDICES = np.array([[[0, 2], [1, 1]], [[2, 0], [0, 1]]])
PLACES = np.array([[2, 1], [0, 3], [2, 0]])


def in_batches(tf, tensor, indices):
    texts = tf.strings.as_string(tensor)
    first = indices[:, 0]
    return (
        tf.gather(tensor, indices, batch_dims=1),
        tf.gather(tensor, indices, axis=2, batch_dims=1),
        tf.gather(tensor, tf.cast(first, tf.int32), axis=2, batch_dims=1),
        tf.gather(texts, first, batch_dims=-1),
        tf.gather(tensor[:, :2], indices, axis=2, batch_dims=2),
    )


def of_variables(tf, indices, places):
    variable = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[3, 4], shared_name="table")
    tf.raw_ops.AssignVariableOp(resource=variable, value=tf.reshape(tf.range(12.0), [3, 4]))
    return (
        tf.raw_ops.ResourceGather(resource=variable, indices=indices, dtype=tf.float32),
        tf.raw_ops.ResourceGather(resource=variable, indices=indices, dtype=tf.float32, batch_dims=1),
        tf.raw_ops.ResourceGatherNd(resource=variable, indices=places, dtype=tf.float32),
    )


def test_each_batch_has_indices_of_its_own(prove: Prove):
    prove(in_batches, [TENSOR, INDICES], [TENSOR[:1], INDICES[:1]], [TENSOR[:0], INDICES[:0]])


def test_variables_are_gathered_from(prove: Prove):
    indices = np.array([[0, 2], [1, 1], [3, 0]]) % 3
    prove(of_variables, [indices, PLACES], [indices, PLACES[:0]])
