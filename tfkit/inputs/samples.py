"""The inputs that a model is compared on: the user's, or random ones inside what the graph allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tfkit.arrays import Array
from tfkit.graph.domains import Domain
from tfkit.inputs.convert import fit_rows, from_array
from tfkit.inputs.make import make_inputs, random_for_missing
from tfkit.inputs.options import InputOption, RandomSource, ZerosSource
from tfkit.tensors import DType, Signature, TensorSpec

BATCH_SIZES = (1, 3)
# Sizes for unknown dimensions. Not the smallest first: pictures that shrink to nothing inside a model make oneDNN's
# convolutions read memory that nobody wrote (TensorFlow 2.21, MobileNetV2 on 16 x 16).
UNKNOWN_SIZES = (64, 32, 16, 128, 224, 256, 299, 512, 8, 4, 1)
# Ranges of random floats that the graph does not bound: what make_inputs draws, then those of pictures and wider ones,
# for models that hardly notice the smaller.
SPREADS = (None, (0.0, 256.0), (-4.0, 4.0), (-1000.0, 1000.0))
_FLOATS = (DType.FLOAT, DType.DOUBLE, DType.HALF, DType.BFLOAT16)


class SampleMaker:
    """Makes inputs for a signature.

    Args:
        signature: What the model takes.
        domains: What values an input may take.
        options: ``--input`` options; what they leave out is made up.
        arrays: Or arrays by name, rows first.
        seed: Seed of what is made up.

    Raises:
        SignatureError: A given value does not fit.
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
        rest = tuple(spec for spec in signature.inputs if spec.name not in self._given)
        self._rest = Signature(signature.name, rest, signature.outputs, signature.method)
        self._options = (*options, *random_for_missing(options, self._rest))
        self._made_up = {
            option.name for option in self._options if isinstance(option.source, RandomSource | ZerosSource)
        }

    @property
    def is_random(self) -> bool:
        """Whether every input is made up."""
        return len(self._made_up) == len(self._signature.inputs)

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
        """One request's inputs; given rows are repeated where there are fewer than ``batch_size``.

        Args:
            batch_size: Rows of inputs whose leading dimension is unknown.
            unknown_size: Size of every other unknown dimension.
            variant: Other numbers give other random values.
            spread: Which of ``SPREADS`` random floats have.
        """
        exact = len(self._made_up) < len(self._rest.inputs)
        made = make_inputs(
            [self._spread(option, spread) for option in self._options],
            self._rest,
            batch_size=None if exact else batch_size,
            seed=self._seed + variant,
            domains=self._domains,
            unknown_dim=unknown_size,
        )
        arrays = self._given | made
        return {spec.name: _take(arrays[spec.name], spec, batch_size) for spec in self._signature.inputs}

    def _spread(self, option: InputOption, spread: int) -> InputOption:
        bounds = SPREADS[spread]
        free = option.source == RandomSource() and option.name not in self._domains
        if bounds is None or not free or self._signature.input(option.name).dtype not in _FLOATS:
            return option
        return replace(option, source=RandomSource(*bounds))


def items(array: Array, spec: TensorSpec) -> list[Array]:
    """The rows of an array with a batch dimension; else the array itself."""
    if not (_is_batched(spec) and array.ndim):
        return [array]
    return [array[row, ...] for row in range(len(array))]  # the dots keep a row of one text an array


def _is_batched(spec: TensorSpec) -> bool:
    return spec.shape is not None and spec.shape[:1] == (None,)


def _take(array: Array, spec: TensorSpec, batch_size: int) -> Array:
    if not _is_batched(spec) or len(array) in (0, batch_size):
        return array
    return array[np.arange(batch_size) % len(array)]
