"""Lowers a SavedModel: reads it, rewrites it for a processor's TensorFlow, writes it."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfkit.errors import LoweringError
from tfkit.graph.closure import needed_by
from tfkit.lower.flat import FlatModel
from tfkit.lower.rewrite import Problem, rewrite
from tfkit.lower.signatures import ChosenSignature, read_chosen
from tfkit.lower.target import DTYPE_ADVICE, Target
from tfkit.lower.write import write_flat
from tfkit.tensors import SERVE_TAG

_SHOWN_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class LoweringReport:
    """What lowering did to a model.

    Attributes:
        processor: What it was lowered for.
        tensorflow: That processor's TensorFlow: ``1.15``.
        written_by: The TensorFlow that wrote the source.
        nodes: How many operations were written, functions inlined.
        applied: How often each operation was written anew.
    """

    processor: str
    tensorflow: str
    written_by: str
    nodes: int
    applied: Mapping[str, int]


def lower_model(
    source: str | Path,
    folder: Path,
    processor: str,
    *,
    tags: Collection[str] | None = (SERVE_TAG,),
    signatures: Iterable[str | ChosenSignature] | None = None,
    called: str = "",
) -> LoweringReport:
    """Writes a SavedModel so that an older TensorFlow runs it and gives the same numbers.

    The graph is inlined, what the processor's TensorFlow does not have is written with what it has, and every node is
    then checked against its op and kernel tables. Variables stay the checkpoint that they are.

    Args:
        source: The SavedModel's folder.
        folder: An empty folder to write into.
        processor: The processor.
        tags: The metagraph's tags.
        signatures: The signatures to keep, by name or as they are to be; all by default.
        called: What the source is called in errors; by default its path.

    Raises:
        LoweringError: An operation cannot be made to fit.
        ModelError: There is no SavedModel, or a damaged one.
        SignatureError: It has no such signature or tag set.
        UsageError: There is no such processor.
    """
    with no_collection():
        return lower_flat(read_chosen(source, tags, signatures), folder, processor, called=called)


def lower_flat(model: FlatModel, folder: Path, processor: str, *, called: str = "") -> LoweringReport:
    """Does the same with a model that is read already.

    Args:
        model: The model; it is changed.
        folder: An empty folder to write into.
        processor: The processor.
        called: What the source is called in errors; by default its path.

    Raises:
        LoweringError: An operation cannot be made to fit.
        UsageError: There is no such processor.
    """
    target = Target(processor)
    with no_collection():
        result = rewrite(model, target)
        if result.problems:
            raise LoweringError(describe(model, target, result.problems, called), hint=_hint(result.problems))
        write_flat(model, target, folder)
    return LoweringReport(processor, target.minor, model.tensorflow, len(model.graph.nodes), dict(result.applied))


@contextmanager
def no_collection() -> Iterator[None]:
    """Keeps Python from searching for garbage: a graph is many objects, and all of them are in use."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def describe(model: FlatModel, target: Target, problems: Sequence[Problem], called: str = "") -> str:
    """What keeps a model from running on a target: each kind of problem once, with a node that has it."""
    kinds: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.op, problem.misfit.text, problem.refusal), []).append(problem)
    lines = [f"{called or model.path} cannot be made to run on {target.processor}:"]
    lines.extend(f"  {_line(model, alike[0])}{_more(alike)}" for alike in list(kinds.values())[:_SHOWN_PROBLEMS])
    if len(kinds) > _SHOWN_PROBLEMS:
        lines.append(f"  and {len(kinds) - _SHOWN_PROBLEMS} more")
    return "\n".join(lines)


def _hint(problems: Sequence[Problem]) -> str:
    """What the user can do."""
    if any(problem.misfit.kind == "dtype" for problem in problems):
        return DTYPE_ADVICE
    since = [problem.misfit.since for problem in problems]
    newest = max((each for each in since if each), key=lambda each: tuple(map(int, each.split("."))), default="")
    newer = f"with TensorFlow {newest} or newer" if newest and all(since) else "with a newer TensorFlow"
    return f"Take a processor {newer}, or change that part of the model; `tfkit check` compares them all."


def _line(model: FlatModel, problem: Problem) -> str:
    since = f"; the first to take it is {problem.misfit.since}" if problem.misfit.since else ""
    refusal = f"; it cannot be written otherwise: {problem.refusal}" if problem.refusal else ""
    function = f" of function {problem.function}" if problem.function else ""
    signatures = ", ".join(signatures_of(model, problem.node))
    where = f", for signature {signatures}" if signatures else ""
    return f"node {problem.node!r}{function}{where}: {problem.misfit.text}{since}{refusal}"


def _more(alike: Sequence[Problem]) -> str:
    return f" (and {len(alike) - 1} more like it)" if len(alike) > 1 else ""


def signatures_of(model: FlatModel, node: str) -> list[str]:
    """The signatures that need a node."""
    found = []
    for name, signature in model.signatures.items():
        needed = needed_by(tensor.node for tensor in signature.outputs.values())
        if any(each.name == node for each in needed):
            found.append(name)
    return found
