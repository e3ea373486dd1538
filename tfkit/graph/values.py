"""What values an input may take, as far as a graph says."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IntRange:
    """Whole numbers from ``low`` up to, but not including, ``high``, as an index into a table of ``high`` rows.

    Attributes:
        low: The smallest.
        high: One more than the largest.
        closed: Whether any other number is an error; otherwise it counts for nothing, as in ``OneHot``.
    """

    low: int
    high: int
    closed: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Keys of a lookup: texts as ``bytes``, or whole numbers.

    Attributes:
        keys: Keys that the lookup knows; of a long list the first thousand.
        closed: Whether any other value is an error. Otherwise an unknown value is a case of its own, worth a sample.
    """

    keys: tuple[bytes, ...] | tuple[int, ...]
    closed: bool = False


Domain = IntRange | Vocabulary


def combine(first: Domain | None, second: Domain) -> Domain:
    """The values that two consumers of an input both take; the first's where they have none in common."""
    if first is None:
        return second
    if isinstance(first, IntRange) and isinstance(second, IntRange):
        low, high = max(first.low, second.low), min(first.high, second.high)
        return IntRange(low, high, first.closed or second.closed) if low < high else first
    if isinstance(first, IntRange):
        return combine(second, first)
    if isinstance(second, IntRange):
        inside = tuple(key for key in first.keys if isinstance(key, int) and second.low <= key < second.high)
        return Vocabulary(inside, closed=True) if inside else first
    closed = first.closed or second.closed
    known = frozenset(second.keys)
    shared = tuple(key for key in first.keys if key in known)
    return Vocabulary(shared, closed) if shared else Vocabulary(first.keys, closed)  # type: ignore[arg-type]
