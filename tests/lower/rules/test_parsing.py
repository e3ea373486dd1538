"""Examples, parsed by TensorFlow 1's ops."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove

pytestmark = pytest.mark.network
OLD = (OLDEST, "tensorflow_cpu_1.15")


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def _feature(value: list) -> bytes:
    if not value:
        return b""
    if isinstance(value[0], bytes):
        return _field(1, b"".join(_field(1, each) for each in value))
    if isinstance(value[0], float):
        return _field(2, _field(1, struct.pack(f"<{len(value)}f", *value)))
    return _field(3, _field(1, bytes(value)))


def _features(features: dict[str, list]) -> bytes:
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(value))) for name, value in features.items()
    )


def example(**features: list) -> bytes:
    """A `tf.train.Example`."""
    return _field(1, _features(features))


def sequence(context: dict[str, list], lists: dict[str, list[list]]) -> bytes:
    """A `tf.train.SequenceExample`."""
    encoded = (
        _field(1, _field(1, name.encode()) + _field(2, b"".join(_field(1, _feature(each)) for each in steps)))
        for name, steps in lists.items()
    )
    return _field(1, _features(context)) + _field(2, b"".join(encoded))


EXAMPLES = np.array(
    [
        example(a=[1.0, 2.0], ids=[3, 5], name=[b"x"], words=[b"p", b"q"]),
        example(a=[4.0, 5.0], ids=[], words=[]),
        example(a=[6.0, 7.0], ids=[6], name=[b"z"], words=[b"r"], more=[1]),
    ],
    object,
)
SEQUENCES = np.array(
    [
        sequence({"c": [7], "s": [b"u"], "g": [1, 2]}, {"x": [[1.0], [2.0]], "v": [[1], [2, 3]]}),
        sequence({"c": [8]}, {"x": [[3.0]], "o": [[4]]}),
    ],
    object,
)


def parsed(tf, texts):
    features = {
        "a": tf.io.FixedLenFeature([2], tf.float32),
        "name": tf.io.FixedLenFeature([], tf.string, default_value="none"),
        "ids": tf.io.VarLenFeature(tf.int64),
        "words": tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64),
        "more": tf.io.RaggedFeature(tf.int64),
    }
    found = tf.io.parse_example(texts, features)
    results = [found["a"], found["name"], found["ids"].indices, found["ids"].values, found["ids"].dense_shape]
    return [*results, *(part for key in ("words", "more") for part in (found[key].values, found[key].row_splits))]


def without_ragged(tf, texts):
    features = {"a": tf.io.FixedLenFeature([2], tf.float32), "ids": tf.io.VarLenFeature(tf.int64)}
    of_all, of_one = tf.io.parse_example(texts, features), tf.io.parse_single_example(texts[0], features)
    return [part for each in (of_all, of_one) for part in (each["a"], each["ids"].values, each["ids"].dense_shape)]


def sequences(tf, texts):
    context = {
        "c": tf.io.FixedLenFeature([], tf.int64),
        "s": tf.io.VarLenFeature(tf.string),
        "g": tf.io.RaggedFeature(tf.int64),
    }
    lists = {
        "x": tf.io.FixedLenSequenceFeature([1], tf.float32),
        "o": tf.io.FixedLenSequenceFeature([1], tf.int64, allow_missing=True),
        "v": tf.io.VarLenFeature(tf.int64),
    }
    first, second, lengths = tf.io.parse_sequence_example(texts, context, lists)
    results = [first["c"], first["s"].indices, first["s"].values, first["g"].values, first["g"].row_splits]
    results += [second["x"], second["o"], second["v"].indices, second["v"].values, second["v"].dense_shape]
    return [*results, lengths["x"], lengths["o"]]


def test_examples_with_ragged_features(prove: Prove):
    prove(parsed, [EXAMPLES], [EXAMPLES[1:2]], [EXAMPLES[:0]], processors=OLD)


def test_a_single_example(prove: Prove):
    prove(without_ragged, [EXAMPLES], [EXAMPLES[1:2]], processors=OLD)


def test_sequences(prove: Prove):
    prove(sequences, [SEQUENCES], [SEQUENCES[1:]], processors=OLD)
