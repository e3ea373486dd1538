"""Fourier transforms of real numbers, of which the parts or the sizes are taken: ONNX has no complex numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfkit.arrays import Array
from tfkit.export.onnx.rules.registry import onnx_rule
from tfkit.graph.nodes import Node, Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas


def _transform(edit: Edit) -> Node | None:
    """The transform that a node takes a part of."""
    tensor = edit.input(0)
    while tensor.node.op == "Identity":
        tensor = tensor.node.inputs[0]
    return tensor.node if tensor.node.op == "RFFT" else None


def _is_of_transform(edit: Edit) -> bool:
    return _transform(edit) is not None


@onnx_rule("Real", makes="a product with cosines", wanted=_is_of_transform)
def real(edit: Edit) -> None:
    """How much of each wave begins at its height."""
    edit.become_identity(_part(edit, np.cos))


@onnx_rule("Imag", makes="a product with sines", wanted=_is_of_transform)
def imag(edit: Edit) -> None:
    """How much of each wave begins at 0."""
    edit.become_identity(_part(edit, _minus_sin))


@onnx_rule("ComplexAbs", makes="products with cosines and sines, Square, Add, Sqrt", wanted=_is_of_transform)
def complex_abs(edit: Edit) -> None:
    """How high each wave is."""
    cosines, sines = _part(edit, np.cos), _part(edit, _minus_sin)
    maths = Formulas(edit, edit.dtype(cosines))
    edit.become_identity(maths.do("Sqrt", maths.do("Add", maths.do("Square", cosines), maths.do("Square", sines))))


def _minus_sin(angles: Array) -> Array:
    return np.asarray(-np.sin(angles))


def _part(edit: Edit, wave: Callable[[Array], Array]) -> Tensor:
    """The numbers times a matrix that holds a wave in each column: from none in their length to as many as half."""
    transform = _transform(edit)
    if transform is None:
        raise AssertionError("it was wanted")
    numbers, lengths = transform.inputs
    length = int(edit.constant(lengths, "the length of the transform").reshape(-1)[-1])
    shape = edit.shape(numbers)
    if not shape or shape[-1] is None:
        edit.refuse("how many numbers are transformed is not known")
    taken = min(shape[-1], length)  # a longer transform has zeros behind them
    if taken < shape[-1]:
        numbers = edit.gather(numbers, list(range(taken)), len(shape) - 1)
    turns = np.outer(np.arange(taken), np.arange(length // 2 + 1)) % length
    matrix = edit.const(wave(2 * np.pi * turns / length), edit.dtype(numbers))
    if len(shape) > 1:
        return edit.add("BatchMatMulV2", (numbers, matrix), T=edit.dtype(numbers))
    row = edit.add("BatchMatMulV2", (edit.expand_dims(numbers, 0), matrix), T=edit.dtype(numbers))
    return edit.reshape(row, [-1])
