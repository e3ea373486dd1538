"""Cases to compare a model on: inputs that the reference takes, and on which its outputs vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tfkit.arrays import Array
from tfkit.compat.recorded import Case
from tfkit.compat.tolerance import varies
from tfkit.errors import InputError, RuntimeCrashError, SignatureError, TensorFlowError, TfkitError
from tfkit.inputs.samples import SPREADS, SampleMaker, items
from tfkit.tensors import Signature

# Runs a signature of the reference.
Runner = Callable[[str, Mapping[str, Array]], dict[str, Array]]
_HINT = "Give real samples: --input NAME=@FILE.npy."


def draw_cases(
    runner: Runner,
    signature: Signature,
    maker: SampleMaker,
    batch_sizes: Sequence[int],
    *,
    called: str = "the reference",
) -> tuple[Case, ...]:
    """Cases for one signature, with what the reference gives for them.

    Random floats get a wider range where the outputs do not vary over the first ones.

    Args:
        runner: Runs the reference.
        signature: The signature.
        maker: Makes its inputs.
        batch_sizes: Rows of each case, where the signature lets a request choose.
        called: What the reference is called in errors.

    Raises:
        InputError: The reference fails on them.
        RuntimeCrashError: Its process ended.
    """
    size = _accepted_size(runner, signature, maker, called)
    cases: tuple[Case, ...] = ()
    for spread in range(len(SPREADS) if maker.is_random else 1):
        inputs = _inputs(maker, batch_sizes, size, spread)
        try:
            drawn = tuple(run_case(runner, Case(signature.name, each, what=what), called) for what, each in inputs)
        except InputError:
            if not cases:
                raise
            break  # the model takes no such values
        cases = cases or drawn
        if outputs_vary(drawn, signature):
            return drawn
    return cases


def run_case(runner: Runner, case: Case, called: str = "the reference") -> Case:
    """The case with what the reference gives for it.

    Raises:
        InputError: The reference fails on it.
        RuntimeCrashError: Its process ended.
    """
    try:
        return replace(case, outputs=runner(case.signature, case.inputs))
    except RuntimeCrashError:
        raise
    except (TensorFlowError, SignatureError) as error:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in case.inputs.items())
        reason = error.message.partition("\n")[0]
        raise InputError(
            f"{called} itself fails on {case.what or 'the input'} ({shapes}): {reason}", hint=_HINT
        ) from error


def outputs_vary(cases: Sequence[Case], signature: Signature) -> bool:
    """Whether any output varies over the rows of the cases; without that, equal outputs would prove nothing."""
    for spec in signature.outputs:
        rows = [row for case in cases if spec.name in case.outputs for row in items(case.outputs[spec.name], spec)]
        if rows and varies(rows):
            return True
    return False


def inputs_vary(cases: Sequence[Case], signature: Signature) -> bool:
    """Whether any input varies over the rows of the cases."""
    for spec in signature.inputs:
        rows = [row for case in cases if spec.name in case.inputs for row in items(case.inputs[spec.name], spec)]
        if rows and varies(rows):
            return True
    return False


def _inputs(
    maker: SampleMaker, batch_sizes: Sequence[int], size: int, spread: int
) -> list[tuple[str, dict[str, Array]]]:
    if maker.has_open_batch:
        return [(f"batch of {batch}", maker.make(batch, unknown_size=size, spread=spread)) for batch in batch_sizes]
    variants = (0, 1) if maker.is_random else (0,)
    return [
        (f"sample {variant + 1}", maker.make(1, unknown_size=size, variant=variant, spread=spread))
        for variant in variants
    ]


def _accepted_size(runner: Runner, signature: Signature, maker: SampleMaker, called: str) -> int:
    """The first size of unknown dimensions that the reference takes."""
    first, *others = sizes = maker.unknown_sizes
    if not others:
        return first
    failure: TfkitError | None = None
    for size in sizes:
        try:
            run_case(runner, Case(signature.name, maker.make(1, unknown_size=size), what="random input"), called)
        except InputError as error:
            failure = failure or error
        else:
            return size
    tried = ", ".join(map(str, sizes))
    reason = failure.message if failure is not None else ""
    raise InputError(f"{reason}; unknown dimensions of {tried} were tried", hint=_HINT)
