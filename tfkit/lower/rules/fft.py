"""Fourier transforms of real numbers in doubles; before TensorFlow 2.3 only those of complex numbers know doubles."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_AXES = {"RFFT": 1, "RFFT2D": 2, "RFFT3D": 3, "IRFFT": 1, "IRFFT2D": 2, "IRFFT3D": 3}
_COMPLEX = {1: "FFT", 2: "FFT2D", 3: "FFT3D"}


@rule("RFFT", "RFFT2D", "RFFT3D", makes="the transform of complex numbers, half of it", misfit="attribute")
def transform(edit: Edit) -> None:
    """Leaves out the half that mirrors the other; costs twice as much."""
    numbers, lengths = edit.node.inputs
    axes = _AXES[edit.node.op]
    rank = edit.rank(numbers, "the numbers")
    cropped = _crop(edit, numbers, rank, lengths)
    spectrum = _complex(edit, _COMPLEX[axes], edit.cast(cropped, DType.COMPLEX128))
    half = edit.concat([edit.part(lengths, None, -1), _half(edit, edit.part(lengths, -1, None))])
    edit.become_identity(_crop(edit, spectrum, rank, half))


@rule("IRFFT", "IRFFT2D", "IRFFT3D", makes="the inverse transform of complex numbers", misfit="attribute")
def invert(edit: Edit) -> None:
    """Transforms the other axes, then the last, whose second half mirrors the first; costs twice as much."""
    spectrum, lengths = edit.node.inputs
    axes = _AXES[edit.node.op]
    rank = edit.rank(spectrum, "the spectrum")
    length = edit.part(lengths, -1, None)
    half = _half(edit, length)
    given = _crop(edit, spectrum, rank, edit.concat([edit.part(lengths, None, -1), half]))
    if axes > 1:
        given = _invert_outer(edit, given, rank, axes - 1)
    mirrored = edit.binary("Sub", length, half)
    first = edit.const([0] * (rank - 1) + [1])
    sizes = edit.concat([edit.const([-1] * (rank - 1)), mirrored]) if rank > 1 else mirrored
    second = edit.add("Slice", (given, first, sizes), T=DType.COMPLEX128, Index=DType.INT32)
    second = edit.add("ReverseV2", (second, edit.const([rank - 1])), T=DType.COMPLEX128, Tidx=DType.INT32)
    second = _complex(edit, "Conj", second, attribute="T")
    numbers = _complex(edit, "IFFT", edit.concat([given, second], axis=rank - 1))
    edit.become("Real", (numbers,), T=DType.COMPLEX128, Tout=DType.DOUBLE)


def _invert_outer(edit: Edit, spectrum: Tensor, rank: int, count: int) -> Tensor:
    """Inverts a spectrum along as many axes as there are before the last."""
    batch = rank - 1 - count
    moved = edit.transpose(spectrum, [*range(batch), rank - 1, *range(batch, rank - 1)])
    inverted = _complex(edit, f"I{_COMPLEX[count]}", moved)
    return edit.transpose(inverted, [*range(batch), *range(batch + 1, rank), batch])


def _half(edit: Edit, length: Tensor) -> Tensor:
    """How many numbers of a spectrum of this length mirror no others before them."""
    return edit.binary("Add", edit.binary("FloorDiv", length, edit.const([2])), edit.const([1]))


def _crop(edit: Edit, tensor: Tensor, rank: int, sizes: Tensor) -> Tensor:
    """The beginning of a tensor along its last axes."""
    batch = rank - _AXES[edit.node.op]
    wanted = edit.concat([edit.const([-1] * batch), sizes]) if batch else sizes
    return edit.add("Slice", (tensor, edit.const([0] * rank), wanted), T=edit.dtype(tensor), Index=DType.INT32)


def _complex(edit: Edit, op: str, tensor: Tensor, attribute: str = "Tcomplex") -> Tensor:
    return edit.add(op, (tensor,), **{attribute: DType.COMPLEX128})
