"""What was bundled, and what a check of a bundle found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from tfkit.compat.compare import OutputResult
from tfkit.html import fragment, table, verdict

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
FILE_COLUMNS = ("file", "size", "sha256")
STEP_COLUMNS = ("step", "result", "found")
_SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class BundledFile:
    """A file of a bundle.

    Attributes:
        name: Its path in the bundle.
        size_bytes: Its size.
        sha256: Its checksum.
    """

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, repr=False)
class BundleReport:
    """A bundle that was made.

    Attributes:
        folder: Where it is.
        layout: ``eas`` or ``tf-serving``.
        name: The service's name.
        processor: What it is for.
        proved_in: The processor whose TensorFlow ran it; empty where nothing did.
        verdict: What that said, in a sentence.
        files: What it holds.
        notes: What else there is to know.
    """

    folder: Path
    layout: str
    name: str
    processor: str
    proved_in: str
    verdict: str
    files: tuple[BundledFile, ...]
    notes: tuple[str, ...]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """What it holds, for people: a row of name, size and checksum for each file, and one for each folder."""
        folders: dict[str, list[int]] = {}
        for file in self.files:
            folder, slash, _ = file.name.partition("/")
            if slash:
                folders.setdefault(folder, []).append(file.size_bytes)
            else:
                yield file.name, f"{file.size_bytes} bytes", file.sha256[:_SHOWN_DIGITS]
        for folder, sizes in folders.items():
            yield f"{folder}/", f"{sum(sizes)} bytes", f"{len(sizes)} files"

    @property
    def proof(self) -> str:
        """What proves it, in a sentence."""
        return f"proved in {self.proved_in}: {self.verdict}" if self.proved_in else self.verdict

    def __repr__(self) -> str:
        return f"<BundleReport {self.folder}: {self.name} on {self.processor}, {self.proof}>"

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        title = escape(f"{self.folder}: {self.name} on {self.processor}")
        notes = "".join(f"<br>note: {escape(each)}" for each in self.notes)
        proof = verdict(self.proof, good=bool(self.proved_in))
        return fragment((f"<p>{title}</p>", table(FILE_COLUMNS, self.rows()), f"<p>{proof}{notes}</p>"))

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit bundle --json`` prints it."""
        return {
            "folder": str(self.folder),
            "layout": self.layout,
            "name": self.name,
            "processor": self.processor,
            "proved_in": self.proved_in or None,
            "verdict": self.verdict,
            "files": [{"name": each.name, "size_bytes": each.size_bytes, "sha256": each.sha256} for each in self.files],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class BundleStep:
    """One step of a check.

    Attributes:
        name: ``files``, ``settings``, ``model``, ``service`` or ``answers``.
        status: ``passed``, ``failed`` or ``not run``, as a step before it failed.
        details: What was found, a line each.
    """

    name: str
    status: str
    details: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The step as JSON has it."""
        return {"name": self.name, "status": self.status, "details": list(self.details)}


@dataclass(frozen=True, slots=True, repr=False)
class BundleCheck:
    """What a check of a bundle found.

    Attributes:
        folder: The bundle.
        processor: What it is for; empty where it does not say.
        proved_in: The processor whose TensorFlow it was run in; empty where it was not.
        steps: What was done, in order.
        outputs: How each output compares with what was recorded.
        notes: What else there is to know.
    """

    folder: Path
    processor: str
    proved_in: str
    steps: tuple[BundleStep, ...]
    outputs: tuple[OutputResult, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every step passed."""
        return all(step.status == PASSED for step in self.steps)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        failed = next((step for step in self.steps if step.status == FAILED), None)
        if failed is not None:
            more = f" (and {len(failed.details) - 1} more)" if len(failed.details) > 1 else ""
            return f"{failed.name}: {failed.details[0]}{more}"
        return f"starts in {self.proved_in}, and {self.steps[-1].details[0]}"

    def __repr__(self) -> str:
        return f"<BundleCheck {self.folder}: {'passed' if self.passed else 'FAILED'}: {self.verdict.splitlines()[0]}>"

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """A row of name, result and what was found for each step."""
        for step in self.steps:
            yield step.name, step.status, "\n".join(step.details)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        notes = "".join(f"<br>note: {escape(each)}" for each in self.notes)
        result = verdict(f"{'passed' if self.passed else 'FAILED'}: {self.verdict}", good=self.passed)
        return fragment((table(STEP_COLUMNS, self.rows()), f"<p>{result}{notes}</p>"))

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit bundle-check --json`` prints it."""
        return {
            "folder": str(self.folder),
            "processor": self.processor or None,
            "proved_in": self.proved_in or None,
            "passed": self.passed,
            "verdict": self.verdict,
            "steps": [step.as_dict() for step in self.steps],
            "outputs": [each.as_dict() for each in self.outputs],
            "notes": list(self.notes),
        }
