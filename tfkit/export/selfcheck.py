"""Runs a written SavedModel through TensorFlow's C API and compares it with the model that it came from.

The two share nothing but the variables' values: the source is called eagerly by Keras, the SavedModel is loaded by the
C library in another process, as a service will load it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.compat.compare import Limits
from tfkit.compat.drawing import Runner, draw_cases, inputs_vary, outputs_vary
from tfkit.compat.recorded import Case
from tfkit.compat.tolerance import choose_tolerance, varies
from tfkit.errors import TensorFlowError, VerdictError
from tfkit.export.compare import compare_output, merge_checks
from tfkit.export.live.frameworks import first_line
from tfkit.export.report import OutputCheck, SelfCheck
from tfkit.inputs import InputOption, parse_inputs
from tfkit.inputs.options import FileSource, LiteralSource
from tfkit.inputs.samples import BATCH_SIZES, WHOLE, SampleMaker
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import Runtime
from tfkit.tensors import Signature

_SAMPLES_HINT = "Give real samples (--input NAME=@FILE.npy), or export with --no-verify, which is recorded."


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

    @property
    def names(self) -> frozenset[str]:
        """The inputs whose own values were given; what a file of several holds does not count."""
        own = (option.name for option in self.options if isinstance(option.source, FileSource | LiteralSource))
        return frozenset(self.arrays) | frozenset(own) - {""}

    @classmethod
    def read(cls, inputs: Sequence[str] | Mapping[str, Any], seed: int) -> Given:
        """Reads the options; arrays are taken as they are.

        Raises:
            UsageError: An option is none.
        """
        if isinstance(inputs, Mapping):
            return cls((), {name: np.asarray(value) for name, value in inputs.items()}, seed)
        return cls(parse_inputs(inputs), {}, seed)


def draw_samples(
    source: Runner, signature: Signature, maker: SampleMaker, limits: Limits
) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """Samples on which the source's outputs vary, so that comparing them means something; and notes.

    Args:
        source: Runs the model that was exported.
        signature: The exported signature.
        maker: Makes the samples.
        limits: What counts as the same output.

    Raises:
        InputError: The source itself fails on them.
        VerdictError: It gives other outputs for the same inputs, or the same outputs for all inputs.
    """
    cases = draw_cases(source, signature, maker, BATCH_SIZES, called="the model")
    _check_repeats(source, cases[0], limits)
    is_whole = cases[0].what.startswith(WHOLE)
    whole = (f"compared on {cases[0].what}: the model takes no equal parts of them",) if is_whole else ()
    if not inputs_vary(cases, signature):
        alike = "there is only one sample" if is_whole else "all samples are alike"
        return cases, (*whole, f"{alike}: whether the outputs follow the inputs was not checked")
    if not outputs_vary(cases, signature):
        names = ", ".join(repr(spec.name) for spec in signature.outputs)
        same = " (all of them begin with the same row)" if len(cases) > 1 and not maker.is_random else ""
        raise VerdictError(
            f"no output ({names}) varies over the samples{same}: equal results would prove nothing",
            hint=_SAMPLES_HINT,
        )
    return cases, tuple(_dead_ends(source, signature, cases)) if maker.is_random else whole


def _check_repeats(source: Runner, case: Case, limits: Limits) -> None:
    again = source(case.signature, case.inputs)
    for name, outputs in case.outputs.items():
        tolerance = choose_tolerance(outputs, compute_dtype=limits.compute_dtype)
        try:
            compare_output(name, again[name], outputs, tolerance)
        except VerdictError:
            raise VerdictError(
                f"output {name!r} of the model changes from call to call on the same input: "
                "it samples at random, or keeps state between calls, so that nothing can be compared",
                hint="Export it with --no-verify, which is recorded.",
            ) from None


def _dead_ends(source: Runner, signature: Signature, cases: Sequence[Case]) -> Iterator[str]:
    """Notes on inputs that change nothing; of an only input the outputs were seen to vary."""
    if len(signature.inputs) < 2:
        return
    last = cases[-1]
    for spec in signature.inputs:
        other = _another(spec.name, cases)
        if other is None or not varies([last.inputs[spec.name], other]):
            continue
        try:
            changed = source(last.signature, {**last.inputs, spec.name: other})
        except TensorFlowError:
            continue  # these values do not go together: no effect would look otherwise
        if not any(varies([outputs, changed[name]]) for name, outputs in last.outputs.items()):
            yield f"input {spec.name!r} had no effect on any output"


def _another(name: str, cases: Sequence[Case]) -> Array | None:
    """Another value of an input in the last case: its rows in another order, or that of another case."""
    array = cases[-1].inputs[name]
    if array.ndim and len(array) > 1:
        return np.roll(array, 1, axis=0)
    same_shape = (case.inputs[name] for case in cases[:-1] if case.inputs[name].shape == array.shape)
    return next(same_shape, None)


def check_export(
    folder: Path,
    signature: Signature,
    samples: Sequence[Case],
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
                checks.append(compare_sample(sample, outputs, signature, limits))
        except TensorFlowError as error:
            raise type(error)(
                f"the exported model does not run in TensorFlow {runtime.version}'s C library: {first_line(error)}",
                code=error.code,
                hint=error.hint or _runtime_hint(error.message),
            ) from error
        version = runtime.version
    batches = tuple(batch_size(sample, signature) for sample in samples)
    return SelfCheck("", batches, seed, merge_checks(checks), version, processor)


def compare_sample(
    sample: Case, outputs: Mapping[str, Array], signature: Signature, limits: Limits
) -> dict[str, OutputCheck]:
    """Compares what an exported model gave on a sample with what its source gave.

    Raises:
        VerdictError: An output differs.
    """
    place = f" (batch size {batch_size(sample, signature)})"
    checks = {}
    for spec in signature.outputs:
        source = sample.outputs[spec.name]
        if not spec.accepts_shape(source.shape):
            raise VerdictError(
                f"output {spec.name!r} has shape {list(source.shape)}{place}, and the signature says {spec}"
            )
        tolerance = limits.tolerance(spec.name, source)
        checks[spec.name] = compare_output(spec.name, outputs[spec.name], source, tolerance, place=place)
    return checks


def batch_size(sample: Case, signature: Signature) -> int:
    """How many rows a sample has."""
    return max((len(sample.inputs[spec.name]) for spec in signature.inputs if spec.shape), default=1)


def _runtime_hint(message: str) -> str:
    if "PyFunc" in message or "pyfunc" in message:
        return "The model calls Python (tf.py_function or tf.numpy_function), which no service can do."
    if "Cudnn" in message:
        return "It was traced for a GPU: export it from a process that sees none (CUDA_VISIBLE_DEVICES='')."
    return "TFKIT_DEBUG=1 shows more."
