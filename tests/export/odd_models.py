"""Keras models that need something of their user, or cannot be exported; built where Keras is (see conftest.py)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np


def plain():
    import keras

    x = keras.Input((5,), name="x")
    return keras.Model(x, keras.layers.Dense(2, name="y")(x))


def constant():
    import keras

    x = keras.Input((5,), name="x")
    return keras.Model(x, keras.layers.Rescaling(0.0, name="y")(x))


def one_input_unused():
    import keras

    used, unused = keras.Input((5,), name="used"), keras.Input((5,), name="unused")
    return keras.Model([used, unused], keras.layers.Dense(2, name="y")(used))


def other_in_a_graph():
    """Gives other values in a graph than eagerly: what an export must notice."""
    import keras
    import tensorflow as tf

    class Layer(keras.layers.Layer):
        def call(self, x):
            return x * 2 if tf.executing_eagerly() else x * 2.01

    return keras.Sequential([keras.Input((3,), name="x"), Layer(name="y")])


def sampling():
    import keras

    class Layer(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.generator = keras.random.SeedGenerator(1)

        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.generator)

    return keras.Sequential([keras.Input((3,), name="x"), Layer(name="y")])


def stateful():
    import keras

    x = keras.Input((4, 3), batch_size=2, name="x")
    return keras.Model(x, keras.layers.LSTM(4, stateful=True, name="y")(x))


def doubling_in_a_graph():
    import keras
    import tensorflow as tf

    class Layer(keras.layers.Layer):
        def call(self, x):
            return x if tf.executing_eagerly() else x * 2

    return keras.Sequential([keras.Input((3,), name="x"), Layer(name="y")])


def subclassed_of_integers():
    """Called on whole numbers, of which Keras remembers only the shape."""
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.embedding = keras.layers.Embedding(10, 4)

        def call(self, tokens):
            return self.embedding(tokens)

    model = Model()
    model(np.array([[1, 2, 3]]))
    return model


def subclassed_of_floats():
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.dense = keras.layers.Dense(4)

        def call(self, x):
            return self.dense(x)

    model = Model()
    model(np.ones((1, 3), np.float32))
    return model


def never_called():
    import keras

    class Model(keras.Model):
        def call(self, x):
            return x

    return Model(name="mine")


def not_built():
    import keras

    return keras.Sequential([keras.layers.Dense(2)], name="mine")


def ragged_output():
    import keras

    vectorize = keras.layers.TextVectorization(ragged=True, name="words")
    vectorize.adapt(["hello world", "foo bar baz"])
    text = keras.Input((1,), dtype="string", name="text")
    return keras.Model(text, vectorize(text))


def python_inside():
    import keras
    import tensorflow as tf

    class Layer(keras.layers.Layer):
        def call(self, x):
            return tf.ensure_shape(tf.numpy_function(lambda value: value * 2, [x], tf.float32), x.shape)

        def compute_output_shape(self, shape):
            return shape

    return keras.Sequential([keras.Input((3,), name="x"), Layer(name="y")])


def python_branch():
    """Works eagerly only: asks a tensor for its truth."""
    import keras

    class Model(keras.Model):
        def call(self, x):
            return x if keras.ops.sum(x) > 0 else -x

    model = Model(name="mine")
    model(np.ones((1, 2), np.float32))
    return model


def picky():
    """Takes only values of at least 10, as a real model can refuse what was made up for it."""
    import keras
    import tensorflow as tf

    class Layer(keras.layers.Layer):
        def call(self, x):
            with tf.control_dependencies([tf.debugging.assert_greater_equal(x, 10.0, message="x must be 10 or more")]):
                return x * 2

        def compute_output_shape(self, shape):
            return shape

    return keras.Sequential([keras.Input((3,), name="x"), Layer(name="y")])


def large_pictures():
    """Of unknown dimensions, and of at least 40 pixels."""
    import keras

    x = keras.Input((None, None, 1), name="x")
    return keras.Model(x, keras.layers.GlobalMaxPooling2D(name="y")(keras.layers.Conv2D(1, 40)(x)))


def deaf_to_small_values():
    import keras

    layers = keras.layers
    return keras.Sequential([keras.Input((5,), name="x"), layers.Rescaling(1.0, offset=-100.0), layers.ReLU()])


def one_length_only():
    """Says that it takes any length, and takes 50 only."""
    import keras

    x = keras.Input((None,), name="x")
    return keras.Model(x, keras.layers.Dense(2, name="y")(keras.layers.Reshape((50,))(x)))


def wide():
    """Three million values a row: 12 MB."""
    import keras

    x = keras.Input((3_000_000,), name="x")
    return keras.Model(x, keras.ops.mean(x, axis=-1, keepdims=True))


def of_unsigned_integers():
    import keras

    x = keras.Input((4,), dtype="uint32", name="x")
    return keras.Model(x, keras.layers.Dense(2, name="y")(keras.ops.cast(x, "float32")))


def of_bytes():
    """Keras resizes to bytes when it is called, and to floats in ``predict``, as it declares."""
    import keras

    x = keras.Input((9, 9, 3), dtype="uint8", name="x")
    return keras.Model(x, keras.layers.Dense(2, name="y")(keras.layers.Resizing(4, 4)(x)))


def attention_scores():
    """Keras says that there are as many scores as queries; there are as many as keys."""
    import keras

    queries, keys = keras.Input((6, 8), name="queries"), keras.Input((None, 8), name="keys")
    layers = keras.layers
    outputs, scores = layers.MultiHeadAttention(2, 4)(queries, keys, return_attention_scores=True)
    cut = layers.CenterCrop(5, 5)(keras.ops.expand_dims(keys, -1))
    return keras.Model([queries, keys], {"outputs": outputs, "scores": scores, "cut": cut})


def first_row_only():
    import tensorflow as tf

    return tf.function(
        lambda x: {"y": x[0, 0] * tf.ones(2)}, input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")]
    )


def ragged_sums():
    """Rows of unequal lengths, as their values and their lengths."""
    import tensorflow as tf

    specs = [tf.TensorSpec((None,), tf.float32, name="values"), tf.TensorSpec((None,), tf.int64, name="lengths")]

    @tf.function(input_signature=specs)
    def sums(values, lengths):
        return {"y": tf.reduce_sum(tf.RaggedTensor.from_row_lengths(values, lengths), axis=1)}

    return sums


_LIVE: dict[str, Any] = {}


def export(name: str, output: Path, **options: Any) -> Any:
    """Builds a model, once, and exports it."""
    import tfkit

    if name not in _LIVE:
        _LIVE[name] = globals()[name]()
    return tfkit.export_model(_LIVE[name], output, **options)


def export_for(processors: list[str], name: str, output: Path) -> Any:
    """Builds a model and exports it for processors."""
    from tfkit.export import export_everywhere

    return export_everywhere(globals()[name](), output, processors=processors)


def warnings_of_export(name: str, output: Path) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(name, output)
    return [str(each.message) for each in caught if each.category is UserWarning]


def call(name: str, array: np.ndarray) -> np.ndarray:
    return _LIVE[name](array, training=False).numpy()


def variables(name: str) -> list[np.ndarray]:
    return [np.array(variable.numpy()) for variable in _LIVE[name].variables]
