"""Layers of numbers: dense ones, activations, norms, several inputs, half precision."""

from __future__ import annotations

import keras
from keras import layers, ops

from tests.zoo.kinds import (
    BFLOAT16,
    FLOAT16,
    Made,
    functional,
    given,
    integers,
    keras_model,
    kind,
    layered,
    normal,
    rows,
)


@kind
def mlp() -> Made:
    """Flatten, Dense, Dropout, softmax."""
    stack = [layers.Flatten(), layers.Dense(32, "relu"), layers.Dropout(0.2), layers.Dense(10, "softmax")]
    return layered((12, 12), stack, given(x=normal(12, 12)))


@kind
def activations() -> Made:
    """All activations of Keras."""
    names = (
        "selu", "elu", "leaky_relu", "hard_sigmoid", "swish", "mish", "gelu", "softplus", "relu6", "softsign", "tanh",
        "exponential", "log_softmax", "hard_swish", "celu", "glu", "silu", "sparsemax", "sparse_plus", "squareplus",
        "tanh_shrink", "hard_tanh", "hard_shrink", "soft_shrink", "log_sigmoid",
    )  # fmt: skip
    x = keras.Input((6,), name="x")
    special = [
        layers.PReLU(),
        layers.Activation(lambda t: keras.activations.gelu(t, approximate=True)),
        layers.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.2),
        layers.LeakyReLU(negative_slope=0.3),
        layers.ELU(alpha=0.7),
        layers.Softmax(axis=-1),
    ]
    used = [layers.Activation(name) for name in names] + special
    outputs = {f"y{at}": each(layers.Dense(6)(x)) for at, each in enumerate(used)}
    return functional(x, outputs, given(x=normal(6, scale=2)))


@kind
def norms() -> Made:
    """Group, layer, RMS, unit and batch normalisation, over several axes."""
    x = keras.Input((8, 8, 4), name="x")
    y = layers.GroupNormalization(2)(x)
    y = layers.LayerNormalization()(y)
    y = layers.BatchNormalization(axis=1)(y)
    y = layers.LayerNormalization(axis=[1, 2])(y)
    y = layers.RMSNormalization()(y)
    unit = layers.UnitNormalization()(y)
    return functional(x, {"y": layers.BatchNormalization()(y), "unit": unit}, given(x=normal(8, 8, 4)))


@kind
def shapes() -> Made:
    """EinsumDense, Permute, RepeatVector, TimeDistributed, Attention over itself."""
    x = keras.Input((6, 4), name="x")
    y = layers.EinsumDense("abc,cd->abd", output_shape=(6, 5), bias_axes="d")(
        layers.Permute((2, 1))(layers.Permute((2, 1))(x))
    )
    y = layers.RepeatVector(3)(layers.Flatten()(y))
    y = layers.TimeDistributed(layers.Dense(4))(y)
    merged = layers.Add()([y, layers.Multiply()([y, y])])
    dot = layers.Dot(axes=2, normalize=True)([y, merged])
    return functional(x, {"attended": layers.Attention()([y, merged]), "dot": dot}, given(x=normal(6, 4)))


@kind
def several_inputs() -> Made:
    """Integers, strings, booleans and numbers in; scores, classes and booleans out."""
    ids = keras.Input((3,), dtype="int64", name="ids")
    word = keras.Input((1,), dtype="string", name="word")
    flag = keras.Input((1,), dtype="bool", name="flag")
    size = keras.Input((5,), name="size")
    words = layers.Embedding(6, 3)(layers.StringLookup(vocabulary=["u", "v", "w"])(word))
    joined = [layers.Flatten()(layers.Embedding(20, 4)(ids)), layers.Flatten()(words), ops.cast(flag, "float32"), size]
    hidden = layers.Dense(16, "relu")(layers.Concatenate()(joined))
    outputs = {
        "score": layers.Dense(1, "sigmoid")(hidden),
        "class": ops.argmax(layers.Dense(4)(hidden), -1),
        "positive": ops.greater(layers.Dense(2)(hidden), 0.0),
    }
    runs = given(
        ids=integers(0, 20, 3, dtype="int64"),
        word=rows(["u"], ["q"], ["w"], [""], ["v"]),
        flag=rows([True], [False], [True], [True], [False]),
        size=normal(5),
    )
    return functional([ids, word, flag, size], outputs, runs)


def _precision(policy: str) -> Made:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        stack = [
            keras.Input((8, 8, 3), dtype="float32", name="x"),
            layers.Conv2D(6, 3, activation="relu"),
            layers.BatchNormalization(),
            # Old TensorFlows add up a float16 matmul in float16: over many inputs that alone is worse than 5e-3.
            layers.GlobalMaxPooling2D(),
            layers.Dense(16, "gelu"),
            layers.LayerNormalization(),
            layers.Dense(4, dtype="float32"),
        ]
        return keras_model(keras.Sequential(stack), given(x=normal(8, 8, 3)))
    finally:
        keras.mixed_precision.set_dtype_policy(before)


@kind(tolerance=FLOAT16)
def mixed_float16() -> Made:
    """Computes in float16, keeps float32."""
    return _precision("mixed_float16")


@kind(tolerance=BFLOAT16)
def mixed_bfloat16() -> Made:
    """Computes in bfloat16, keeps float32."""
    return _precision("mixed_bfloat16")


@kind
def float64() -> Made:
    """All of it in float64."""
    x = keras.Input((6,), dtype="float64", name="x")
    y = layers.LayerNormalization(dtype="float64")(layers.Dense(8, "gelu", dtype="float64")(x))
    return functional(x, layers.Dense(3, "softmax", dtype="float64")(y), given(x=normal(6, dtype="float64")))


@kind
def quantized_int8() -> Made:
    """Dense layers quantized to int8 by Keras."""
    x = keras.Input((16,), name="x")
    model = keras.Model(x, layers.Dense(4)(layers.Dense(32, "relu")(x)))
    made = keras_model(model, given(x=normal(16)))
    model.quantize("int8")
    return made
