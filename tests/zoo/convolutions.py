"""Convolutions and poolings of one, two and three dimensions."""

from __future__ import annotations

import keras
from keras import layers

from tests.zoo.kinds import Made, functional, given, kind, layered, normal


@kind
def cnn() -> Made:
    """Conv2D, BatchNormalization, poolings."""
    stack = [
        layers.Conv2D(8, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.MaxPooling2D(), layers.Conv2D(16, 3), layers.BatchNormalization(), layers.Activation("relu"),
        layers.AveragePooling2D(2), layers.GlobalAveragePooling2D(), layers.Dense(10, "softmax"),
    ]  # fmt: skip
    return layered((20, 20, 1), stack, given(x=normal(20, 20, 1, scale=2)))


@kind
def conv1d() -> Made:
    """Causal and dilated, separable and transposed convolutions of sequences."""
    stack = [
        layers.Conv1D(8, 3, padding="causal", dilation_rate=2, activation="relu"), layers.MaxPooling1D(2),
        layers.SeparableConv1D(6, 3), layers.Conv1DTranspose(4, 3, strides=2), layers.DepthwiseConv1D(3),
        layers.AveragePooling1D(2), layers.GlobalMaxPooling1D(), layers.Dense(2),
    ]  # fmt: skip
    return layered((30, 4), stack, given(x=normal(30, 4)))


@kind
def conv3d() -> Made:
    """Convolutions of volumes, their poolings, transposes and enlargements."""
    stack = [
        layers.Conv3D(4, 3, padding="same", activation="relu"), layers.MaxPooling3D(), layers.BatchNormalization(),
        layers.Conv3DTranspose(3, 2, strides=2), layers.UpSampling3D(2), layers.ZeroPadding3D(1),
        layers.Cropping3D(2), layers.AveragePooling3D(2), layers.GlobalAveragePooling3D(), layers.Dense(2),
    ]  # fmt: skip
    return layered((6, 6, 6, 2), stack, given(x=normal(6, 6, 6, 2)))


@kind
def separable() -> Made:
    """Separable, depthwise and dilated convolutions of images."""
    stack = [
        layers.SeparableConv2D(8, 3, padding="same"), layers.ZeroPadding2D(1),
        layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2), layers.Cropping2D(1),
        layers.Conv2D(6, 3, dilation_rate=2, padding="same"), layers.GlobalMaxPooling2D(), layers.Dense(2),
    ]  # fmt: skip
    return layered((20, 20, 3), stack, given(x=normal(20, 20, 3)))


@kind
def dilated_depthwise() -> Made:
    """A depthwise convolution with dilation."""
    stack = [layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"), layers.Flatten(), layers.Dense(2)]
    return layered((10, 10, 3), stack, given(x=normal(10, 10, 3)))


@kind
def grouped() -> Made:
    """Convolutions in groups, of images and sequences."""
    image, sequence = keras.Input((12, 12, 4), name="image"), keras.Input((16, 6), name="sequence")
    y = layers.Flatten()(layers.Conv2D(8, 3, groups=2, strides=2)(image))
    z = layers.Flatten()(layers.Conv1D(6, 3, groups=3, padding="same")(sequence))
    outputs = {"image": layers.Dense(2)(y), "sequence": layers.Dense(2)(z)}
    return functional([image, sequence], outputs, given(image=normal(12, 12, 4), sequence=normal(16, 6)))


@kind
def transposed() -> Made:
    """Transposed convolutions, strided and padded."""
    stack = [
        layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(2, 4, strides=2),
    ]
    return layered((8, 8, 3), stack, given(x=normal(8, 8, 3)))


@kind
def unet() -> Made:
    """A small U-Net over images of any size."""
    x = keras.Input((None, None, 3), name="x")
    down = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    low = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(down))
    up = layers.Conv2DTranspose(6, 2, strides=2)(low)
    y = layers.Conv2D(1, 1, activation="sigmoid")(layers.Concatenate()([up, down]))
    return functional(x, y, [*given(x=normal(16, 12, 3)), *given(x=normal(8, 20, 3))])


@kind
def channels_first() -> Made:
    """Images with their channels first, turned round inside."""
    stack = [
        layers.Permute((2, 3, 1)),
        layers.Conv2D(4, 3),
        layers.Permute((3, 1, 2)),
        layers.Flatten(),
        layers.Dense(3),
    ]
    return layered((3, 10, 10), stack, given(x=normal(3, 10, 10)))
