"""Cases to compare a model on: inputs that the reference takes, and on which its outputs vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from tfkit.arrays import Array
from tfkit.compat.recorded import Case
from tfkit.compat.tolerance import varies
from tfkit.errors import InputError, RuntimeCrashError, SignatureError, TensorFlowError
from tfkit.inputs.samples import BATCH_SIZES, SPREADS, SampleMaker, items
from tfkit.tensors import Signature

# Runs a signature of the reference.
Runner = Callable[[str, Mapping[str, Array]], dict[str, Array]]
_HINT = "Give real samples: --input NAME=@FILE.npy."
_ROWS_HINT = "If it wants as many rows of each, give as many."


def draw_cases(
    runner: Runner,
    signature: Signature,
    maker: SampleMaker,
    batch_sizes: Sequence[int],
    *,
    called: str = "the reference",
) -> tuple[Case, ...]:
    """Cases for one signature, with what the reference gives for them.

    Random floats get a wider range where the outputs do not vary over the first ones; at last each case gets values of
    its own, since otherwise all begin with the same row, which may be all that an output is made of.

    Args:
        runner: Runs the reference.
        signature: The signature.
        maker: Makes its inputs.
        batch_sizes: Rows of each case, where the signature lets a request choose; see ``SampleMaker.batch_sizes``.
        called: What the reference is called in errors.

    Raises:
        InputError: The reference fails on them.
        RuntimeCrashError: Its process ended.
    """
    hint = _HINT if maker.makes_up else _ROWS_HINT if maker.is_whole else ""
    size = _accepted_size(runner, signature, maker, called)
    cases: tuple[Case, ...] = ()
    for spread, apart in _attempts(maker):
        inputs = _inputs(maker, batch_sizes, size, spread, apart=apart)
        try:
            drawn = tuple(
                run_case(runner, Case(signature.name, each, what=what), called, hint) for what, each in inputs
            )
        except InputError as error:
            if cases:
                break  # the model takes no such values
            return _whole(runner, signature, maker, batch_sizes, called, error)
        cases = cases or drawn
        if outputs_vary(drawn, signature):
            return drawn
    return cases


def _whole(
    runner: Runner,
    signature: Signature,
    maker: SampleMaker,
    batch_sizes: Sequence[int],
    called: str,
    error: InputError,
) -> tuple[Case, ...]:
    """The given inputs as one request, where the model takes no part of them: the nodes and edges of a graph, say.

    Raises:
        InputError: It does not take that either, or the user asked for the batch sizes that it does not take.
    """
    whole = maker.whole() if tuple(batch_sizes) in (BATCH_SIZES, maker.batch_sizes()) else None
    if whole is not None:
        with suppress(InputError):  # that the model takes no part of them says more
            return draw_cases(runner, signature, whole, (), called=called)
    raise error


def _attempts(maker: SampleMaker) -> list[tuple[int, bool]]:
    """How values are made up, in the order in which that is tried: their range, and whether cases share no rows."""
    if not maker.is_random:
        return [(0, False)]
    return [*((spread, False) for spread in range(len(SPREADS))), (0, True)]


def run_case(runner: Runner, case: Case, called: str = "the reference", hint: str = "") -> Case:
    """The case with what the reference gives for it.

    Args:
        runner: Runs it.
        case: The case.
        called: What the reference is called in errors.
        hint: What the user can do if it fails.

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
            f"signature {case.signature!r}: {called} itself fails on {case.what or 'the input'} ({shapes}): {reason}",
            hint=hint,
        ) from error


def outputs_vary(cases: Sequence[Case], signature: Signature) -> bool:
    """Whether any output varies over the rows of the cases; without that, equal outputs would prove nothing."""
    for spec in signature.outputs:
        rows = [row for case in cases if spec.name in case.outputs for row in items(case.outputs[spec.name], spec)]
        if rows and varies(rows):
            return True
    return False


def inputs_vary(cases: Sequence[Case], signature: Signature) -> bool:
    """Whether any input varies over the cases, or over their rows if any output has as many.

    A single case whose outputs have no rows is a single item: nothing can vary over it.
    """
    if len(cases) == 1 and not any(
        len(items(cases[0].outputs[spec.name], spec)) > 1 for spec in signature.outputs if spec.name in cases[0].outputs
    ):
        return False
    for spec in signature.inputs:
        rows = [row for case in cases if spec.name in case.inputs for row in items(case.inputs[spec.name], spec)]
        if rows and varies(rows):
            return True
    return False


def _inputs(
    maker: SampleMaker, batch_sizes: Sequence[int], size: int, spread: int, *, apart: bool
) -> list[tuple[str, dict[str, Array]]]:
    if maker.has_open_batch:
        return [
            (maker.describe(batch), maker.make(batch, unknown_size=size, variant=index * apart, spread=spread))
            for index, batch in enumerate(maker.batch_sizes(batch_sizes))
        ]
    variants = (0, 1) if maker.is_random else (0,)
    return [
        (f"sample {variant + 1}", maker.make(1, unknown_size=size, variant=variant, spread=spread))
        for variant in variants
    ]


def _accepted_size(runner: Runner, signature: Signature, maker: SampleMaker, called: str) -> int:
    """The first size of unknown dimensions that the reference takes.

    Raises:
        InputError: It takes none; where the size may be to blame, the message says which were tried.
    """
    first, *others = sizes = maker.unknown_sizes
    if not others:
        return first
    failures: list[InputError] = []
    rows = maker.batch_sizes()[0]
    what = maker.describe(rows) if maker.is_whole else "a batch of 1"
    for size in sizes:
        try:
            run_case(runner, Case(signature.name, maker.make(rows, unknown_size=size), what=what), called, _HINT)
        except InputError as error:
            failures.append(error)
        else:
            return size
    if len({str(failure.__cause__) for failure in failures}) == 1:
        raise failures[0]  # the same for each size: that is not why
    raise InputError(
        f"{failures[0].message}; unknown dimensions of {', '.join(map(str, sizes))} were tried", hint=_HINT
    )
