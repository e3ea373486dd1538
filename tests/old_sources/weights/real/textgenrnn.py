"""The network of textgenrnn 2.0.0, which goes on with a text character by character, for ``textgenrnn_weights.hdf5``.

Two LSTMs on embedded characters; a weighted mean over time of the embedding and both; a softmax over the characters.
The weights were saved by CuDNNLSTM layers, whose gates are plain sigmoids.
"""

import keras
from keras import layers

CHARACTERS, LENGTH, UNITS = 465, 40, 128


class Attention(layers.Layer):
    """The mean over time, weighted by what one learnt vector says of each step."""

    def build(self, shape):
        self.importance = self.add_weight(shape=(shape[-1], 1), name="W")

    def call(self, steps):
        weights = keras.ops.softmax(keras.ops.matmul(steps, self.importance), axis=1)
        return keras.ops.sum(steps * weights, axis=1)


def build():
    text = keras.Input((LENGTH,), dtype="int32", name="input")
    embedded = layers.Embedding(CHARACTERS, 100, name="embedding")(text)
    first = layers.LSTM(UNITS, return_sequences=True, recurrent_activation="sigmoid", name="rnn_1")(embedded)
    second = layers.LSTM(UNITS, return_sequences=True, recurrent_activation="sigmoid", name="rnn_2")(first)
    every = layers.Concatenate(name="rnn_concat")([embedded, first, second])
    return keras.Model(text, layers.Dense(CHARACTERS, "softmax", name="output")(Attention(name="attention")(every)))
