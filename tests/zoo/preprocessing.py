"""Strings, categories and tables, as Keras's preprocessing layers make numbers of them."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tests.zoo.kinds import Made, functional, given, integers, kind, normal, rows, uniform

ANIMALS = ["cat", "dog", "bird", "fish"]
TEXTS = ["the quick brown fox", "jumps over the lazy dog", "hello world, again!"]
ASKED = rows(
    ["The quick, brown DOG!"],
    ["hello zebra"],
    [""],
    ["a b c d e f the"],
    ["  fox  over\tfox "],
    ["again; again: WORLD?"],
)
NAMES = rows(["cat"], ["zebra"], ["fish"], [""], ["dog"], ["bird"])


@kind
def string_lookup() -> Made:
    """StringLookup with known and unknown words, and an Embedding."""
    x = keras.Input((1,), dtype="string", name="x")
    y = layers.Flatten()(layers.Embedding(6, 4)(layers.StringLookup(vocabulary=ANIMALS)(x)))
    return functional(x, layers.Dense(3)(y), given(x=NAMES))


@kind
def string_lookup_multi_hot() -> Made:
    """StringLookup with two buckets for unknown words, multi-hot."""
    x = keras.Input((2,), dtype="string", name="x")
    y = layers.StringLookup(vocabulary=ANIMALS, num_oov_indices=2, output_mode="multi_hot")(x)
    pairs = rows(["cat", "dog"], ["zebra", "cat"], ["", "fish"], ["dog", "dog"], ["q", "r"], ["bird", "yak"])
    return functional(x, layers.Dense(3)(y), given(x=pairs))


@kind
def string_lookup_counts() -> Made:
    """StringLookup that counts, one-hots, and weighs by tf-idf."""
    x = keras.Input((3,), dtype="string", name="x")
    y = [
        layers.StringLookup(vocabulary=ANIMALS, output_mode="count")(x),
        layers.StringLookup(vocabulary=ANIMALS, output_mode="tf_idf", idf_weights=[0.1, 0.5, 1.0, 2.0])(x),
        layers.StringLookup(vocabulary=ANIMALS, output_mode="one_hot")(x[:, :1]),
    ]
    triples = rows(
        ["cat", "dog", "cat"], ["zebra", "cat", ""], ["fish", "fish", "fish"], ["a", "b", "c"], ["dog", "", "bird"]
    )
    return functional(x, layers.Concatenate()(y), given(x=triples))


@kind
def labels() -> Made:
    """Numbers in, words out: an inverted StringLookup."""
    x = keras.Input((4,), name="x")
    scores = layers.Dense(4, "softmax")(x)
    names = layers.StringLookup(vocabulary=ANIMALS, invert=True, num_oov_indices=0)
    return functional(x, {"scores": scores, "label": names(ops.argmax(scores, -1))}, given(x=normal(4)))


@kind
def text_vectorization() -> Made:
    """TextVectorization to sequences of numbers."""
    vectorize = layers.TextVectorization(max_tokens=50, output_sequence_length=8)
    vectorize.adapt(TEXTS)
    x = keras.Input((1,), dtype="string", name="x")
    y = layers.GlobalAveragePooling1D()(layers.Embedding(50, 8)(vectorize(x)))
    return functional(x, layers.Dense(2, "softmax")(y), given(x=ASKED))


@kind
def text_vectorization_any_length() -> Made:
    """TextVectorization to sequences as long as the longest of the batch."""
    vectorize = layers.TextVectorization(max_tokens=50)
    vectorize.adapt(TEXTS)
    x = keras.Input((1,), dtype="string", name="x")
    y = layers.GlobalMaxPooling1D()(layers.Embedding(50, 8)(vectorize(x)))
    return functional(x, {"ids": vectorize(x), "y": layers.Dense(2)(y)}, given(x=ASKED))


def _text_model(**options) -> Made:
    vectorize = layers.TextVectorization(max_tokens=60, **options)
    vectorize.adapt(TEXTS)
    x = keras.Input((1,), dtype="string", name="x")
    return functional(x, layers.Dense(3)(vectorize(x)), given(x=ASKED))


@kind
def text_ngrams() -> Made:
    """TextVectorization of pairs of words, weighed by tf-idf."""
    return _text_model(ngrams=2, output_mode="tf_idf")


@kind
def text_characters() -> Made:
    """TextVectorization that counts characters of lower-cased text."""
    return _text_model(split="character", standardize="lower", output_mode="count")


@kind
def text_multi_hot() -> Made:
    """TextVectorization to multi-hot vectors, punctuation stripped."""
    return _text_model(standardize="strip_punctuation", output_mode="multi_hot")


@kind
def tabular() -> Made:
    """Discretization, CategoryEncoding, IntegerLookup, Hashing, HashedCrossing."""
    age = keras.Input((1,), name="age")
    code = keras.Input((1,), dtype="int64", name="code")
    city = keras.Input((1,), dtype="string", name="city")
    parts = [
        layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(layers.Discretization([10.0, 20.0, 40.0])(age)),
        layers.IntegerLookup(vocabulary=[10, 20, 30], output_mode="one_hot")(code),
        layers.Flatten()(layers.Embedding(8, 3)(layers.Hashing(8)(city))),
        layers.HashedCrossing(8, output_mode="one_hot")((city, code)),
    ]
    runs = given(
        age=uniform(0, 60, 1),
        code=rows([10], [99], [30], [-1], [20]),
        city=rows(["a"], ["bb"], ["ccc"], [""], ["größe"], ["a long name of a city, longer than 32 bytes"]),
    )
    return functional([age, code, city], layers.Dense(2)(layers.Concatenate()(parts)), runs)


@kind
def category_encodings() -> Made:
    """CategoryEncoding: one-hot, multi-hot, counts with weights; Discretization to vectors."""
    x = keras.Input((3,), dtype="int32", name="x")
    w = keras.Input((3,), name="w")
    outputs = {
        "multi_hot": layers.CategoryEncoding(5, "multi_hot")(x),
        "count": layers.CategoryEncoding(5, "count")(x),
        "weighted": layers.CategoryEncoding(5, "count")(x, count_weights=w),
        "bins": layers.Discretization([-0.5, 0.0, 0.5], output_mode="multi_hot")(w),
    }
    return functional([x, w], outputs, given(x=integers(0, 5, 3), w=normal(3)))


@kind
def integer_lookup() -> Made:
    """IntegerLookup with three buckets for unknown numbers; Normalization that was adapted."""
    ids, sizes = keras.Input((2,), dtype="int64", name="ids"), keras.Input((2,), name="sizes")
    normalize = layers.Normalization(axis=-1)
    normalize.adapt(np.array([[1.0, 2.0], [3.0, 5.0]], "f"))
    looked_up = layers.IntegerLookup(num_oov_indices=3, vocabulary=[3, 5, 7])(ids)
    y = layers.Concatenate()([layers.Flatten()(layers.Embedding(10, 2)(looked_up)), normalize(sizes)])
    return functional([ids, sizes], y, given(ids=rows([3, 9], [7, 1], [-5, 5], [100, 3], [2, 4]), sizes=normal(2)))


@kind
def feature_space() -> Made:
    """FeatureSpace with a cross."""
    kinds = keras.utils.FeatureSpace
    features = {
        "word": kinds.string_categorical(num_oov_indices=1),
        "size": kinds.float_normalized(),
        "place": kinds.string_hashed(16),
        "level": kinds.float_discretized(3),
    }
    space = kinds(features, crosses=[("word", "place")], output_mode="concat")
    known = {
        "word": [["a"], ["b"], ["b"]],
        "size": [[1.0], [4.0], [2.0]],
        "place": [["x"], ["y"], ["x"]],
        "level": [[0.1], [0.6], [0.8]],
    }
    space.adapt(tf.data.Dataset.from_tensor_slices(known))
    y = layers.Dense(2)(space.get_encoded_features())
    runs = given(
        word=rows(["a"], ["z"], ["b"], [""]),
        size=normal(1),
        place=rows(["x"], ["q"], ["y"], ["w"], ["v"]),
        level=uniform(0, 1, 1),
    )
    return functional(list(space.get_inputs().values()), y, runs)


@kind
def hashing() -> Made:
    """Hashing with a salt (SipHash) and of numbers, multi-hot."""
    word, number = keras.Input((2,), dtype="string", name="word"), keras.Input((2,), dtype="int64", name="number")
    outputs = {
        "salted": layers.Hashing(11, salt=[7, 9])(word),
        "masked": layers.Hashing(11, mask_value="")(word),
        "numbers": layers.Hashing(7, output_mode="multi_hot")(number),
    }
    words = rows(["a", ""], ["b", "größe"], ["", ""], ["longer than before", "c"])
    return functional([word, number], outputs, given(word=words, number=integers(-9, 99, 2, dtype="int64")))
