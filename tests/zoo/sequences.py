"""Recurrent layers."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from tests.zoo.kinds import RANDOM, Made, functional, given, integers, kind, layered, normal, rows


def _words(size: int) -> np.ndarray:
    """Sequences of word numbers with zeros at their ends, as masks want them."""
    lengths = RANDOM.randint(1, 8, (size, 1))
    return np.where(np.arange(7) < lengths, RANDOM.randint(1, 30, (size, 7)), 0).astype(np.int32)


@kind
def lstm() -> Made:
    """Embedding and an LSTM, which loops."""
    stack = [layers.Embedding(50, 8), layers.LSTM(12), layers.Dense(3, "softmax")]
    return layered((9,), stack, given(x=integers(0, 50, 9)), "int32")


@kind
def lstm_unrolled() -> Made:
    """The same, written out step by step."""
    stack = [layers.Embedding(50, 8), layers.LSTM(12, unroll=True), layers.Dense(3, "softmax")]
    return layered((9,), stack, given(x=integers(0, 50, 9)), "int32")


@kind
def lstm_masked() -> Made:
    """LSTMs over sequences of any length, masked where they end."""
    stack = [
        layers.Embedding(30, 8, mask_zero=True),
        layers.LSTM(10, return_sequences=True),
        layers.LSTM(6),
        layers.Dense(3),
    ]
    return layered((None,), stack, [*given(x=_words), *given(x=integers(0, 4, 3))], "int32")


@kind
def gru_both_ways() -> Made:
    """Bidirectional GRUs."""
    stack = [
        layers.Bidirectional(layers.GRU(8, return_sequences=True)),
        layers.Bidirectional(layers.GRU(5)),
        layers.Dense(3),
    ]
    return layered((10, 6), stack, given(x=normal(10, 6)))


@kind
def gru_masked_state() -> Made:
    """Masking, and a GRU that also gives its state; a dimension of any length."""
    x = keras.Input((None, 3), name="x")
    outputs, state = layers.GRU(5, return_sequences=True, return_state=True)(layers.Masking()(x))

    def padded(size: int) -> np.ndarray:
        return np.concatenate([RANDOM.randn(size, 4, 3), np.zeros((size, 2, 3))], 1).astype(np.float32)

    return functional(x, {"outputs": outputs, "state": state}, given(x=padded))


@kind
def cells() -> Made:
    """SimpleRNN backwards, and cells stacked in an RNN."""
    stack = [
        layers.SimpleRNN(4, go_backwards=True, return_sequences=True), layers.TimeDistributed(layers.Dense(2)),
        layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)]),
    ]  # fmt: skip
    return layered((9, 3), stack, given(x=normal(9, 3)))


@kind
def encoder_decoder() -> Made:
    """An LSTM whose state starts another."""
    source, target = keras.Input((None, 4), name="source"), keras.Input((None, 3), name="target")
    _, h, c = layers.LSTM(6, return_state=True)(source)
    y = layers.LSTM(6, return_sequences=True)(target, initial_state=[h, c])
    return functional([source, target], layers.Dense(2, "softmax")(y), given(source=normal(7, 4), target=normal(3, 3)))


@kind
def convlstm() -> Made:
    """ConvLSTM2D."""
    stack = [layers.ConvLSTM2D(3, 3, padding="same"), layers.Flatten(), layers.Dense(2)]
    return layered((4, 6, 6, 2), stack, given(x=normal(4, 6, 6, 2)))


@kind
def time_distributed_cnn() -> Made:
    """A convolution of every frame, then a GRU."""
    stack = [
        layers.TimeDistributed(layers.Conv2D(3, 3, activation="relu")),
        layers.TimeDistributed(layers.Flatten()),
        layers.GRU(4),
    ]
    return layered((4, 6, 6, 2), stack, given(x=normal(4, 6, 6, 2)))


@kind
def tagger() -> Made:
    """Words to tags: StringLookup, a masked bidirectional LSTM, tags as words."""
    words = keras.Input((None,), dtype="string", name="words")
    ids = layers.StringLookup(vocabulary=["the", "cat", "sat", "mat"], mask_token="")(words)
    y = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(layers.Embedding(6, 5, mask_zero=True)(ids))
    scores = layers.Dense(3, "softmax")(y)
    tags = layers.StringLookup(vocabulary=["noun", "verb", "other"], invert=True, num_oov_indices=0)(
        keras.ops.argmax(scores, -1)
    )
    texts = rows(
        ["the", "cat", "sat"],
        ["a", "mat", ""],
        ["", "", ""],
        ["cat", "", ""],
        ["sat", "sat", "the"],
        ["mat", "zebra", ""],
    )
    return functional(words, {"scores": scores, "tags": tags}, given(words=texts))
