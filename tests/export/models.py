"""Keras models of many kinds, each with the signature that its export must have.

``CASES`` is read by the tests; the models are built in the process that holds Keras (see ``conftest.py``), through the
functions at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


def only(arrays):
    """The array of a model with one input."""
    (array,) = arrays.values()
    return array


@dataclass(frozen=True)
class Case:
    """A model and what is expected of it.

    Attributes:
        build: Makes the model.
        inputs: Its signature's inputs as they are printed.
        outputs: Its signature's outputs.
        feed: From arrays by input name to what the model is called with.
        named: From the model's result to arrays by output name.
        options: Options of the export.
    """

    build: Callable[[], Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    feed: Callable[[dict[str, Any]], Any] = only
    named: Callable[[Any], dict[str, Any]] | None = None
    options: dict[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {}
_FOLDER = tempfile.TemporaryDirectory()  # until the process ends


def case(inputs, outputs, /, *, feed=only, named=None, **options):
    """Registers a model."""

    def register(build):
        CASES[build.__name__] = Case(build, inputs, outputs, feed, named, options)
        return build

    return register


@case({"keras_tensor": "float32[?, 5]"}, {"dense": "float32[?, 2]"})
def names_left_to_keras():
    import keras

    keras.utils.clear_session()
    keras.Input((1,))  # so that Keras numbers the next one
    inputs = keras.Input((5,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


@case(
    {"ids": "int32[?, 3]", "x": "float32[?, 4]"},
    {"embedded": "float32[?, 3, 2]", "scores": "float32[?, 2]"},
    feed=lambda arrays: [arrays["x"], arrays["ids"]],
    named=lambda result: {"scores": result[0], "embedded": result[1]},
)
def lists():
    import keras

    x, ids = keras.Input((4,), name="x"), keras.Input((3,), name="ids", dtype="int32")
    return keras.Model(
        [x, ids],
        [keras.layers.Dense(2, name="scores")(x), keras.layers.Embedding(7, 2, name="embedded")(ids)],
    )


@case(
    {"left": "float32[?, 4]", "right": "int64[?]"},
    {"first": "float32[?, 2]", "second": "int64[?]"},
    feed=dict,
    named=dict,
)
def dictionaries():
    import keras

    left, right = keras.Input((4,), name="left"), keras.Input((), name="right", dtype="int64")
    return keras.Model({"left": left, "right": right}, {"first": keras.layers.Dense(2)(left), "second": right * 2})


@case(
    {"group_a": "float32[?, 4]", "rest_0": "float32[?, 3]"},
    {"o_0": "float32[?, 2]", "o_1": "float32[?, 3]", "z": "float32[?, 1]"},
    feed=lambda arrays: {"group": {"a": arrays["group_a"]}, "rest": [arrays["rest_0"]]},
    named=lambda result: {"o_0": result["o"][0], "o_1": result["o"][1], "z": result["z"]},
)
def nested():
    import keras

    dense, a, b = keras.layers.Dense, keras.Input((4,), name="a"), keras.Input((3,), name="b")
    return keras.Model({"group": {"a": a}, "rest": [b]}, {"o": [dense(2)(a), dense(3)(a)], "z": dense(1)(b)})


@case({"keras_tensor": "float32[?, 8]"}, {"probabilities": "float32[?, 4]"})
def sequential():
    import keras

    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="softmax", name="probabilities")])


@case({"keras_tensor": "float32[?, 8]"}, {"last": "float32[?, 4]"})
def sequential_built_by_a_call():
    import keras

    model = keras.Sequential([keras.layers.Dense(4, name="last")])
    model(np.ones((2, 8), np.float32))
    return model


@case({"x": "float32[2, 8]"}, {"y": "float32[2, 4]"})
def fixed_batch_size():
    import keras

    x = keras.Input((8,), batch_size=2, name="x")
    return keras.Model(x, keras.layers.Dense(4, name="y")(x))


@case(
    {"x": "float32[?, 2]"},
    {"output_0": "float32[?, 3]", "output_1": "float32[?]"},
    named=lambda result: dict(zip(("output_0", "output_1"), result, strict=True)),
)
def subclassed_and_called():
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x), keras.ops.sum(x, axis=-1)

    model = Model()
    model(np.ones((5, 2), np.float32))
    return model


@case({"text": "string[?]"}, {"words": "int64[?, 4]"})
def ngrams_of_a_text_without_dimensions():
    import keras

    vectorize = keras.layers.TextVectorization(ngrams=2, output_sequence_length=4, name="words")
    vectorize.adapt(["red green", "blue red green"])
    text = keras.Input((), dtype="string", name="text")
    return keras.Model(text, vectorize(text))


@case({"index": "int64[?]"}, {"word": "string[?]"})
def a_text_without_dimensions_comes_out():
    import keras

    index = keras.Input((), dtype="int64", name="index")
    return keras.Model(index, keras.layers.StringLookup(vocabulary=["a", "b"], invert=True, name="word")(index))


@case({"x": "float32[?, 3]"}, {"größe": "float32[?, 2]"})
def names_that_no_graph_takes():
    import keras

    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dense(4, name="größt")(keras.layers.Dense(4, name="first layer")(x))
    return keras.Model(x, keras.layers.Dense(2, name="größe")(hidden), name="mein Modell")


@case(
    {"scale": "float32[?, 3]", "tokens": "int64[?, 3]"},
    {"output": "float32[?, 3, 4]"},
    feed=lambda arrays: (arrays["tokens"], arrays["scale"]),
    inputs={"tokens": np.array([[1, 2, 3], [4, 5, 6], [0, 1, 9]]), "scale": np.arange(9.0).reshape(3, 3)},
)
def subclassed_with_samples():
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = keras.layers.Embedding(10, 4)

        def call(self, tokens, scale):
            return self.embedding(tokens) * keras.ops.expand_dims(scale, -1)

    return Model()


@case({"x": "float32[?, ?, 3]"}, {"sequence": "float32[?, ?, 4]"})
def recurrent_of_any_length():
    import keras

    x = keras.Input((None, 3), name="x")
    hidden = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))(x)
    return keras.Model(x, keras.layers.LSTM(4, return_sequences=True, name="sequence")(hidden))


@case(
    {"x": "float32[?, 6, 3]"},
    {"lstm": "float32[?, 4]", "lstm_1": "float32[?, 4]", "lstm_2": "float32[?, 4]"},
    named=lambda result: dict(zip(("lstm", "lstm_1", "lstm_2"), result, strict=True)),
)
def several_outputs_of_one_layer():
    import keras

    x = keras.Input((6, 3), name="x")
    return keras.Model(x, keras.layers.LSTM(4, return_state=True, name="lstm")(x))


@case({"image": "uint8[?, ?, ?, 3]"}, {"features": "float32[?, 4]"})
def pictures_of_any_size():
    import keras

    layers = keras.layers
    image = keras.Input((None, None, 3), name="image", dtype="uint8")
    hidden = layers.RandomFlip()(layers.Rescaling(1 / 255)(image))
    hidden = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="gelu")(hidden))
    return keras.Model(image, layers.GlobalAveragePooling2D(name="features")(layers.Dropout(0.5)(hidden)))


@case({"ids": "int32[?, ?]"}, {"y": "float32[?, 2]"})
def attention_with_a_mask():
    import keras

    layers = keras.layers
    ids = keras.Input((None,), dtype="int32", name="ids")
    hidden = layers.Embedding(20, 8, mask_zero=True)(ids)
    hidden = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(hidden, hidden))
    return keras.Model(ids, layers.Dense(2, name="y")(layers.GlobalAveragePooling1D()(hidden)))


@case({"text": "string[?, 1]"}, {"vectors": "float32[?, 4, 2]"})
def text_vectorization():
    import keras

    vectorize = keras.layers.TextVectorization(output_sequence_length=4)
    vectorize.adapt(["hello world", "foo bar baz"])
    text = keras.Input((1,), dtype="string", name="text")
    return keras.Model(text, keras.layers.Embedding(10, 2, name="vectors")(vectorize(text)))


@case(
    {"word": "string[?, 1]"},
    {"index": "int64[?, 1]", "same": "string[?, 1]"},
    named=dict,
)
def vocabulary_file_and_back():
    import keras

    words = ["alpha", "bravo", "unknown word that is longer than what fits into a small string"]
    file = Path(_FOLDER.name, "vocabulary.txt")
    file.write_text("\n".join(words))
    word = keras.Input((1,), dtype="string", name="word")
    index = keras.layers.StringLookup(vocabulary=str(file))(word)
    same = keras.layers.StringLookup(vocabulary=words, invert=True)(index)
    return keras.Model(word, {"index": index, "same": same})


@case({"flags": "bool[?, 4]"}, {"inverted": "bool[?, 4]"}, named=dict)
def booleans():
    import keras

    flags = keras.Input((4,), dtype="bool", name="flags")
    return keras.Model(flags, {"inverted": keras.ops.logical_not(flags)})


def half(policy):
    import keras

    keras.config.set_dtype_policy(policy)
    try:
        x = keras.Input((16,), name="x")
        hidden = keras.layers.BatchNormalization()(keras.layers.Dense(64, activation="relu")(x))
        return keras.Model(x, keras.layers.Dense(4, name="y")(hidden))
    finally:
        keras.config.set_dtype_policy("float32")


@case({"x": "float32[?, 16]"}, {"y": "float16[?, 4]"})
def mixed_float16():
    return half("mixed_float16")


@case({"x": "float32[?, 16]"}, {"y": "bfloat16[?, 4]"})
def bfloat16():
    return half("bfloat16")


@case({"x": "float32[?, 16]"}, {"y": "float64[?, 4]"})
def float64():
    return half("float64")


@case(
    {"a b": "float32[?, 5]", "class": "float32[?, 5]", "my-input": "float32[?, 5]"},
    {"class": "float32[?, 5]", "日本/1:0": "float32[?, 2]"},
    feed=lambda arrays: {"first": arrays["my-input"], "second": arrays["a b"], "third": arrays["class"]},
    named=lambda result: {"日本/1:0": result["o"], "class": result["p"]},
    signature="my signature: 日本",
    rename={"first": "my-input", "second": "a b", "third": "class", "o": "日本/1:0", "p": "class"},
)
def names_that_are_no_identifiers():
    import keras

    inputs = {name: keras.Input((5,), name=name) for name in ("first", "second", "third")}
    total = keras.layers.Add()(list(inputs.values()))
    return keras.Model(inputs, {"o": keras.layers.Dense(2)(total), "p": inputs["third"] - inputs["first"]})


# What runs in the process that holds Keras.

_LIVE: dict[str, Any] = {}


def export(name: str, output: Path) -> Any:
    """Builds and exports a case's model; it stays alive for ``call``."""
    import tfkit

    _LIVE[name] = CASES[name].build()
    return tfkit.export_model(_LIVE[name], output, **CASES[name].options)


