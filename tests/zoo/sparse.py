"""Sparse tensors and parsed examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tests.zoo.kinds import RANDOM, Made, function, given, integers, kind, normal, rows, spec, weights


@kind
def sparse_embedding() -> Made:
    """safe_embedding_lookup_sparse: sums and means over ids, some rows empty."""
    table = weights(10, 2)

    def serve(ids: tf.Tensor) -> dict[str, tf.Tensor]:
        held = tf.sparse.from_dense(ids)
        return {
            combiner: tf.nn.safe_embedding_lookup_sparse(table, held, combiner=combiner)
            for combiner in ("mean", "sum", "sqrtn")
        }

    ids = rows([1, 2, 0], [3, 0, 0], [0, 0, 0], [9, 9, 1], [0, 5, 0], [4, 0, 7], dtype="int64")
    return function(serve, [spec("int64", None)], given(ids=ids), keep=[table])


@kind
def sparse_segments() -> Made:
    """SparseSegmentMean and its kin with int64 ids."""

    def serve(x: tf.Tensor, at: tf.Tensor, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        upward = tf.sort(ids)
        return {
            "mean": tf.sparse.segment_mean(x, at, upward),
            "sum": tf.sparse.segment_sum(x, at, upward),
            "root": tf.sparse.segment_sqrt_n(x, at, upward),
            "five": tf.sparse.segment_mean(x, at, upward, num_segments=5),
        }

    def inside(size: int) -> np.ndarray:
        return RANDOM.randint(0, size, size).astype(np.int64)

    return function(
        serve,
        [spec("float32", 3), spec("int64"), spec("int64")],
        given(x=normal(3), at=inside, ids=integers(0, 4, dtype="int64")),
    )


@kind
def sparse_matrices() -> Made:
    """Sparse times dense, sums, slices, reordering, softmax, filling, concatenation."""
    w = weights(5, 2)

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        held = tf.sparse.from_dense(tf.nn.relu(x))
        filled, empty = tf.sparse.fill_empty_rows(held, -1.0)
        return {
            "product": tf.sparse.sparse_dense_matmul(held, w),
            "sum": tf.sparse.reduce_sum(held, 1),
            "dense": tf.sparse.to_dense(filled),
            "empty": empty,
            "slice": tf.sparse.to_dense(tf.sparse.slice(held, [0, 1], [1, 3])),
            "transposed": tf.sparse.to_dense(tf.sparse.transpose(held)),
            "added": tf.sparse.to_dense(tf.sparse.add(held, held)),
            "joined": tf.sparse.to_dense(tf.sparse.concat(1, [held, held])),
            "reshaped": tf.sparse.to_dense(tf.sparse.reshape(held, [-1])),
            "softmax": tf.sparse.to_dense(tf.sparse.softmax(filled)),
        }

    some = rows(
        [1, 0, -1, 2, 0],
        [0, -3, 0, 0, 0],
        [4, 4, 4, 4, 4],
        [0, 0, 0.5, 0, 0],
        [-1, -1, -1, -1, 9],
        [2, 0, 0, 0, 7],
        dtype="f",
    )
    return function(serve, [spec("float32", 5)], given(x=some), keep=[w])


def _examples(**features: Callable[[int], Any]) -> Callable[[int], np.ndarray]:
    """Serialized Examples; a value of ``None`` leaves the feature out."""

    def example(at: int) -> bytes:
        message = tf.train.Example()
        for name, value_of in features.items():
            values = value_of(at)
            if values is None:
                continue
            feature = message.features.feature[name]
            held = {int: feature.int64_list, float: feature.float_list, bytes: feature.bytes_list}[type(values[0])]
            held.value.extend(values)
        return message.SerializeToString()

    return lambda size: np.array([example(at + size) for at in range(size)], object)


@kind
def parsed_examples() -> Made:
    """parse_example: fixed features, some missing, and sparse ones."""

    def serve(data: tf.Tensor) -> dict[str, tf.Tensor]:
        features = {
            "a": tf.io.FixedLenFeature([2], tf.float32),
            "n": tf.io.FixedLenFeature([1], tf.int64, default_value=[-7]),
            "s": tf.io.FixedLenFeature([], tf.string, default_value="q"),
            "v": tf.io.VarLenFeature(tf.int64),
            "w": tf.io.VarLenFeature(tf.string),
        }
        found = tf.io.parse_example(data, features)
        words = tf.sparse.to_dense(found["w"], "-")
        return {
            "a": found["a"] * 2.0,
            "n": found["n"],
            "s": found["s"],
            "v": tf.sparse.to_dense(found["v"]),
            "w": words,
        }

    data = _examples(
        a=lambda at: [at * 0.5, float(-at)],
        n=lambda at: [at] if at % 2 else None,
        s=lambda at: [b"word %d" % at] if at % 3 else None,
        v=lambda at: list(range(1, at % 4 + 1)) or None,
        w=lambda at: [b"x", b"yy"][: at % 3] or None,
    )
    return function(serve, [spec("string")], given(data=data))


@kind
def parsed_ragged() -> Made:
    """parse_example with ragged features and sequences of any length."""

    def serve(data: tf.Tensor) -> dict[str, tf.Tensor]:
        features = {
            "r": tf.io.RaggedFeature(tf.float32),
            "v": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True, default_value=-1),
        }
        found = tf.io.parse_example(data, features)
        return {"r": found["r"].to_tensor(-1.0), "lengths": found["r"].row_lengths(), "v": found["v"]}

    data = _examples(r=lambda at: [at * 0.25] * (at % 4) or None, v=lambda at: list(range(at % 3 + 1)))
    return function(serve, [spec("string")], given(data=data))


@kind
def parsed_single() -> Made:
    """parse_single_example in a map, CSV and JSON beside it."""

    def serve(data: tf.Tensor, lines: tf.Tensor) -> dict[str, tf.Tensor]:
        def parse(one: tf.Tensor) -> tf.Tensor:
            return tf.io.parse_single_example(one, {"a": tf.io.FixedLenFeature([2], tf.float32)})["a"]

        number, word = tf.io.decode_csv(lines, [[0.5], ["none"]])
        return {"a": tf.map_fn(parse, data, fn_output_signature=tf.float32), "number": number, "word": word}

    runs = given(data=_examples(a=lambda at: [at * 0.5, -1.0]), lines=rows("1.5,a", ",b", "2,", '3,"x,y"', "4,z", ","))
    return function(serve, [spec("string"), spec("string")], runs)
