"""Weights of recurrent layers as cuDNN lays them out, which ``CuDNNLSTM`` and ``CuDNNGRU`` of old Kerases saved.

Each gate's kernel is transposed there, and there are two biases, of which an LSTM needs only the sum. Source: NVIDIA's
description of ``cudnnRNNGetLinLayerMatrixParams``, and what Keras's two kinds of layers compute with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tfkit.arrays import Array

_GATES = {"LSTM": 4, "GRU": 3}


def from_cudnn(class_name: str, values: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """A layer's weights as it takes them; the same ones, if they are not laid out for cuDNN.

    Args:
        class_name: The layer's class: ``LSTM``, ``GRU``, ``Bidirectional``; others are left as they are.
        values: Kernel, recurrent kernel and bias; of a bidirectional layer those of both directions.
        shapes: The shapes that the layer's own weights have.
    """
    if class_name == "Bidirectional" and len(values) == 6 == len(shapes):
        gates = shapes[1][-1] // shapes[1][0] if shapes[1][0] else 0
        inner = next((name for name, number in _GATES.items() if number == gates), "")
        return [*from_cudnn(inner, values[:3], shapes[:3]), *from_cudnn(inner, values[3:], shapes[3:])]
    if class_name not in _GATES or len(values) != 3 or len(shapes) != 3:
        return list(values)
    gates = _GATES[class_name]
    units = shapes[1][0]
    if values[2].shape != (2 * gates * units,) or values[2].shape == shapes[2]:
        return list(values)
    kernel = _each_gate(values[0], gates, lambda gate: gate.T.reshape(gate.shape, order="F"))
    recurrent = _each_gate(values[1], gates, lambda gate: gate.T)
    halves = values[2].reshape(2, gates * units)
    return [kernel, recurrent, halves if class_name == "GRU" else halves.sum(axis=0)]


def _each_gate(kernels: Array, gates: int, change: Callable[[Array], Array]) -> Array:
    return np.concatenate([change(gate) for gate in np.split(kernels, gates, axis=1)], axis=1)
