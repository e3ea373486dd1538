"""Sums of products along named axes, of any number of operands."""

from __future__ import annotations

import math
import string
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tfkit.graph.nodes import Tensor
from tfkit.lower.broadcast import common_shape
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType, Shape

_ELLIPSIS = "..."
_INTEGERS = frozenset(
    (DType.INT8, DType.INT16, DType.INT64, DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64)
)  # int32 has its product of matrices everywhere


@dataclass(frozen=True, slots=True)
class _Operand:
    """A tensor, with a letter for each of its axes and what is known of their sizes."""

    tensor: Tensor
    axes: str
    sizes: Shape

    def size(self, letter: str) -> int | None:
        return self.sizes[self.axes.index(letter)]


@rule("Einsum", makes="Transpose, Reshape, MatMul")
def einsum(edit: Edit) -> None:
    """Multiplies operand after operand; what nothing further needs is summed as soon as it can be."""
    equation = _Equation(edit)
    operands = [equation.operand(at) for at in range(len(edit.node.inputs))]
    product = operands.pop(0)
    while operands:
        later = {*equation.result, *(letter for each in operands[1:] for letter in each.axes)}
        product = equation.sum(product, needed={*later, *operands[0].axes})
        other = equation.sum(operands.pop(0), needed={*later, *product.axes})
        product = equation.multiply(product, other, needed=later)
    product = equation.sum(product, needed=set(equation.result))
    equation.become(product)


