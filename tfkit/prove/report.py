"""What the first requests of a service cost with and without its warm-up, and whether it warms the right ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tfkit.errors import EXIT_MISSING, EXIT_OK, EXIT_VERDICT, ModelError, TensorFlowError, TfkitError
from tfkit.prove.timing import ServiceRun
from tfkit.warmup.form import RequestForm

# Requests after these count as later ones: what TensorFlow prepares, it has prepared by then.
SETTLED_AFTER = 5
# What a first request may take longer than later ones, and still count as quick: part of theirs, and in ms at least.
_NOISE, _LEAST_NOISE_MS = 0.5, 10.0
# How much of what a cold first request costs beyond a later one may be left when the service is warm.
_MOST_LEFT = 0.2

EFFECTIVE, NOT_NEEDED, NO_EFFECT, NOT_COVERED = "effective", "not needed", "no effect", "not covered"


@dataclass(frozen=True, slots=True)
class RequestProof:
    """What became of one production request.

    Attributes:
        name: What the request is called: its file.
        form: Its form, nothing left to defaults.
        covered_by: The warm-up file of the same form; empty if there is none.
        differences: Without one: in what the most similar warm-up request differs.
        cold_ms: Latencies in order, one row a fresh service without warm-up.
        warm_ms: The same with warm-up.
    """

    name: str
    form: RequestForm
    covered_by: str
    differences: tuple[str, ...]
    cold_ms: tuple[tuple[float, ...], ...]
    warm_ms: tuple[tuple[float, ...], ...]

    @property
    def cold_first_ms(self) -> float:
        """The first request's latency without warm-up, the least of all services: other processes only add to it."""
        return min(each[0] for each in self.cold_ms)

    @property
    def warm_first_ms(self) -> float:
        """The first request's latency with warm-up, the least of all services."""
        return min(each[0] for each in self.warm_ms)

    @property
    def later_ms(self) -> float:
        """What a request takes once the service has settled, the median of them all."""
        return median(value for each in (*self.cold_ms, *self.warm_ms) for value in each[SETTLED_AFTER:])

    @property
    def result(self) -> str:
        """``effective``, ``not needed``, ``no effect`` or ``not covered``."""
        if not self.covered_by:
            return NOT_COVERED
        # Nobody can tell a first request from later ones that is within their own range.
        settled = (*(each[SETTLED_AFTER:] for each in self.cold_ms), *(each[1:] for each in self.warm_ms))
        slowest_ms = max(value for each in settled for value in each)
        quick_ms = max(self.later_ms + max(self.later_ms * _NOISE, _LEAST_NOISE_MS), slowest_ms)
        if self.cold_first_ms <= quick_ms:
            return NOT_NEEDED
        left_ms, cost_ms = self.warm_first_ms - self.later_ms, self.cold_first_ms - self.later_ms
        return EFFECTIVE if self.warm_first_ms <= quick_ms or left_ms <= _MOST_LEFT * cost_ms else NO_EFFECT

    @property
    def passed(self) -> bool:
        """Whether the first such request is as quick as it can be made."""
        return self.result in (EFFECTIVE, NOT_NEEDED)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "request": self.name,
            "form": self.form.as_dict(),
            "covered_by": self.covered_by or None,
            "differences": list(self.differences),
            "result": self.result,
            "cold_first_ms": round(self.cold_first_ms, 3),
            "warm_first_ms": round(self.warm_first_ms, 3),
            "later_ms": round(self.later_ms, 3),
            "cold_ms": [[round(value, 3) for value in each] for each in self.cold_ms],
            "warm_ms": [[round(value, 3) for value in each] for each in self.warm_ms],
        }