def export_file(name: str, folder: Path) -> Any:
    """Saves a case's model to a .keras file and exports that."""
    import tfkit

    CASES[name].build().save(folder / "model.keras")
    return tfkit.export_model(folder / "model.keras", folder / "model", **CASES[name].options)


def call(name: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """What the live model gives in inference."""
    import tensorflow as tf

    tensors = {key: tf.constant(array) for key, array in arrays.items()}
    fed = CASES[name].feed(tensors)
    result = _LIVE[name](*fed, training=False) if isinstance(fed, tuple) else _LIVE[name](fed, training=False)
    named = CASES[name].named or (lambda only: {next(iter(CASES[name].outputs)): only})
    return {key: tensor.numpy() for key, tensor in named(result).items()}


def load_and_call(folder: Path, signature: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """What ``tf.saved_model.load`` makes of an export."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    assert list(loaded.signatures) == [signature]
    result = loaded.signatures[signature](**{key: tf.constant(array) for key, array in arrays.items()})
    return {key: tensor.numpy() for key, tensor in result.items()}


def load_and_call_in_graph(folder: Path, signature: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """What TensorFlow 1's loader makes of an export."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        meta_graph = v1.saved_model.load(session, ["serve"], str(folder))
        assert list(meta_graph.signature_def) == [signature]
        definition = meta_graph.signature_def[signature]
        fetches = {key: info.name for key, info in definition.outputs.items()}
        result = session.run(fetches, {definition.inputs[key].name: array for key, array in arrays.items()})
    return {key: np.asarray(value) for key, value in result.items()}
