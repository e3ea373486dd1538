"""Runs a written SavedModel through TensorFlow's C API and compares it with the model that it came from.

The two share nothing but the variables' values: the source is called eagerly by Keras, the SavedModel is loaded by the
C library in another process, as a service will load it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.compat.tolerance import choose_tolerance, varies
from tfkit.errors import InputError, TensorFlowError, TfkitError, VerdictError
from tfkit.export.compare import compare_output, merge_checks
from tfkit.export.live.frameworks import first_line
from tfkit.export.report import OutputCheck, SelfCheck
from tfkit.inputs import InputOption, parse_inputs
from tfkit.inputs.samples import BATCH_SIZES, SPREADS, SampleMaker, items
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import Runtime
from tfkit.tensors import DType, Signature

_SAMPLES_HINT = "Give real samples (--input NAME=@FILE.npy), or export with --no-verify, which is recorded."

Source = Callable[[dict[str, Array]], dict[str, Array]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs, and what the source gave for them."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Limits:
    """What floating-point outputs may differ by; ``None``: the default of their type.

    Attributes:
        atol: Absolute.
        rtol: Relative to the source.
        compute_dtype: The half type that the model computes in.
    """

    atol: float | None = None
    rtol: float | None = None
    compute_dtype: DType | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What the user gave to compare on.

    Attributes:
        options: ``--input`` options,
        arrays: or arrays by input name.
        seed: Seed of what is made up.
    """

    options: tuple[InputOption, ...]
    arrays: Mapping[str, Array]
    seed: int

    @classmethod
    def read(cls, inputs: Sequence[str] | Mapping[str, Any], seed: int) -> Given:
        """Reads the options; arrays are taken as they are.

        Raises:
            UsageError: An option is none.
        """
        if isinstance(inputs, Mapping):
            return cls((), {name: np.asarray(value) for name, value in inputs.items()}, seed)
        return cls(parse_inputs(inputs), {}, seed)


class SourceRuns:
    """Runs of the source on samples.

    Args:
        signature: The exported signature.
        source: The model that was exported: arrays in, arrays out, by the signature's names.
        maker: Makes the samples.
        limits: What counts as the same output.
    """

    def __init__(self, signature: Signature, source: Source, maker: SampleMaker, limits: Limits) -> None:
        self._signature = signature
        self._source = source
        self._maker = maker
        self._limits = limits
        self._spread = 0
        self.notes: tuple[str, ...] = ()

    def draw(self) -> tuple[Sample, ...]:
        """Samples on which the outputs vary, so that comparing them means something.

        Raises:
            InputError: The source itself fails on them.
            VerdictError: It gives other outputs for the same inputs, or the same outputs for all inputs.
        """
        size = self._accepted_size()
        samples = self._samples(size)
        self._check_repeats(samples[0])
        if not any(varies(self._items(samples, spec.name)) for spec in self._signature.inputs):
            self.notes += ("all samples are alike: whether the outputs follow the inputs was not checked",)
            return samples
        samples = self._varied(samples, size)
        self._note_dead_ends(samples[-1], size)
        return samples

    def _samples(self, size: int) -> tuple[Sample, ...]:
        if self._maker.has_open_batch:
            return tuple(self._run(batch, size) for batch in BATCH_SIZES)
        return (self._run(1, size), self._run(1, size, variant=1)) if self._maker.is_random else (self._run(1, size),)

    def _run(self, batch: int, size: int, *, variant: int = 0) -> Sample:
        inputs = self._maker.make(batch, unknown_size=size, variant=variant, spread=self._spread)
        return Sample(inputs, self._call(inputs))

    def _call(self, inputs: dict[str, Array]) -> dict[str, Array]:
        try:
            return self._source(inputs)
        except TfkitError:
            raise
        except Exception as error:
            kind = "random" if self._maker.is_random else "the given"
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise InputError(
                f"the model itself fails on {kind} input ({shapes}): {first_line(error)}", hint=_SAMPLES_HINT
            ) from error

    def _varied(self, samples: tuple[Sample, ...], size: int) -> tuple[Sample, ...]:
        """The samples, or random ones of a wider spread where no output varies over them."""
        for spread in range(1, len(SPREADS) if self._maker.is_random else 1):
            if self._outputs_vary(samples):
                break
            self._spread = spread
            try:
                samples = self._samples(size)
            except InputError:
                break  # the model takes no such values
        if self._outputs_vary(samples):
            return samples
        names = ", ".join(repr(spec.name) for spec in self._signature.outputs)
        raise VerdictError(
            f"no output ({names}) varies over the samples: equal results would prove nothing", hint=_SAMPLES_HINT
        )

    def _accepted_size(self) -> int:
        """The first size of unknown dimensions that the source takes."""
        first, *others = sizes = self._maker.unknown_sizes
        if not others:
            return first
        failures = []
        for size in sizes:
            try:
                self._run(1, size)
            except InputError as error:
                failures.append(error.message)
            else:
                return size
        tried = ", ".join(map(str, sizes))
        raise InputError(f"{failures[0]}; unknown dimensions of {tried} were tried", hint=_SAMPLES_HINT)

    def _check_repeats(self, sample: Sample) -> None:
        again = self._call(sample.inputs)
        for name, outputs in sample.outputs.items():
            tolerance = choose_tolerance(outputs, compute_dtype=self._limits.compute_dtype)
            try:
                compare_output(name, again[name], outputs, tolerance)
            except VerdictError:
                raise VerdictError(
                    f"output {name!r} of the model changes from call to call on the same input: "
                    "it samples at random, or keeps state between calls, so that nothing can be compared",
                    hint="Export it with --no-verify, which is recorded.",
                ) from None

    def _outputs_vary(self, samples: tuple[Sample, ...]) -> bool:
        return any(varies(self._items(samples, spec.name, outputs=True)) for spec in self._signature.outputs)

    def _items(self, samples: tuple[Sample, ...], name: str, *, outputs: bool = False) -> list[Array]:
        spec = self._signature.output(name) if outputs else self._signature.input(name)
        arrays = [(sample.outputs if outputs else sample.inputs)[name] for sample in samples]
        return [item for array in arrays for item in items(array, spec)]

    def _note_dead_ends(self, last: Sample, size: int) -> None:
        """Notes inputs that change nothing; of an only input the outputs were seen to vary."""
        if len(self._signature.inputs) < 2 or not self._maker.is_random:
            return
        batch = BATCH_SIZES[-1] if self._maker.has_open_batch else 1
        other = self._maker.make(batch, unknown_size=size, variant=2, spread=self._spread)
        for spec in self._signature.inputs:
            if not varies([last.inputs[spec.name], other[spec.name]]):
                continue
            try:
                changed = self._call(last.inputs | {spec.name: other[spec.name]})
            except InputError:
                continue  # these values do not go together: no effect would look otherwise
            if not any(varies([outputs, changed[name]]) for name, outputs in last.outputs.items()):
                self.notes += (f"input {spec.name!r} had no effect on any output",)


