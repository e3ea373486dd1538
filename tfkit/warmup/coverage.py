"""Which of the recorded traffic warm-up files cover: a request warms up those of its own form."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.warmup.findings import Finding, error, warning
from tfkit.warmup.folder import read_folder
from tfkit.warmup.form import RequestForm
from tfkit.warmup.request_checks import RequestChecker

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RecordedForm:
    """A form of recorded requests.

    Attributes:
        form: The form.
        requests: How many requests had it.
        covered: Whether a warm-up request has it as well.
    """

    form: RequestForm
    requests: int
    covered: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of the recorded traffic is covered.

    Attributes:
        folder: The folder of recorded requests.
        forms: The forms, the most frequent first.
    """

    folder: Path
    forms: tuple[RecordedForm, ...]

    @property
    def requests(self) -> int:
        """How many requests were recorded."""
        return sum(each.requests for each in self.forms)

    @property
    def covered(self) -> int:
        """How many of them are of a form that is covered."""
        return sum(each.requests for each in self.forms if each.covered)

    @property
    def share(self) -> float:
        """The share of requests that are covered."""
        return self.covered / self.requests if self.requests else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "requests": self.requests,
            "covered": self.covered,
            "share": round(self.share, 4),
            "forms": [
                {**each.form.as_dict(), "requests": each.requests, "covered": each.covered} for each in self.forms
            ],
        }


def measure_coverage(recorded: Path, forms: Collection[RequestForm], checker: RequestChecker) -> Coverage:
    """Compares the forms of recorded requests with those of warm-up requests.

    Args:
        recorded: A folder of requests, as ``tfkit serve --record`` writes it.
        forms: The forms of the warm-up requests, as the checker completes them.
        checker: Knows the model.

    Raises:
        InputError: The folder holds no requests, or a damaged manifest.
        MessageError: A file in it holds no request.
    """
    counts: dict[RequestForm, int] = {}
    for stored in read_folder(recorded):
        form = checker.complete(stored.form)
        counts[form] = counts.get(form, 0) + max(stored.requests, 1)
    ranked = sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))
    return Coverage(recorded, tuple(RecordedForm(form, count, form in forms) for form, count in ranked))


def check_coverage(coverage: Coverage, forms: Collection[RequestForm], checker: RequestChecker) -> Iterator[Finding]:
    """What is left cold."""
    cold = [each for each in coverage.forms if not each.covered]
    if not coverage.forms:
        yield error(
            "nothing-recorded",
            f"no request is recorded in {coverage.folder}, so nothing shows whether production's are covered",
            "Record some first: tfkit serve MODEL --record FOLDER, or tfkit record.",
        )
    elif len(cold) == len(coverage.forms):
        yield error("nothing-covered", f"no recorded request has the form of a warm-up request: {coverage.folder}")
    for each in cold[:_SHOWN]:
        share = f"{each.requests} of {coverage.requests} recorded requests"
        alike = next((form for form in forms if checker.differs_in_batch(each.form, form)), None)
        if alike is not None:
            message = f"{share} have a batch size that no warm-up request has: {each.form}"
        else:
            message = f"{share} have a form that no warm-up request has: {each.form}"
        code = "batch-not-covered" if alike is not None else "form-not-covered"
        yield warning(code, message, f"Warm up with a request of that form, such as those in {coverage.folder}.")
    if len(cold) > _SHOWN:
        rest = sum(each.requests for each in cold[_SHOWN:])
        yield warning(
            "form-not-covered", f"{rest} recorded requests have {len(cold) - _SHOWN} more forms that are not covered"
        )
