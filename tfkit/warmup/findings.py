"""What lint finds in warm-up files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a finding is: the request fails; it may not warm what it should; something to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a warm-up file.

    Attributes:
        severity: How bad it is.
        code: What it is, for programs: ``wrong-shape``. Codes stay as they are.
        message: What came and what was expected.
        hint: What to do; may be empty.
        file: The file; empty for what is about all of them.
        place: Where in the file: ``record 3``; empty for a file that is one request.
        input: The input that it is about; empty for none.
    """

    severity: Severity
    code: str
    message: str
    hint: str = ""
    file: str = ""
    place: str = ""
    input: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "file": self.file,
            "place": self.place,
            "input": self.input,
        }


def error(code: str, message: str, hint: str = "", **place: str) -> Finding:
    """Something that makes a request fail."""
    return Finding(Severity.ERROR, code, message, hint, **place)


def warning(code: str, message: str, hint: str = "", **place: str) -> Finding:
    """Something that keeps a request from warming up what it should."""
    return Finding(Severity.WARNING, code, message, hint, **place)


def note(code: str, message: str, hint: str = "", **place: str) -> Finding:
    """Something to know."""
    return Finding(Severity.NOTE, code, message, hint, **place)