def check_export(
    folder: Path,
    signature: Signature,
    samples: tuple[Sample, ...],
    limits: Limits,
    *,
    seed: int,
    processor: str = INSTALLED,
) -> SelfCheck:
    """Runs the samples through the C API of a processor's TensorFlow and compares.

    Raises:
        VerdictError: An output differs from the source's.
        TensorFlowError: TensorFlow does not load or run what was written.
        MissingError: That TensorFlow is not installed.
    """
    checks: list[dict[str, OutputCheck]] = []
    with Runtime(processor, device="cpu") as runtime:
        try:
            model = runtime.load(folder)
            for sample in samples:
                outputs = model.predict(sample.inputs, signature=signature.name)
                checks.append(_compare(sample, outputs, signature, limits))
        except TensorFlowError as error:
            raise type(error)(
                f"the exported model does not run in TensorFlow {runtime.version}'s C library: {first_line(error)}",
                code=error.code,
                hint=error.hint or _runtime_hint(error.message),
            ) from error
        version = runtime.version
    batches = tuple(_batch_size(sample, signature) for sample in samples)
    return SelfCheck("", batches, seed, merge_checks(checks), version)


def _compare(sample: Sample, outputs: dict[str, Array], signature: Signature, limits: Limits) -> dict[str, OutputCheck]:
    place = f" (batch size {_batch_size(sample, signature)})"
    checks = {}
    for spec in signature.outputs:
        source = sample.outputs[spec.name]
        if not spec.accepts_shape(source.shape):
            raise VerdictError(
                f"output {spec.name!r} has shape {list(source.shape)}{place}, and the signature says {spec}"
            )
        tolerance = choose_tolerance(source, compute_dtype=limits.compute_dtype, atol=limits.atol, rtol=limits.rtol)
        checks[spec.name] = compare_output(spec.name, outputs[spec.name], source, tolerance, place=place)
    return checks


def _batch_size(sample: Sample, signature: Signature) -> int:
    return max((len(sample.inputs[spec.name]) for spec in signature.inputs if spec.shape), default=1)


def _runtime_hint(message: str) -> str:
    if "PyFunc" in message or "pyfunc" in message:
        return "The model calls Python (tf.py_function or tf.numpy_function), which no service can do."
    if "Cudnn" in message:
        return "It was traced for a GPU: export it from a process that sees none (CUDA_VISIBLE_DEVICES='')."
    return "TFKIT_DEBUG=1 shows more."
