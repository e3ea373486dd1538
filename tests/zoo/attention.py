"""Transformers and attention of all kinds."""

from __future__ import annotations

import keras
from keras import layers, ops

from tests.zoo.kinds import Made, functional, given, integers, kind, normal, rows


def _transformer(*, causal: bool, mask: bool = False) -> Made:
    x = keras.Input((10,), dtype="int32", name="x")
    y = layers.Embedding(40, 16, mask_zero=mask)(x)
    y = y + layers.Embedding(10, 16)(ops.arange(10))
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(y + layers.MultiHeadAttention(4, 4)(y, y, use_causal_mask=causal))
        y = layers.LayerNormalization(epsilon=1e-6)(y + layers.Dense(16)(layers.Dense(32, "gelu")(y)))
    y = layers.Dense(5, "softmax")(layers.GlobalAveragePooling1D()(y))
    return functional(x, y, given(x=integers(0, 40, 10)))


@kind
def transformer() -> Made:
    """An encoder: MultiHeadAttention, GELU, LayerNormalization."""
    return _transformer(causal=False)


@kind
def transformer_causal() -> Made:
    """The same with a causal mask."""
    return _transformer(causal=True)


@kind
def transformer_masked() -> Made:
    """The same with padding masked out."""
    return _transformer(causal=False, mask=True)


@kind
def attention_kinds() -> Made:
    """Additive, dot-product, grouped-query and multi-head attention, with a mask."""
    query, value = keras.Input((6, 8), name="query"), keras.Input((5, 8), name="value")
    keep = keras.Input((6, 5), dtype="bool", name="keep")
    outputs = [
        layers.AdditiveAttention()([query, value]),
        layers.Attention(use_scale=True)([query, value]),
        layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)(query, value),
        layers.MultiHeadAttention(2, 4, output_shape=8)(query, value, attention_mask=keep),
    ]
    seen = rows(
        *([[(row * 7 + at * 3 + column) % 3 > 0 for column in range(5)] for at in range(6)] for row in range(6))
    )
    runs = given(query=normal(6, 8), value=normal(5, 8), keep=seen)
    return functional([query, value, keep], layers.Concatenate()(outputs), runs)


@kind
def vision_transformer() -> Made:
    """Patches of an image, a class token, attention over them."""
    x = keras.Input((16, 16, 3), name="x")
    patches = layers.Reshape((16, 12))(layers.Conv2D(12, 4, strides=4)(x))
    first = ops.cast(patches[:, :1, 0] * 0.0, "int32")
    y = ops.concatenate([layers.Embedding(1, 12)(first), patches], 1) + layers.Embedding(17, 12)(ops.arange(17))
    y = y + layers.MultiHeadAttention(3, 4)(layers.LayerNormalization()(y), y)
    return functional(x, layers.Dense(4)(y[:, 0]), given(x=normal(16, 16, 3)))


@kind
def rotary() -> Made:
    """Attention by hand: einsums, rotary positions, a soft cap, top k."""
    x = keras.Input((8, 16), name="x")
    heads = [ops.reshape(layers.Dense(16)(x), (-1, 8, 4, 4)) for _ in range(3)]
    angles = ops.einsum("i,j->ij", ops.arange(8, dtype="float32"), ops.array([1.0, 0.1]))
    cos, sin = (ops.reshape(f(angles), (1, 8, 1, 2)) for f in (ops.cos, ops.sin))

    def turn(t):
        a, b = ops.split(t, 2, -1)
        return ops.concatenate([a * cos - b * sin, a * sin + b * cos], -1)

    scores = ops.einsum("bqhd,bkhd->bhqk", turn(heads[0]), turn(heads[1]))
    shares = ops.softmax(ops.tanh(scores / 5.0) * 5.0, -1)
    y = ops.reshape(ops.einsum("bhqk,bkhd->bqhd", shares, heads[2]), (-1, 8, 16))
    best, which = ops.top_k(layers.Dense(6)(y), 2)
    return functional(x, {"y": y, "best": best, "which": which}, given(x=normal(8, 16)))
