"""What a verification found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.arrays import Array
from tfkit.compat.compare import OutputResult
from tfkit.compat.recorded import Case
from tfkit.compat.running import MISSING, Latency, Ran

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
            "outputs": [each.as_dict() for each in self.outputs],
            "latency_ms": _latency_dict(self.ran.latency),
        }


@dataclass(frozen=True, slots=True)
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
    """

    model: Path
    reference: str
    seed: int
    cases: tuple[Case, ...]
    rows: tuple[VerifyRow, ...]
    alike: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """How many runtimes were compared with the reference."""
        return sum(row.status in (PASSED, DIFFERS) for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether every runtime gave what it should."""
        return self.compared > 0 and not self.alike and not any(row.failed for row in self.rows)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if not self.compared:
            return "nothing could be compared"
        if self.alike:
            return f"the outputs do not vary over the samples ({', '.join(self.alike)}): equal results prove nothing"
        failed = [row for row in self.rows if row.failed]
        if self.reference:
            good = f"equal to {self.reference}, within what is allowed"
            bad = f"not equal to {self.reference}"
        else:
            good, bad = "consistent between runtimes", "not consistent between runtimes"
        if not failed:
            return good
        if all(row.status != DIFFERS for row in failed):
            bad = f"{good}, where it ran"
        return f"{bad}: {', '.join(f'{row.ran.processor} {row.status}' for row in failed)}"

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit verify --json`` prints it."""
        return {
            "model": str(self.model),
            "passed": self.passed,
            "verdict": self.verdict,
            "reference": self.reference or None,
            "seed": self.seed,
            "cases": [_case_dict(case) for case in self.cases],
            "processors": [row.as_dict() for row in self.rows],
            "constant_signatures": list(self.alike),
            "notes": list(self.notes),
        }


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
