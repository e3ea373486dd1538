"""The models whose weights old versions wrote here, as their author would build them again with any Keras.

``write_fixtures.py`` builds them with the old Keras; the tests give this file to ``tfkit export --model nets.py:NAME``.
Written for Python 3.6.
"""

import os

if os.environ.get("NETS_KERAS") == "keras":
    import keras  # Keras 2.2.4, which has no tensorflow.keras of its own
else:
    from tensorflow import keras


def cnn(keras=keras):
    """Convolutions with two branches, batch normalisation, dropout, and a model inside a model."""
    layers = keras.layers
    images = layers.Input(shape=(8, 8, 1), name="images")
    trunk = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(images)
    trunk = layers.BatchNormalization(name="settled")(trunk)
    left = layers.Conv2D(4, 3, padding="same", activation="relu", name="left")(trunk)
    right = layers.Conv2D(4, 3, padding="same", activation="tanh", name="right")(trunk)
    merged = layers.Dropout(0.3, name="dropped")(layers.Add(name="merged")([right, left]))
    head_input = layers.Input(shape=(8, 8, 4), name="head_input")
    pooled = layers.GlobalAveragePooling2D(name="pooled")(head_input)
    hidden = layers.Dense(6, activation="relu", name="hidden")(pooled)
    head = keras.models.Model(head_input, layers.BatchNormalization(name="even")(hidden), name="head")
    scores = layers.Dense(3, activation="softmax", name="scores")(head(merged))
    return keras.models.Model(images, scores, name="cnn")


def words(keras=keras):
    """A recurrent network whose layers nobody named."""
    layers = keras.layers
    return keras.models.Sequential(
        [
            layers.Embedding(20, 6, mask_zero=True, input_shape=(7,)),
            layers.Bidirectional(layers.LSTM(4, recurrent_activation="sigmoid", return_sequences=True)),
            layers.GRU(5, recurrent_activation="sigmoid", reset_after=True),
            layers.Dense(4, activation="relu"),
            layers.Dense(4),
        ]
    )


def subclassed(keras=keras):
    """A model that says nothing of its layers but in its code."""

    class Scorer(keras.Model):
        def __init__(self):
            super().__init__(name="scorer")
            self.blocks = [keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(5, activation="relu")]
            self.normal = keras.layers.LayerNormalization()
            self.out = keras.layers.Dense(2)

        def call(self, inputs):
            hidden = inputs
            for block in self.blocks:
                hidden = block(hidden)
            return self.out(self.normal(hidden))

    import tensorflow as tf

    model = Scorer()
    model(tf.zeros((1, 6)))
    return model


def module():
    """A ``tf.Module`` with variables in lists and dictionaries."""
    import tensorflow as tf

    class Mixer(tf.Module):
        def __init__(self):
            super().__init__(name="mixer")
            random = tf.random.Generator.from_seed(7)
            self.kernels = [tf.Variable(random.normal((4, 4)), name="kernel") for _ in range(2)]
            self.parts = {"scale": tf.Variable(random.normal((4,))), "shift": tf.Variable(random.normal((4,)))}
            self.calls = tf.Variable(3, dtype=tf.int64, trainable=False)

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
        def __call__(self, x):
            for kernel in self.kernels:
                x = tf.tanh(tf.matmul(x, kernel))
            return {"mixed": x * self.parts["scale"] + self.parts["shift"] * tf.cast(self.calls, tf.float32)}

    return Mixer()


def cnn_legacy():
    """The convolutions in tf-keras, which is Keras 2."""
    import tf_keras

    return cnn(tf_keras)


def words_legacy():
    """The recurrent network in tf-keras."""
    import tf_keras

    return words(tf_keras)


def subclassed_legacy():
    """The subclassed model in tf-keras."""
    import tf_keras

    return subclassed(tf_keras)
