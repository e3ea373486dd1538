"""Inputs made up: zeros, and seeded random values inside what the graph allows.

Without a bound, floats are uniform in [0, 1), uint8 covers its whole range (pictures), other whole numbers are 0 to 9,
texts are short words, or serialized Examples where the graph parses them. Each input has its own stream of random
numbers, from the seed and its name, so that adding an input does not change another.
"""

from __future__ import annotations

import hashlib
import math
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.eas.messages import MAX_MESSAGE_BYTES
from tfkit.errors import SignatureError
from tfkit.graph.values import Domain, Examples, Feature, IntRange, Vocabulary
from tfkit.inputs.made_examples import Draw, random_examples, zero_examples
from tfkit.inputs.options import RandomSource
from tfkit.tensors import DType, TensorSpec

WORDS = (b"alpha", b"bravo", b"charlie", b"delta", b"echo", b"foxtrot", b"golf", b"hotel")
DEFAULT_INTEGERS = IntRange(0, 10)
_VARIED_TRIES = 16


def zeros(spec: TensorSpec, batch_size: int, unknown_dim: int, domain: Domain | None = None) -> Array:
    """Zeros, false, empty texts, or Examples of these, in the input's shape."""
    shape = _shape(spec, batch_size, unknown_dim)
    if isinstance(domain, Examples) and spec.dtype is DType.STRING:
        return zero_examples(domain, shape)
    if spec.dtype is DType.STRING:
        return np.full(shape, b"", dtype=object)
    return np.zeros(shape, NUMPY_DTYPES[spec.dtype])


def random(
    spec: TensorSpec, source: RandomSource, *, batch_size: int, unknown_dim: int, seed: int, domain: Domain | None
) -> Array:
    """Random values in the input's shape: from the source's own bounds, else from the domain, else the defaults.

    Raises:
        SignatureError: The input's rank is unknown, or bounds were given that its dtype cannot hold.
    """
    shape = _shape(spec, batch_size, unknown_dim)
    digest = hashlib.sha256(spec.name.encode()).digest()
    generator = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
    draw = _drawer(spec, source, domain, generator)
    values = draw(shape)
    for _ in range(_VARIED_TRIES):
        # A batch of equal rows proves little: draw again where a narrow range happened to give one.
        if not shape or shape[0] < 2 or not values.size or (values != values[:1]).any():
            break
        values = draw(shape)
    return values


def _shape(spec: TensorSpec, batch_size: int, unknown_dim: int) -> tuple[int, ...]:
    if spec.shape is None:
        raise SignatureError(
            f"input {spec.name!r} has an unknown rank: no values can be made up for it",
            hint=f"Give a sample: --input {spec.name}=@FILE.npy",
        )
    if spec.dtype not in NUMPY_DTYPES:
        raise SignatureError(f"input {spec.name!r} is {spec}: no request can hold values of that dtype")
    shape = tuple((unknown_dim if at else batch_size) if dim is None else dim for at, dim in enumerate(spec.shape))
    size = math.prod(shape) * NUMPY_DTYPES[spec.dtype].itemsize
    if size > MAX_MESSAGE_BYTES:
        raise SignatureError(
            f"input {spec.name!r} would take {size} bytes in shape {list(shape)}: a message holds 2 GiB"
        )
    return shape


def _drawer(spec: TensorSpec, source: RandomSource, domain: Domain | None, generator: np.random.Generator) -> Draw:
    """The function that draws values of a shape."""
    target = NUMPY_DTYPES[spec.dtype]
    if source.low is not None and source.high is not None:
        return _bounded(spec, target, source.low, source.high, generator)
    if isinstance(domain, Examples) and spec.dtype is DType.STRING:
        return random_examples(domain, generator, partial(_feature_drawer, generator))
    if (
        isinstance(domain, Vocabulary)
        and domain.keys
        and isinstance(domain.keys[0], bytes) == (spec.dtype is DType.STRING)
    ):
        return lambda shape: _from_keys(domain, spec, generator, shape)
    if spec.dtype is DType.STRING:
        return lambda shape: _from_pool(WORDS, np.dtype(object), generator, shape)
    if spec.dtype is DType.BOOL:
        return lambda shape: np.asarray(generator.integers(0, 2, shape)).astype(np.bool_)
    if isinstance(domain, IntRange):
        return _integers(target, domain, generator)
    if target.kind in "iu" or target.names is not None:
        return _integers(target, IntRange(0, 256) if spec.dtype is DType.UINT8 else DEFAULT_INTEGERS, generator)
    return _floats(target, 0.0, 1.0, generator)


