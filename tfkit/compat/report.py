"""What a verification found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfkit.arrays import Array
from tfkit.compat.compare import OutputResult
from tfkit.compat.recorded import RECORDED, Case
from tfkit.compat.running import MISSING, Latency, Ran

_SHOWN, _MOST_TEXT = 3, 100
PASSED, DIFFERS, BASELINE = "passed", "differs", "baseline"


@dataclass(frozen=True, slots=True)
class VerifyRow:
    """A model in one runtime.

    Attributes:
        ran: What came of running it.
        status: ``passed`` or ``differs``; ``baseline`` if the others were compared with it; else the run's own status.
        outputs: How each output compares; none for the baseline and for what did not run.
        required: Whether the user named it: then it has to be installed.
    """

    ran: Ran
    status: str
    outputs: tuple[OutputResult, ...] = ()
    required: bool = False

    @property
    def failed(self) -> bool:
        """Whether this row makes the verdict a no."""
        if self.status == MISSING:
            return self.required
        return self.status not in (PASSED, BASELINE)

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {
            "processor": self.ran.processor,
            "tensorflow": self.ran.tensorflow,
            "status": self.status,
            "reason": self.ran.reason,
            "hint": self.ran.hint,
            "outputs": [each.as_dict() for each in self.outputs],
            "latency_ms": _latency_dict(self.ran.latency),
        }


@dataclass(frozen=True, slots=True, repr=False)
class VerifyReport:
    """How a model compares with its source in the runtimes that were asked for.

    Attributes:
        model: The model.
        reference: What it was compared with, for people; empty if only the runtimes were compared with each other.
        seed: Seed of what is random in the inputs.
        cases: What was run.
        rows: One a processor.
        alike: The signatures whose outputs do not vary over the cases though the inputs do: comparing them proves
            nothing.
        notes: What else there is to know.
        skipped: Signatures that were not compared, and why.
        given: The inputs that the user gave, as text; what they leave out is random.
        created: When, in UTC.
    """

    model: Path
    reference: str
    seed: int
    cases: tuple[Case, ...]
    rows: tuple[VerifyRow, ...]
    alike: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def compared(self) -> int:
        """How many runtimes were compared with the reference."""
        return sum(row.status in (PASSED, DIFFERS) for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether every runtime gave what it should."""
        return self.compared > 0 and not self.alike and not any(row.failed for row in self.rows)

    @property
    def inputs_from(self) -> str:
        """Where the inputs are from, for people."""
        if self.given:
            given = ", ".join(map(_shortened, self.given))
            return f"{given}; what they leave out is random (seed {self.seed})"
        if any(case.what.startswith(RECORDED) for case in self.cases):
            return "recorded with the source's outputs"
        return f"random (seed {self.seed})"

    @property
    def missing(self) -> tuple[str, ...]:
        """The processors that are not installed."""
        return tuple(row.ran.processor for row in self.rows if row.status == MISSING)

    @property
    def only_missing(self) -> bool:
        """Whether nothing could be compared because nothing of what was asked for is installed."""
        others = [row for row in self.rows if row.status != BASELINE]
        return bool(others) and all(row.status == MISSING for row in others)

    @property
    def verdict(self) -> str:
        """The result in a sentence, with what it does not say."""
        parts = [self._result()]
        if unasked := [row.ran.processor for row in self.rows if row.status == MISSING and not row.required]:
            parts.append(f"not installed: {', '.join(unasked)}")
        if self.skipped and self.compared:
            more = f" and {len(self.skipped) - _SHOWN} more" if len(self.skipped) > _SHOWN else ""
            parts.append(f"not compared: signature {', '.join([*self.skipped][:_SHOWN])}{more}")
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"<VerifyReport {self.model}: {'passed' if self.passed else 'FAILED'}: {self.verdict}>"

    def _result(self) -> str:
        failed = [row for row in self.rows if row.failed]
        names = ", ".join(f"{row.ran.processor} {row.status}" for row in failed)
        if not self.compared:
            return f"nothing could be compared{f': {names}' if names else ''}"
        if self.alike:
            return f"the outputs do not vary over the samples ({', '.join(self.alike)}): equal results prove nothing"
        good = f"equal to {self.reference}, within what is allowed" if self.reference else "consistent between runtimes"
        asked = sum(row.status != BASELINE for row in self.rows)
        passed = sum(row.status == PASSED for row in self.rows)
        share = f", on {passed} of {asked} processors" if passed != asked else ""
        if not failed:
            return f"{good}{share}"
        if any(row.status == DIFFERS for row in failed):
            return f"{f'not equal to {self.reference}' if self.reference else f'not {good}'}: {names}"
        return f"{names}; where it ran, {good}{share}"

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit verify --json`` prints it."""
        return {
            "model": str(self.model),
            "passed": self.passed,
            "verdict": self.verdict,
            "reference": self.reference or None,
            "seed": self.seed,
            "inputs": list(self.given),
            "cases": [_case_dict(case) for case in self.cases],
            "processors": [row.as_dict() for row in self.rows],
            "constant_signatures": list(self.alike),
            "skipped_signatures": dict(self.skipped),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from tfkit.compat.page import render_parts
        from tfkit.html import fragment

        return fragment(render_parts(self))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


def _case_dict(case: Case) -> dict[str, Any]:
    return {"signature": case.signature, "what": case.what, "inputs": _shapes(case.inputs)}


def _shapes(arrays: Mapping[str, Array]) -> dict[str, list[int]]:
    return {name: list(array.shape) for name, array in arrays.items()}


def _latency_dict(latency: Latency | None) -> dict[str, float] | None:
    if latency is None:
        return None
    return {
        "load": round(latency.load_ms, 3),
        "cold": round(latency.cold_ms, 3),
        "warm": round(latency.warm_ms, 3),
    }
