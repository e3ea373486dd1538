"""What values an input may take, as far as a graph says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tfkit.tensors import DType, Shape


@dataclass(frozen=True, slots=True)
class IntRange:
    """Whole numbers from ``low`` up to, but not including, ``high``, as an index into a table of ``high`` rows.

    Attributes:
        low: The smallest.
        high: One more than the largest.
        closed: Whether any other number is an error; otherwise it counts for nothing, as in ``OneHot``.
        sure: Whether every value is used so, in each of its dimensions; otherwise it may be some, which a slice or a
            condition picks.
    """

    low: int
    high: int
    closed: bool = field(default=True, compare=False)
    sure: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Keys of a lookup: texts as ``bytes``, or whole numbers.

    Attributes:
        keys: Keys that the lookup knows; of a long list the first thousand.
        closed: Whether any other value is an error. Otherwise an unknown value is a case of its own, worth a sample.
        sure: Whether every value is looked up; otherwise it may be some, which a slice or a condition picks.
    """

    keys: tuple[bytes, ...] | tuple[int, ...]
    closed: bool = False
    sure: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of a ``tf.train.Example``.

    Attributes:
        name: Its name.
        dtype: Whole numbers (int64), floats (float32) or texts.
        shape: The shape of its values; where the first dimension is unknown, a row of any length. ``None``: any number
            of values, or none, as for sparse and ragged features.
        domain: What values it may take, as far as the graph says.
    """

    name: str
    dtype: DType
    shape: Shape | None
    domain: IntRange | Vocabulary | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """Serialized messages ``tf.train.Example``, or ``tf.train.SequenceExample``, which has feature lists as well.

    Attributes:
        features: What a message has to hold.
        lists: Features of which it has to hold one for each step of a sequence.
    """

    features: tuple[Feature, ...]
    lists: tuple[Feature, ...] = ()


Domain = IntRange | Vocabulary | Examples


def combine(first: Domain | None, second: Domain) -> Domain:
    """The values that two consumers of an input both take; the first's where they have none in common."""
    if first is None:
        return second
    if isinstance(first, Examples) or isinstance(second, Examples):
        return _combine_examples(first, second)
    return combine_values(first, second)


def _combine_examples(first: Domain, second: Domain) -> Domain:
    """Messages with the features that both parsers read; anything else gives way to messages."""
    if not isinstance(first, Examples):
        return second
    if not isinstance(second, Examples):
        return first
    return Examples(_combine_features(first.features, second.features), _combine_features(first.lists, second.lists))


def _combine_features(first: tuple[Feature, ...], second: tuple[Feature, ...]) -> tuple[Feature, ...]:
    found: dict[str, Feature] = {}
    for feature in (*first, *second):
        known = found.get(feature.name, feature)
        domain = known.domain if feature.domain is None else combine_values(known.domain, feature.domain)
        found[feature.name] = replace(known, shape=feature.shape if known.shape is None else known.shape, domain=domain)
    return tuple(found.values())


def combine_values(first: IntRange | Vocabulary | None, second: IntRange | Vocabulary) -> IntRange | Vocabulary:
    """The same, of plain values."""
    if first is None:
        return second
    sure = first.sure and second.sure
    if isinstance(first, IntRange) and isinstance(second, IntRange):
        low, high = max(first.low, second.low), min(first.high, second.high)
        return IntRange(low, high, first.closed or second.closed, sure) if low < high else first
    if isinstance(first, IntRange):
        return combine_values(second, first)
    if isinstance(second, IntRange):
        inside = tuple(key for key in first.keys if isinstance(key, int) and second.low <= key < second.high)
        return Vocabulary(inside, closed=True, sure=sure) if inside else first
    closed = first.closed or second.closed
    known = frozenset(second.keys)
    shared = tuple(key for key in first.keys if key in known)
    return Vocabulary(shared or first.keys, closed, sure)  # type: ignore[arg-type]
