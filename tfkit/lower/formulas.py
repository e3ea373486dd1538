"""Formulas of numbers of one dtype, as nodes, for the rules."""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.tensors import DType

Value = Tensor | float


class Formulas:
    """Adds nodes whose operands are tensors of a dtype, or plain numbers.

    Args:
        edit: Adds the nodes.
        dtype: The dtype.
    """

    def __init__(self, edit: Edit, dtype: DType = DType.FLOAT) -> None:
        self._edit = edit
        self._dtype = dtype

    def of(self, value: Value) -> Tensor:
        """A number as a tensor."""
        return value if isinstance(value, Tensor) else self._edit.const(value, self._dtype)

    def do(self, op: str, *values: Value) -> Tensor:
        """``Add``, ``Mul``, ``Sqrt``, ``Less``, ... of operands that can be broadcast."""
        return self._edit.add(op, [self.of(value) for value in values], T=self._dtype)

    def choose(self, condition: Tensor, yes: Value, no: Value) -> Tensor:
        """One where a condition holds, the other elsewhere."""
        return self._edit.add("SelectV2", (condition, self.of(yes), self.of(no)), T=self._dtype)

    def polynomial(self, x: Tensor, factors: Sequence[float]) -> Tensor:
        """A polynomial, the factor of the highest power first."""
        total = self.of(factors[0])
        for factor in factors[1:]:
            total = self.do("Add", self.do("Mul", total, x), factor)
        return total

    def both(self, one: Tensor, other: Tensor) -> Tensor:
        """Whether two conditions hold."""
        return self._edit.add("LogicalAnd", (one, other))