def _feature_drawer(generator: np.random.Generator, feature: Feature) -> Draw:
    return _drawer(TensorSpec(feature.name, feature.dtype, None), RandomSource(), feature.domain, generator)


def _bounded(spec: TensorSpec, target: np.dtype[Any], low: float, high: float, generator: np.random.Generator) -> Draw:
    if spec.dtype in (DType.STRING, DType.BOOL):
        raise SignatureError(f"input {spec.name!r} is {spec}: random:LO:HI is for numbers", hint="Use random alone.")
    held = target[0] if target.names is not None else target
    if held.kind not in "iu":
        largest = float(ml_dtypes.finfo(held).max)
        if max(abs(low), abs(high)) > largest:
            raise SignatureError(f"input {spec.name!r} is {spec}: random:{low}:{high} is out of its range")
        return _floats(target, float(low), float(high), generator)
    limits = np.iinfo(held)
    if low != int(low) or high != int(high) or low < limits.min or high > limits.max + 1:
        raise SignatureError(
            f"input {spec.name!r} is {spec}: random:{low}:{high} is not possible, "
            f"expected whole numbers from {limits.min} to {limits.max + 1}"
        )
    return _integers(target, IntRange(int(low), int(high)), generator)


def _integers(target: np.dtype[Any], bounds: IntRange, generator: np.random.Generator) -> Draw:
    held = target[0] if target.names is not None else target
    low, high = bounds.low, bounds.high
    if held.kind in "iu":
        limits = np.iinfo(held)
        low, high = max(low, int(limits.min)), min(high, int(limits.max) + 1)
    wide = np.uint64 if held == np.uint64 else np.int64
    # A table too far up for the dtype leaves nothing in between: its lowest value then.
    high = max(high, low + 1)
    return lambda shape: np.asarray(generator.integers(low, high, shape, dtype=wide)).astype(held).view(target)


def _floats(target: np.dtype[Any], low: float, high: float, generator: np.random.Generator) -> Draw:
    def draw(shape: tuple[int, ...]) -> Array:
        values = low + (high - low) * generator.random(shape)
        if target.kind == "c":
            values = values + 1j * (low + (high - low) * generator.random(shape))
        return np.asarray(values).astype(target)

    return draw


def _from_keys(domain: Vocabulary, spec: TensorSpec, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    target = NUMPY_DTYPES[spec.dtype]
    keys: list[Any] = list(domain.keys)
    if target.kind in "iu":
        limits = np.iinfo(target)
        keys = [key for key in keys if limits.min <= key <= limits.max]
    if not domain.closed:
        keys.append(_unknown(domain))
    return _from_pool(tuple(keys) or (0,), target, generator, shape)


def _unknown(domain: Vocabulary) -> bytes | int:
    """A value that is none of the keys."""
    known = frozenset(domain.keys)
    if isinstance(domain.keys[0], bytes):
        word = b"unknown"
        while word in known:
            word += b"_"
        return word
    return next(number for number in range(1, len(known) + 2) if number not in known)


def _from_pool(
    pool: tuple[Any, ...], target: np.dtype[Any], generator: np.random.Generator, shape: tuple[int, ...]
) -> Array:
    """Draws in shuffled rounds, so that values repeat only when all of the pool was used."""
    order = generator.permutation(len(pool))
    values = np.empty(math.prod(shape), dtype=target)
    values[:] = [pool[order[at % len(pool)]] for at in range(values.size)]
    return values.reshape(shape)
