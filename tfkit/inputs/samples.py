"""The inputs that a model is compared on: the user's, or random ones inside what the graph allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        rows: How many rows are given; ``None`` if a batch may have any number.

    Raises:
        SignatureError: A given value does not fit, or one input has more rows than another.
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
        self.rows = _given_rows(self._given, signature)
        if self.rows == 1 and any(_is_batched(signature.input(name)) for name in self._made_up):
            self.rows = None  # the one row goes with any number of random ones

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
        arrays = {name: _take(array, self._signature.input(name), batch_size) for name, array in self._given.items()}
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
        wanted = sizes or (*BATCH_SIZES, MOST_ROWS)
        return tuple(dict.fromkeys(min(size, self.rows) for size in wanted))

    def check_rows(self, batch_size: int) -> None:
        """Checks that there is a batch of this size.

        Raises:
            SignatureError: Fewer rows were given.
        """
        if self.rows is not None and batch_size > self.rows:
            names = ", ".join(name for name in self._given if _is_batched(self._signature.input(name)))
            raise SignatureError(
                f"a batch of {batch_size} was asked for, and {self.describe(self.rows)} of {names} given",
                hint="Give more rows, or a smaller batch size.",
            )

    def describe(self, batch_size: int) -> str:
        """What a batch of this size is called: ``batch of 3``, ``360 rows``, ``first 256 of 360 rows``."""
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


def _given_rows(given: Mapping[str, Array], signature: Signature) -> int | None:
    """How many rows are given; ``None`` if no input with a batch is.

    Raises:
        SignatureError: One input has more than another; none or one go with any number.
    """
    counts = {name: len(array) for name, array in given.items() if _is_batched(signature.input(name))}
    several = {name: count for name, count in counts.items() if count > 1}
    if len(set(several.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in several.items())
        raise SignatureError(
            f"the inputs have unequal numbers of rows: {found}", hint="Give as many rows of each, or a single one."
        )
    return max(several.values(), default=1 if 1 in counts.values() else None)


def _take(array: Array, spec: TensorSpec, batch_size: int) -> Array:
    if not _is_batched(spec) or not len(array):
        return array
    return np.repeat(array, batch_size, axis=0) if len(array) == 1 else array[:batch_size]
