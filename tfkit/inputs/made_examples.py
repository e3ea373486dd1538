"""Serialized ``tf.train.Example``s and ``SequenceExample``s made up for a model that parses them.

Features of any number of values have equally many in one message, since a model may take one as the weights of another;
so have feature lists steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from tfkit import proto
from tfkit.arrays import Array
from tfkit.eas.messages import MAX_MESSAGE_BYTES
from tfkit.errors import SignatureError
from tfkit.graph.values import Examples, Feature
from tfkit.tensors import DType

MOST_VALUES = 3  # of features of any number of values, and steps of feature lists
_BYTES_PER_VALUE = 8

Draw = Callable[[tuple[int, ...]], Array]
# A number of values, of at least so many.
_Count = Callable[[int], int]


def random_examples(holds: Examples, generator: np.random.Generator, drawer: Callable[[Feature], Draw]) -> Draw:
    """The function that draws messages.

    Args:
        holds: What a message has to hold.
        generator: Draws how many values there are.
        drawer: The function that draws the values of a feature.
    """
    draws = {feature: drawer(feature) for feature in (*holds.features, *holds.lists)}

    def count(least: int) -> int:
        return int(generator.integers(least, MOST_VALUES + 1))

    return partial(_messages, holds, lambda feature, size: draws[feature]((size,)), count)


def zero_examples(holds: Examples, shape: tuple[int, ...]) -> Array:
    """Messages of zeros and empty texts; features of any number of values have as few as may be."""
    return _messages(holds, _zeros, lambda least: least, shape)


def _zeros(feature: Feature, size: int) -> Array:
    return np.full((size,), b"" if feature.dtype is DType.STRING else 0, dtype=object)


def _messages(holds: Examples, draw: Callable[[Feature, int], Array], count: _Count, shape: tuple[int, ...]) -> Array:
    values = np.empty(math.prod(shape), dtype=object)
    _check_size(holds, len(values))
    for row in range(len(values)):
        # Where a batch has no value at all, a model may be left with a dimension of none.
        values[row] = _message(holds, draw, count, least=0 if row else 1)
    return values.reshape(shape)


def _message(holds: Examples, draw: Callable[[Feature, int], Array], count: _Count, *, least: int) -> bytes:
    # An Example is a SequenceExample without feature lists: they have the same field numbers.
    message = proto.message("tensorflow.SequenceExample")()
    _fill(message.context.feature, holds.features, draw, count(least))
    for _ in range(count(1) if holds.lists else 0):
        size = count(least)
        for feature in holds.lists:
            step = message.feature_lists.feature_list[feature.name].feature.add()
            _set(step, feature, draw(feature, _size(feature, size)))
    return bytes(message.SerializeToString(deterministic=True))


def _fill(into: Any, features: Iterable[Feature], draw: Callable[[Feature, int], Array], size: int) -> None:
    for feature in features:
        _set(into[feature.name], feature, draw(feature, _size(feature, size)))


def _set(into: Any, feature: Feature, values: Array) -> None:
    kinds = {DType.FLOAT: into.float_list, DType.INT64: into.int64_list, DType.STRING: into.bytes_list}
    kind = kinds[feature.dtype]
    kind.SetInParent()
    kind.value.extend(values.tolist())


def _size(feature: Feature, size: int) -> int:
    """How many values a feature has, where one of any number of them has ``size``."""
    if feature.shape is None:
        return size
    # Rows of any number: no default may stand for none.
    return math.prod(max(size, 1) if each is None else each for each in feature.shape)


def _check_size(holds: Examples, rows: int) -> None:
    steps = [(feature, MOST_VALUES) for feature in holds.lists]
    for feature, times in (*((feature, 1) for feature in holds.features), *steps):
        size = rows * times * _size(feature, MOST_VALUES) * _BYTES_PER_VALUE
        if size > MAX_MESSAGE_BYTES:
            raise SignatureError(f"feature {feature.name!r} would take {size} bytes: a message holds 2 GiB")
