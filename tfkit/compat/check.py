"""``check_model``: whether and why a model runs on each processor, from its graph and the op tables alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfkit.compat.findings import Finding, findings_after, findings_before, findings_of_python
from tfkit.compat.loading import blockers
from tfkit.compat.outside import Warned, outside
from tfkit.compat.written import LOADING, WrittenModel, read_written
from tfkit.errors import ModelError
from tfkit.html import fragment, table, verdict
from tfkit.lower.flat import FlatModel, read_flat
from tfkit.lower.rewrite import rewrite
from tfkit.lower.rules import all_rules
from tfkit.lower.target import Misfit, Target
from tfkit.processors.catalogue import ALL, select_processors
from tfkit.processors.tables import op_table
from tfkit.savedmodel.reader import find_signature
from tfkit.tensors import SERVE_TAG

RUNS, LOWERED, CANNOT = "runs", "runs after lowering", "cannot"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule that lowering applies.

    Attributes:
        op: The operation that it replaces.
        makes: What it makes of it.
        count: How often.
    """

    op: str
    makes: str
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """What there is to say about one processor.

    Attributes:
        processor: Its name.
        tensorflow: Its TensorFlow: ``1.15``.
        verdict: ``runs``, ``runs after lowering`` or ``cannot``.
        blocking: What keeps it from running the model as it is.
        problems: What lowering cannot help; none unless the verdict is ``cannot``.
        rules: What lowering does, where it is needed and possible.
        derived: The processor whose table stands for its own kernels; empty where they were read from its own library.
    """

    processor: str
    tensorflow: str
    verdict: str
    blocking: tuple[Finding, ...]
    problems: tuple[Finding, ...]
    rules: tuple[AppliedRule, ...]
    derived: str = ""

    @property
    def reason(self) -> str:
        """In short, the first thing that lowering cannot help, or what has to be lowered; empty where it runs."""
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            return f"{self.problems[0].misfit.text}{more}"
        names = list(dict.fromkeys(_short(each) for each in self.blocking))
        return ", ".join(names[:_SHOWN]) + (f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {
            "processor": self.processor,
            "tensorflow": self.tensorflow,
            "verdict": self.verdict,
            "blocking": [each.as_dict() for each in self.blocking],
            "problems": [each.as_dict() for each in self.problems],
            "rules": [{"op": each.op, "makes": each.makes, "count": each.count} for each in self.rules],
            "derived_from": self.derived,
        }


@dataclass(frozen=True, slots=True, repr=False)
class CheckReport:
    """Whether a model runs on each processor.

    Attributes:
        model: The SavedModel's file.
        tags: The metagraph's tags.
        written_by: The TensorFlow that wrote it; empty if it does not say.
        signatures: The names of the signatures that were checked.
        nodes: How many nodes the graph has, functions' included.
        rows: One a processor, in EAS's order.
        warnings: Operations that reach outside of the model.
    """

    model: Path
    tags: tuple[str, ...]
    written_by: str
    signatures: tuple[str, ...]
    nodes: int
    rows: tuple[Row, ...]
    warnings: tuple[Warned, ...]

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{row.processor} {row.verdict}" for row in self.rows)
        return f"<CheckReport {self.model}: {verdicts}>"

    def passes(self, *, strict: bool = False) -> bool:
        """Whether every processor runs the model; ``strict``: as it is."""
        return all(row.verdict == RUNS or (row.verdict == LOWERED and not strict) for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit check --json`` prints it."""
        return {
            "model": str(self.model),
            "tags": list(self.tags),
            "written_by": self.written_by,
            "signatures": list(self.signatures),
            "nodes": self.nodes,
            "processors": [row.as_dict() for row in self.rows],
            "warnings": [
                {
                    "op": each.op,
                    "kind": each.kind,
                    "text": each.text,
                    "nodes": list(each.nodes),
                    "signatures": list(each.signatures),
                }
                for each in self.warnings
            ],
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        cells = ((row.processor, verdict(row.verdict, good=row.verdict != CANNOT), row.reason) for row in self.rows)
        return fragment((table(("processor", "verdict", "why"), cells),))


def _short(finding: Finding) -> str:
    if finding.attribute:
        return f"{finding.op}.{finding.attribute}"
    return f"{finding.op} ({finding.misfit.kind})" if finding.op else finding.misfit.text


def check_model(
    model: str | Path,
    *,
    processors: Sequence[str] = (),
    tags: Collection[str] | None = (SERVE_TAG,),
    signatures: Collection[str] | None = None,
) -> CheckReport:
    """Says from the graph alone whether a SavedModel runs on EAS's processors; nothing has to be installed.

    "As it is" means that the processor's TensorFlow loads the file and finds all that its signatures need. What it
    computes is another question: ``verify_model`` answers it with the real TensorFlow.

    Args:
        model: The SavedModel's folder.
        processors: Processors, or patterns as the shell has them; all of EAS's if none is given, or for ``all``.
        tags: The metagraph's tags.
        signatures: Check only what these need; all by default.

    Raises:
        ModelError: There is no SavedModel, or a damaged one.
        SignatureError: It has no such signature or tag set.
        UsageError: No processor has such a name.
        MissingError: The file may not be read.

    Example:
        >>> report = tfkit.check_model("build/digits")                      # doctest: +SKIP
        >>> [row.processor for row in report.rows if row.verdict == "runs"]  # doctest: +SKIP
    """
    chosen = select_processors(processors or (ALL,))
    written = _only(read_written(model, tags), signatures)
    flat, refusal = _flatten(model, tags, signatures)
    python = findings_of_python(written)
    rows = tuple(_with_python(_row(each.name, written, flat, refusal), python) for each in chosen)
    return CheckReport(
        written.file,
        written.metagraph.tags,
        written.metagraph.tensorflow_version,
        tuple(sorted(written.roots.keys() - {LOADING})),
        written.nodes,
        rows,
        outside(written, [row.processor.replace("_gpu_", "_cpu_") for row in rows if row.verdict == RUNS]),
    )


def _only(model: WrittenModel, signatures: Collection[str] | None) -> WrittenModel:
    """The model with only some of its signatures."""
    if signatures is None:
        return model
    names = {find_signature(model.metagraph.signatures, name).name for name in signatures}
    return replace(model, roots={name: ends for name, ends in model.roots.items() if name in names or name == LOADING})


def _flatten(
    path: str | Path, tags: Collection[str] | None, signatures: Collection[str] | None
) -> tuple[FlatModel | None, str]:
    """The model without functions, for lowering; or why there is none."""
    try:
        return read_flat(path, tags, signatures), ""
    except ModelError as error:
        return None, error.message


def _row(processor: str, written: WrittenModel, flat: FlatModel | None, refusal: str) -> Row:
    target = Target(processor)
    blocking = findings_before(blockers(written, target), written)
    row = Row(processor, target.minor, RUNS, blocking, (), (), op_table(processor).derived_from)
    if not blocking:
        return row
    if flat is None:
        nowhere = Finding("", Misfit("graph", refusal), "", (), solved=False)
        return replace(row, verdict=CANNOT, problems=(nowhere,))
    lowered = flat.copy()
    result = rewrite(lowered, target)
    problems = findings_after(result.problems, lowered)
    unsolved = {each.op for each in problems}
    return replace(
        row,
        verdict=CANNOT if problems else LOWERED,
        blocking=tuple(replace(each, solved=each.op not in unsolved) for each in blocking),
        problems=problems,
        rules=() if problems else tuple(_applied(result.applied.items())),
    )


def _with_python(row: Row, python: tuple[Finding, ...]) -> Row:
    """The row of a model that calls Python: it loads, and fails as soon as it is asked."""
    if not python:
        return row
    ops = {each.op for each in python}
    others = tuple(each for each in row.problems if each.op not in ops)
    return replace(row, verdict=CANNOT, problems=(*python, *others), rules=())


def _applied(counts: Iterable[tuple[str, int]]) -> Iterable[AppliedRule]:
    rules = all_rules()
    for op, count in sorted(counts):
        makes = rules[op][0].makes if len(rules[op]) == 1 else "; or ".join(dict.fromkeys(r.makes for r in rules[op]))
        yield AppliedRule(op, makes, count)
