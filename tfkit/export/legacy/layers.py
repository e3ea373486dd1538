"""Layers that computed otherwise in the first versions of Keras 2 than in the last: those versions' ways, in tf-keras.

Each is a subclass of tf-keras's layer under the same name, which finds it by that name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tfkit.export.legacy.config import walk

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(-tf)?")
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN"})


def old_layers(tf: Any, tf_keras: Any, config: Mapping[str, Any], keras_version: str) -> dict[str, Any]:
    """The layers by name that a model needs in place of tf-keras's own.

    Args:
        tf: TensorFlow.
        tf_keras: The last Keras 2.
        config: The model's configuration in the form of ``legacy.config``.
        keras_version: The Keras that wrote it: ``2.2.4``, or ``2.2.4-tf`` of TensorFlow's own.
    """
    found = _VERSION.match(keras_version)
    if found is None:
        return {}
    numbers, of_tensorflow = tuple(map(int, found.groups()[:3])), found[4] is not None
    layers = list(walk(config))
    replaced = {}
    masks = any(layer.class_name == "Masking" or layer.config.get("mask_zero") for layer in layers)
    if masks and numbers < ((2, 2, 4) if of_tensorflow else (2, 2, 5)):
        used = {layer.class_name for layer in layers} & _RECURRENT
        replaced = {name: _answers_with_state(tf, getattr(tf_keras.layers, name)) for name in used}
    if not of_tensorflow and numbers < (2, 4, 0) and any(_is_bilinear(layer.config) for layer in layers):
        replaced["UpSampling2D"] = _enlarges_from_corners(tf, tf_keras.layers.UpSampling2D)
    return replaced


def _answers_with_state(tf: Any, layer: Any) -> Any:
    """A recurrent layer that answers with its first state until a step counts, as Keras did before 2.2.5.

    (``K.rnn``: ``output = tf.where(mask, output, states[0])``. Later ones answer with zeros there.) It makes a
    difference where a layer begins in the state of another and its first steps are masked.
    """

    def call(self: Any, inputs: Any, mask: Any = None, **arguments: Any) -> Any:
        several = isinstance(inputs, list | tuple)
        first = inputs[1] if several and len(inputs) > 1 else arguments.get("initial_state")
        if isinstance(first, list | tuple):
            first = first[0]
        if first is None and self.stateful:
            first = tf.identity(self.states[0])
        found = layer.call(self, inputs, mask=mask, **arguments)
        counts = mask[0] if isinstance(mask, list | tuple) else mask
        if first is None or counts is None or self.unroll:
            return found
        output, *states = found if self.return_state else [found]
        output = _before_steps(tf, output, first, counts, backwards=self.go_backwards, each=self.return_sequences)
        return [output, *states] if self.return_state else output

    return type(layer.__name__, (layer,), {"call": call})


def _before_steps(tf: Any, output: Any, first: Any, counts: Any, *, backwards: bool, each: bool) -> Any:
    """The output with the first state where no step has counted yet."""
    if not each:
        return tf.where(tf.reduce_any(counts, axis=1, keepdims=True), output, first)
    counts = tf.reverse(counts, [1]) if backwards else counts
    begun = tf.cumsum(tf.cast(counts, tf.int32), axis=1) > 0
    return tf.where(begun[:, :, tf.newaxis], output, first[:, tf.newaxis, :])


def _is_bilinear(config: Mapping[str, Any]) -> bool:
    return config.get("interpolation") == "bilinear"


def _enlarges_from_corners(tf: Any, layer: Any) -> Any:
    """A layer that enlarges as TensorFlow 1 did, by the pixels' corners, as Keras did outside of TensorFlow."""

    def call(self: Any, inputs: Any) -> Any:
        if self.interpolation != "bilinear":
            return layer.call(self, inputs)
        first = self.data_format == "channels_first"
        images = tf.transpose(inputs, [0, 2, 3, 1]) if first else inputs
        size = tf.shape(images)[1:3] * tf.constant(self.size, tf.int32)
        enlarged = tf.compat.v1.image.resize_bilinear(images, size)
        return tf.transpose(enlarged, [0, 3, 1, 2]) if first else enlarged

    return type(layer.__name__, (layer,), {"call": call})
