"""The inputs that a model is compared on: the user's, or random ones inside what the graph allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from tfkit.arrays import Array
from tfkit.errors import SignatureError
from tfkit.graph.domains import Domain
from tfkit.inputs.convert import fit_rows, from_array
from tfkit.inputs.make import make_inputs, random_for_missing
from tfkit.inputs.options import InputOption, RandomSource, ZerosSource
from tfkit.tensors import Signature, TensorSpec

BATCH_SIZES = (1, 3)
# What given inputs are called that are run as they are, and no rows of them.
WHOLE = "the given inputs as one request"
# Of more given rows than these, a case has the first.
MOST_ROWS = 256
# Sizes for unknown dimensions. Not the smallest first: pictures that shrink to nothing inside a model make oneDNN's
# convolutions read memory that nobody wrote (TensorFlow 2.21, MobileNetV2 on 16 x 16).
UNKNOWN_SIZES = (64, 32, 16, 128, 224, 256, 299, 512, 8, 4, 1)
# Ranges of random floats that the graph does not bound: what make_inputs draws, then those of pictures and wider ones,
# for models that hardly notice the smaller.
SPREADS = (None, (0.0, 256.0), (-4.0, 4.0), (-1000.0, 1000.0))


class SampleMaker:
    """Makes inputs for a signature.

    Args:
        signature: What the model takes.
        domains: What values an input may take.
        options: ``--input`` options; what they leave out is made up.
        arrays: Or arrays by name, rows first.
        seed: Seed of what is made up.

    Attributes:
        rows: How many rows are given, or the most where they are whole; ``None`` if a batch may have any number.
        is_whole: Whether the given inputs are one request as they are, since they have unequal numbers of rows: the
            values and the lengths of ragged rows, say.

    Raises:
        SignatureError: A given value does not fit, or one input has more rows than another and a third none.
        InputError: A file cannot be read.
    """

    def __init__(
        self,
        signature: Signature,
        domains: Mapping[str, Domain],
        *,
        options: Sequence[InputOption] = (),
        arrays: Mapping[str, Array] | None = None,
        seed: int = 0,
    ) -> None:
        self._signature = signature
        self._domains = domains
        self._seed = seed
        self._given = {
            name: from_array(fit_rows(array, signature.input(name), None), signature.input(name))
            for name, array in (arrays or {}).items()
        }
        self._options = self._read(options)
        counts = _given_rows(self._given, signature)
        self.rows = max(counts.values(), default=None)
        self.is_whole = len({count for count in counts.values() if count > 1}) > 1
        if self.is_whole and self._open:
            missing = " and ".join(self._open)
            raise SignatureError(
                f"the inputs have unequal numbers of rows: {self._counts()}; how many {missing} takes is not known",
                hint=f"Give {missing} as well, or as many rows of each.",
            )
        if self.rows == 1 and self._open:
            self.rows = None  # the one row goes with any number of random ones

    @property
    def _open(self) -> list[str]:
        """The inputs that are made up and whose rows a request chooses."""
        return [name for name in sorted(self._made_up) if _is_batched(self._signature.input(name))]

    def _counts(self) -> str:
        """How many rows are given of each input."""
        return ", ".join(f"{name} {count}" for name, count in _given_rows(self._given, self._signature).items())

    def whole(self) -> SampleMaker | None:
        """The same with the given inputs as one request.

        ``None`` where that is nothing else, where rows are made up, and where there are too many for one.
        """
        counts = _given_rows(self._given, self._signature)
        if self.is_whole or self._open or len(counts) < 2 or max(counts.values()) > MOST_ROWS:
            return None
        other = copy(self)
        other.is_whole = True
        return other

    def _read(self, options: Sequence[InputOption]) -> tuple[InputOption, ...]:
        """Takes given values as they are; returns the options for what is made up."""
        rest = self._part(spec for spec in self._signature.inputs if spec.name not in self._given)
        every = (*options, *random_for_missing(options, rest))
        made_up = tuple(option for option in every if isinstance(option.source, RandomSource | ZerosSource))
        self._made_up = {option.name for option in made_up}
        if len(self._made_up) < len(rest.inputs):
            arrays = make_inputs(every, rest, batch_size=None, seed=self._seed, domains=self._domains)
            self._given |= {name: array for name, array in arrays.items() if name not in self._made_up}
        return made_up

    def _part(self, inputs: Iterable[TensorSpec]) -> Signature:
        return Signature(self._signature.name, tuple(inputs), self._signature.outputs, self._signature.method)

    @property
    def is_random(self) -> bool:
        """Whether every input is made up."""
        return len(self._made_up) == len(self._signature.inputs)

    @property
    def makes_up(self) -> bool:
        """Whether any input is made up."""
        return bool(self._made_up)

    @property
    def has_open_batch(self) -> bool:
        """Whether a request chooses the batch size."""
        return any(_is_batched(spec) for spec in self._signature.inputs)

    @property
    def unknown_sizes(self) -> tuple[int, ...]:
        """Sizes to try for the unknown dimensions of what is made up."""
        open_dims = any(
            spec.name in self._made_up and spec.shape is not None and None in spec.shape[1:]
            for spec in self._signature.inputs
        )
        return UNKNOWN_SIZES if open_dims else (1,)

    def make(self, batch_size: int, *, unknown_size: int = 1, variant: int = 0, spread: int = 0) -> dict[str, Array]:
        """One request's inputs: of given rows the first ones.

        Args:
            batch_size: Rows of inputs whose leading dimension is unknown.
            unknown_size: Size of every other unknown dimension.
            variant: Other numbers give other random values.
            spread: Which of ``SPREADS`` random floats have.

        Raises:
            SignatureError: Fewer rows were given.
        """
        self.check_rows(batch_size)
        made = make_inputs(
            [self._spread(option, spread) for option in self._options],
            self._part(spec for spec in self._signature.inputs if spec.name in self._made_up),
            batch_size=batch_size,
            seed=self._seed + variant,
            domains=self._domains,
            unknown_dim=unknown_size,
        )
        arrays = dict(self._given)
        if not self.is_whole:
            arrays = {name: _take(array, self._signature.input(name), batch_size) for name, array in arrays.items()}
        arrays |= made
        return {spec.name: arrays[spec.name] for spec in self._signature.inputs}

    def batch_sizes(self, sizes: Sequence[int] = ()) -> tuple[int, ...]:
        """The batch sizes to compare on.

        Args:
            sizes: Those wanted; where fewer rows are given, all that are stand for a larger one. By default
                ``BATCH_SIZES``, and all rows that are given up to ``MOST_ROWS``.
        """
        if self.rows is None:
            return tuple(sizes or BATCH_SIZES)
        if self.is_whole:
            return (self.rows,)
        wanted = sizes or (*BATCH_SIZES, MOST_ROWS)
        return tuple(dict.fromkeys(min(size, self.rows) for size in wanted))

    def check_rows(self, batch_size: int) -> None:
        """Checks that there is a batch of this size.

        Raises:
            SignatureError: Fewer rows were given, or inputs of unequal numbers.
        """
        if self.is_whole and batch_size != self.rows:
            raise SignatureError(
                f"a batch of {batch_size} was asked for, of inputs with unequal numbers of rows: {self._counts()}",
                hint="Leave the batch size out: they are run as they are.",
            )
        if self.rows is not None and batch_size > self.rows:
            names = ", ".join(name for name in self._given if _is_batched(self._signature.input(name)))
            raise SignatureError(
                f"a batch of {batch_size} was asked for, and {self.describe(self.rows)} of {names} given",
                hint="Give more rows, or a smaller batch size.",
            )

    def describe(self, batch_size: int) -> str:
        """What a batch of this size is called: ``batch of 3``, ``360 rows``, ``first 256 of 360 rows``."""
        if self.is_whole:
            return f"{WHOLE} (rows: {self._counts()})"
        if self.rows == batch_size:
            return f"{batch_size} row{'s' if batch_size > 1 else ''}"
        if self.rows is not None and batch_size == MOST_ROWS:
            return f"first {MOST_ROWS} of {self.rows} rows"
        return f"batch of {batch_size}"

    def _spread(self, option: InputOption, spread: int) -> InputOption:
        bounds = SPREADS[spread]
        free = option.source == RandomSource() and option.name not in self._domains
        if bounds is None or not free or not self._signature.input(option.name).dtype.is_float:
            return option
        return replace(option, source=RandomSource(*bounds))


def items(array: Array, spec: TensorSpec) -> list[Array]:
    """The rows of an array with a batch dimension; else the array itself."""
    if not (_is_batched(spec) and array.ndim):
        return [array]
    return [array[row, ...] for row in range(len(array))]  # the dots keep a row of one text an array


def _is_batched(spec: TensorSpec) -> bool:
    return spec.shape is not None and spec.shape[:1] == (None,)


def _given_rows(given: Mapping[str, Array], signature: Signature) -> dict[str, int]:
    """How many rows are given of each input with a batch; where another has some, none go with any number."""
    batched = (spec.name for spec in signature.inputs if spec.name in given and _is_batched(spec))
    return {name: len(given[name]) for name in batched if len(given[name])}


def _take(array: Array, spec: TensorSpec, batch_size: int) -> Array:
    if not _is_batched(spec) or not len(array):
        return array
    return np.repeat(array, batch_size, axis=0) if len(array) == 1 else array[:batch_size]