@dataclass(frozen=True, slots=True)
class ProcessorProof:
    """What was measured on one processor.

    Attributes:
        processor: The processor.
        requests: One for each production request; none if the service did not start or did not answer.
        cold_start_s: Time from the start of a service to its readiness without warm-up, the median.
        warm_start_s: The same with warm-up.
        problem: Why there is nothing measured; empty if there is.
        hint: What to do about it.
        exit_code: What the command ends with, if that is so on every processor.
        missing: It is not installed here.
        required: It was named in full, so that it must be.
    """

    processor: str
    requests: tuple[RequestProof, ...] = ()
    cold_start_s: float = 0.0
    warm_start_s: float = 0.0
    problem: str = ""
    hint: str = ""
    exit_code: int = EXIT_VERDICT
    missing: bool = False
    required: bool = True

    @classmethod
    def failed(cls, processor: str, error: TfkitError, *, required: bool) -> ProcessorProof:
        """What kept the service from being measured.

        A model that does not run there is a no. A request that is wrong says nothing of the warm-up, and neither does a
        device that is not here.
        """
        is_verdict = isinstance(error, ModelError | TensorFlowError)
        code = EXIT_VERDICT if is_verdict else error.exit_code
        return cls(processor, problem=error.message, hint=error.hint, exit_code=code, required=required)

    @classmethod
    def of(
        cls, processor: str, requests: tuple[RequestProof, ...], cold: list[ServiceRun], warm: list[ServiceRun]
    ) -> ProcessorProof:
        """What several services without and with warm-up showed."""
        cold_s, warm_s = (median(each.start_s for each in runs) for runs in (cold, warm))
        return cls(processor, requests, cold_s, warm_s)

    @property
    def passed(self) -> bool:
        """Whether every request is covered, and quick from the first on."""
        if self.missing:
            return not self.required
        return not self.problem and all(each.passed for each in self.requests)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        measured = not self.problem
        return {
            "processor": self.processor,
            "passed": self.passed,
            "installed": not self.missing,
            "problem": self.problem or None,
            "hint": self.hint or None,
            "cold_start_s": round(self.cold_start_s, 3) if measured else None,
            "warm_start_s": round(self.warm_start_s, 3) if measured else None,
            "requests": [each.as_dict() for each in self.requests],
        }


@dataclass(frozen=True, slots=True, repr=False)
class WarmupProof:
    """What ``prove_warmup`` found.

    Attributes:
        model: The model.
        warm_up: Its warm-up files.
        runs: How many services were to be started without, and as many with warm-up, on each processor; where one was
            slow, there were more.
        keepalive_ms: The service's time limit, to judge first requests by.
        processors: One for each.
        created: When.
    """

    model: Path
    warm_up: tuple[Path, ...]
    runs: int
    keepalive_ms: int
    processors: tuple[ProcessorProof, ...]
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def measured(self) -> tuple[ProcessorProof, ...]:
        """The processors that are installed."""
        return tuple(each for each in self.processors if not each.missing)

    @property
    def passed(self) -> bool:
        """Whether the warm-up does its work on every processor that had to be tried."""
        return bool(self.measured) and all(each.passed for each in self.processors)

    @property
    def exit_code(self) -> int:
        """What the command ends with; where nothing could be measured, what kept the first service from it says so."""
        if self.passed:
            return EXIT_OK
        if not self.measured:
            return EXIT_MISSING
        return EXIT_VERDICT if any(each.requests for each in self.measured) else self.measured[0].exit_code

    @property
    def verdict(self) -> str:
        """In one sentence."""
        if not self.measured:
            return "nothing was measured: no processor that was asked for is installed"
        requests = [request for each in self.measured for request in each.requests]
        for result, words in (
            (NOT_COVERED, "no warm-up request has the form of {names}: {find} the service cold"),
            (NO_EFFECT, "the first request is slow in spite of the warm-up: {names}"),
        ):
            if names := dict.fromkeys(each.name for each in requests if each.result == result):
                return words.format(names=", ".join(names), find="it finds" if len(names) == 1 else "they find")
        if failed := [each.processor for each in self.processors if not each.passed]:
            return f"not proved on {', '.join(failed)}"
        if all(each.result == NOT_NEEDED for each in requests):
            return "every request is covered; the first is as quick without the warm-up"
        return "every request is covered, and as quick from the first on as later ones"

    def __repr__(self) -> str:
        return f"<WarmupProof {self.model}: {'passed' if self.passed else 'FAILED'}: {self.verdict}>"

    def too_late(self) -> tuple[str, ...]:
        """The processors on which a cold service answers 408 to a first request."""
        return tuple(
            each.processor
            for each in self.measured
            if any(request.cold_first_ms > self.keepalive_ms for request in each.requests)
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": str(self.model),
            "warm_up": [str(each) for each in self.warm_up],
            "passed": self.passed,
            "verdict": self.verdict,
            "runs": self.runs,
            "keepalive_ms": self.keepalive_ms,
            "created": self.created.isoformat(timespec="seconds"),
            "processors": [each.as_dict() for each in self.processors],
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from tfkit.html import fragment
        from tfkit.prove.page import render_parts

        return fragment(render_parts(self))
