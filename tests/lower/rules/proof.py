"""Proves a rule: what TensorFlow functions give, in the installed TensorFlow and, lowered, in old ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from tests.runtimes import installed_runtime
from tfkit.errors import TfkitError
from tfkit.lower.flat import read_flat
from tfkit.lower.rewrite import Rewrite, rewrite
from tfkit.lower.target import Target
from tfkit.lower.write import write_flat
from tfkit.runtime import Runtime

OLDEST = "tensorflow_cpu_1.12"

# A function of a test module: given tensorflow itself and tensors, it returns one tensor or several.
Function = Callable[..., Any]
Prove = Callable[..., Rewrite]
Call = Sequence[Any]
Spec = tuple[str, tuple[int | None, ...] | None]


class Prover:
    """Makes models of functions, lowers them and runs both.

    Args:
        executor: The process that imports TensorFlow.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._runtimes: dict[str, Runtime] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_runtimes()

    def close_runtimes(self) -> None:
        """Ends the runtimes' processes: what one family of rules does to an old TensorFlow is not another's problem."""
        self._stack.close()
        self._runtimes.clear()

    def prove(
        self,
        folder: Path,
        function: Function,
        *calls: Call,
        processors: Sequence[str] = (OLDEST,),
        shapes: Sequence[tuple[int | None, ...] | None] | None = None,
        tolerance: float = 0.0,
        inside: bool = True,
    ) -> Rewrite:
        """Asserts that a function gives the same in the installed TensorFlow and, lowered, in old ones.

        Args:
            folder: Where the models are written.
            function: The function; it is pickled by its name.
            *calls: What it is given, at least once; a size that is not the same in all calls is unknown in the model.
            processors: The old ones.
            shapes: The shapes of its inputs in the model, where these follow not from the calls.
            tolerance: How far floats may be apart, as part of their size; 0: not at all.
            inside: Whether the function is to be tried within a loop and a branch as well.

        Returns:
            What was rewritten for the last processor.
        """
        specs = _specs(calls, shapes)
        source = folder / "source"
        signatures = ["plain", "inside"] if inside else ["plain"]
        self._executor.submit(save, function, str(source), specs, inside=inside).result()
        feeds = [{f"x{at}": np.asarray(value) for at, value in enumerate(call)} for call in calls]
        wanted = self._run("installed", source, signatures, feeds)
        for processor in processors:
            lowered = folder / processor
            lowered.mkdir()
            model, target = read_flat(source), Target(processor)
            done = rewrite(model, target)
            assert not done.problems, done.problems
            write_flat(model, target, lowered)
            for ours, theirs in zip(self._run(processor, lowered, signatures, feeds), wanted, strict=True):
                _compare(ours, theirs, tolerance)
        return done

    def fails(
        self,
        folder: Path,
        function: Function,
        call: Call,
        *,
        match: str,
        processor: str = OLDEST,
        shapes: Sequence[tuple[int | None, ...] | None] | None = None,
    ) -> None:
        """Asserts that a function fails on what it is given, in the installed TensorFlow and, lowered, in an old one.

        Args:
            folder: Where the models are written.
            function: The function; it is pickled by its name.
            call: What it is given.
            match: What both say.
            processor: The old one.
            shapes: The shapes of its inputs in the model, where these follow not from the call.
        """
        source, lowered = folder / "source", folder / processor
        self._executor.submit(save, function, str(source), _specs([call], shapes), inside=False).result()
        model, target = read_flat(source), Target(processor)
        done = rewrite(model, target)
        assert not done.problems, done.problems
        lowered.mkdir()
        write_flat(model, target, lowered)
        feed = {f"x{at}": np.asarray(value) for at, value in enumerate(call)}
        for name, path in (("installed", source), (processor, lowered)):
            with pytest.raises(TfkitError, match=match):
                self._run(name, path, ["plain"], [feed])

    def rewritten(self, folder: Path, function: Function, *specs: Spec, processor: str = OLDEST) -> Rewrite:
        """What the rules make of a function, which may be beyond them."""
        self._executor.submit(save, function, str(folder / "source"), specs, inside=False).result()
        return rewrite(read_flat(folder / "source"), Target(processor))

    def _run(self, processor: str, path: Path, signatures: Sequence[str], feeds: Sequence[Any]) -> list[dict[str, Any]]:
        if processor not in self._runtimes:
            if processor != "installed":
                installed_runtime(processor)
            self._runtimes[processor] = self._stack.enter_context(Runtime(processor, device="cpu"))
        model = self._runtimes[processor].load(path)
        try:
            return [model.predict(feed, signature=signature) for signature in signatures for feed in feeds]
        finally:
            model.close()


def _specs(calls: Sequence[Call], shapes: Sequence[tuple[int | None, ...] | None] | None) -> list[Spec]:
    specs: list[Spec] = []
    for at, values in enumerate(zip(*calls, strict=True)):
        arrays = [np.asarray(value) for value in values]
        dtype = "string" if arrays[0].dtype == object else arrays[0].dtype.name
        if shapes is not None:
            specs.append((dtype, shapes[at]))
        else:
            sizes = zip(*(array.shape for array in arrays), strict=True)
            specs.append((dtype, tuple(each[0] if len(set(each)) == 1 else None for each in sizes)))
    return specs


def _compare(ours: dict[str, Any], theirs: dict[str, Any], tolerance: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, wanted in theirs.items():
        came = ours[name]
        assert (came.dtype, came.shape) == (wanted.dtype, wanted.shape), name
        if tolerance:
            largest = float(np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0))
            np.testing.assert_allclose(came, wanted, rtol=tolerance, atol=tolerance * largest)
        else:
            np.testing.assert_array_equal(came, wanted)


def save(function: Function, folder: str, specs: Sequence[Spec], *, inside: bool) -> None:
    """Saves a function as a SavedModel; in the process that imports TensorFlow."""
    import tensorflow as tf  # here alone

    given = [tf.TensorSpec(shape, dtype, name=f"x{at}") for at, (dtype, shape) in enumerate(specs)]
    plain = partial(function, tf)
    ways = {"plain": plain, "inside": partial(_inside, tf, plain)} if inside else {"plain": plain}
    module = tf.Module()
    signatures = {}
    for name, way in ways.items():
        traced = tf.function(partial(_named, way), input_signature=given)
        setattr(module, name, traced)
        signatures[name] = traced.get_concrete_function()
    tf.saved_model.save(module, folder, signatures=signatures)


def _named(function: Function, *tensors: Any) -> dict[str, Any]:
    result = function(*tensors)
    results = result if isinstance(result, tuple | list) else (result,)
    return {f"y{at}": each for at, each in enumerate(results)}


def _inside(tf: Any, function: Function, *tensors: Any) -> Any:
    """What a function gives in the second turn of a loop, in a branch of it."""

    def results() -> list[Any]:
        return list(_named(function, *tensors).values())

    def turn(count: Any, *_: Any) -> list[Any]:
        return [count + 1, *tf.cond(count > 0, results, lambda: first)]

    # Of no interest but for its dtype and rank.
    first, shapes = [], [tf.TensorShape([])]
    for each in results():
        known = each.shape.rank is not None
        first.append(tf.zeros([size or 0 for size in each.shape] if known else [0], each.dtype))
        shapes.append(tf.TensorShape([None] * each.shape.rank if known else None))
    return tf.while_loop(lambda count, *_: count < 2, turn, [tf.constant(0), *first], shape_invariants=shapes)[1:]