class _Equation:
    """An equation, and what its parts are made of.

    Attributes:
        result: The letters of the result's axes.
    """

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        self._dtype = edit.dtype(edit.input(0))
        left, _, self.result = edit.node.text_attr("equation").replace(" ", "").partition("->")
        self._terms = left.split(",")
        self._spread = ""  # the letters of axes that are broadcast
        if _ELLIPSIS in left:
            self._expand(left + self.result)

    def _expand(self, taken: str) -> None:
        """Gives the axes that an ellipsis stands for letters of their own."""
        free = [letter for letter in string.ascii_letters if letter not in taken]
        counts = [
            self._edit.rank(tensor, "an operand with an ellipsis") - len(term.replace(_ELLIPSIS, ""))
            for tensor, term in zip(self._edit.node.inputs, self._terms, strict=True)
            if _ELLIPSIS in term
        ]
        self._spread = "".join(free[: max(counts)])
        # Of fewer axes they are the last ones, as in any broadcast.
        counts.reverse()
        self._terms = [
            term.replace(_ELLIPSIS, self._spread[len(self._spread) - counts.pop() :]) if _ELLIPSIS in term else term
            for term in self._terms
        ]
        self.result = self.result.replace(_ELLIPSIS, self._spread)

    def operand(self, at: int) -> _Operand:
        """An operand; of axes that share a letter only the diagonal."""
        tensor, axes = self._edit.input(at), self._terms[at]
        operand = _Operand(tensor, axes, self._edit.shape(tensor) or (None,) * len(axes))
        for letter in axes:
            if operand.axes.count(letter) > 1:
                operand = self._diagonal(operand, letter)
        return operand

    def _diagonal(self, operand: _Operand, letter: str) -> _Operand:
        others = [at for at, axis in enumerate(operand.axes) if axis != letter]
        alike = [at for at, axis in enumerate(operand.axes) if axis == letter]
        # Two at a time; what was a diagonal of two is an axis like the third.
        order = [*others, *alike]
        moved = self._edit.transpose(operand.tensor, order)
        part = self._edit.add("MatrixDiagPart", (moved,), T=self._dtype)
        kept = order[:-1]
        axes = "".join(operand.axes[at] for at in kept)
        return _Operand(part, axes, tuple(operand.sizes[at] for at in kept))

    def sum(self, operand: _Operand, needed: Collection[str]) -> _Operand:
        """An operand without the axes that nothing needs."""
        kept = [at for at, letter in enumerate(operand.axes) if letter in needed]
        if len(kept) == len(operand.axes):
            return operand
        gone = [at for at in range(len(operand.axes)) if at not in kept]
        return _Operand(
            self._edit.reduce("Sum", operand.tensor, gone),
            "".join(operand.axes[at] for at in kept),
            tuple(operand.sizes[at] for at in kept),
        )

    def multiply(self, x: _Operand, y: _Operand, needed: Collection[str]) -> _Operand:
        """The product of two operands, summed over the axes of both that nothing needs."""
        shared = [letter for letter in x.axes if letter in y.axes]
        summed = "".join(letter for letter in shared if letter not in needed and letter not in self._spread)
        if not summed or (self._dtype in _INTEGERS and not self._edit.target.has_kernel("MatMul", {"T": self._dtype})):
            return self.sum(self._by_elements(x, y), needed)
        return self.sum(self._by_matrices(x, y, "".join(each for each in shared if each not in summed), summed), needed)

    def _by_elements(self, x: _Operand, y: _Operand) -> _Operand:
        axes = x.axes + "".join(letter for letter in y.axes if letter not in x.axes)
        tensors = [self._stretched(each, axes) for each in (x, y)]
        sizes = tuple(_either(x, y, letter, spread=letter in self._spread) for letter in axes)
        return _Operand(self._edit.binary("Mul", *tensors), axes, sizes)

    def _stretched(self, operand: _Operand, axes: str) -> Tensor:
        """An operand with all of some axes, in their order; those that it lacks have the size 1."""
        tensor = self._ordered(operand, "".join(letter for letter in axes if letter in operand.axes))
        for at, letter in enumerate(axes):
            if letter not in operand.axes:
                tensor = self._edit.expand_dims(tensor, at)
        return tensor

    def _ordered(self, operand: _Operand, axes: str) -> Tensor:
        return self._edit.transpose(operand.tensor, [operand.axes.index(letter) for letter in axes])

    def _by_matrices(self, x: _Operand, y: _Operand, batch: str, summed: str) -> _Operand:
        rows = "".join(letter for letter in x.axes if letter not in batch + summed)
        columns = "".join(letter for letter in y.axes if letter not in batch + summed)
        left = self._arranged(x, batch, rows + summed)
        right = self._arranged(y, batch, summed + columns)
        if any(letter in self._spread and not _same(x, y, letter) for letter in batch):
            left, right = self._with_common_batch(left, right, len(batch))
        groups = [batch] if batch else []
        matrices = [self._grouped(left, [*groups, rows, summed]), self._grouped(right, [*groups, summed, columns])]
        op = "BatchMatMul" if batch else "MatMul"
        product = self._edit.add(op, matrices, T=self._dtype)
        return self._ungrouped(product, left, right, batch + rows, columns)

    def _arranged(self, operand: _Operand, batch: str, rest: str) -> _Operand:
        axes = batch + rest
        return _Operand(self._ordered(operand, axes), axes, tuple(operand.size(letter) for letter in axes))

    def _with_common_batch(self, x: _Operand, y: _Operand, count: int) -> list[_Operand]:
        edit = self._edit
        shapes = [edit.shape_tensor(each.tensor) for each in (x, y)]
        common = common_shape(edit, [edit.part(shape, None, count) for shape in shapes])
        sizes = tuple(_either(x, y, letter, spread=letter in self._spread) for letter in x.axes[:count])
        stretched = []
        for each, shape in zip((x, y), shapes, strict=True):
            known = sizes + each.sizes[count:]
            tensor = edit.broadcast_to(each.tensor, edit.concat([common, edit.part(shape, count, None)]))
            stretched.append(_Operand(edit.note(tensor, known), each.axes, known))
        return stretched

    def _grouped(self, operand: _Operand, groups: Sequence[str]) -> Tensor:
        """An operand with one axis for each group of its axes."""
        if all(len(group) == 1 for group in groups):
            return operand.tensor
        known = [[operand.size(letter) for letter in group] for group in groups]
        sizes = [None if None in group else math.prod(size or 0 for size in group) for group in known]
        if (constant := _inferable(sizes)) is not None:
            return self._edit.reshape(operand.tensor, constant)
        shape = self._edit.shape_tensor(operand.tensor)
        parts, at = [], 0
        for group in groups:
            part = self._edit.part(shape, at, at + len(group)) if group else self._edit.const([1])
            parts.append(self._edit.reduce("Prod", part, [0], keep_dims=True) if len(group) > 1 else part)
            at += len(group)
        return self._edit.reshape(operand.tensor, self._edit.concat(parts))

    def _ungrouped(self, product: Tensor, x: _Operand, y: _Operand, first: str, last: str) -> _Operand:
        """A product of matrices with all the axes that its operands had."""
        sizes = (*(x.size(letter) for letter in first), *(y.size(letter) for letter in last))
        result = _Operand(product, first + last, sizes)
        edit = self._edit
        if (constant := _inferable(sizes)) is not None:
            return _Operand(edit.reshape(product, constant), result.axes, sizes)
        shape = edit.part(edit.shape_tensor(x.tensor), None, len(first))
        if last:
            shape = edit.concat([shape, edit.part(edit.shape_tensor(y.tensor), len(y.axes) - len(last), None)])
        return _Operand(edit.reshape(product, shape), result.axes, sizes)

    def become(self, product: _Operand) -> None:
        """Lets the node give a product, its axes in the order of the result."""
        edit = self._edit
        once = "".join(dict.fromkeys(self.result))
        tensor, axes = self._ordered(product, once), once
        for letter in once:
            for _ in range(self.result.count(letter) - 1):
                at = [*(each for each in range(len(axes)) if axes[each] != letter), axes.index(letter)]
                tensor = edit.add("MatrixDiag", (edit.transpose(tensor, at),), T=self._dtype)
                axes = "".join(axes[each] for each in at) + letter
            if self.result.count(letter) > 2:
                edit.refuse(f"its result has the axis {letter!r} more than twice")
        if axes != self.result:
            tensor = edit.transpose(tensor, _places(axes, self.result))
        edit.become_identity(tensor)


def _places(axes: str, wanted: str) -> list[int]:
    """Where in ``axes`` each of the wanted letters is; equal letters in turn."""
    free = list(range(len(axes)))
    places = []
    for letter in wanted:
        place = next(at for at in free if axes[at] == letter)
        free.remove(place)
        places.append(place)
    return places


def _same(x: _Operand, y: _Operand, letter: str) -> bool:
    size = x.size(letter)
    return size is not None and size == y.size(letter)


def _either(x: _Operand, y: _Operand, letter: str, *, spread: bool) -> int | None:
    """What is known of an axis' size from the operands that have it."""
    sizes = [each.size(letter) for each in (x, y) if letter in each.axes]
    known = [size for size in sizes if size is not None]
    if not spread or len(sizes) == 1:
        return known[0] if known else None
    larger = [size for size in known if size != 1]
    if larger:
        return larger[0]
    return 1 if len(known) == len(sizes) else None


def _inferable(sizes: Sequence[int | None]) -> list[int] | None:
    """Sizes for ``Reshape`` if it can find out the one that is not known; else ``None``."""
    unknown = sum(size is None for size in sizes)
    if unknown > 1 or (unknown == 1 and 0 in sizes):
        return None
    return [-1 if size is None else size for size in sizes]
