"""Every error that tfkit raises on purpose.

    TfkitError                     70  a bug, if nothing more precise is raised
    ├── VerdictError                1  a check ran, and its answer is no
    ├── UsageError                  2  options that do not go together
    ├── InputError                  3  a file, a value or a request is wrong      HTTP 400
    │   ├── ModelError              3  not a model, or a damaged one
    │   │   └── LoweringError       3  a model that an older TensorFlow cannot be made to run
    │   ├── SignatureError          3  unknown signature or tensor, dtype, shape  HTTP 400
    │   └── MessageError            3  bytes that are no EAS message              HTTP 400
    │       └── TooLargeError       3  a message that unpacks to too much         HTTP 413
    ├── MissingError                4  something is not here: library, device, network
    ├── TensorFlowError             5  the runtime failed                         HTTP 400 or 500
    │   └── RuntimeCrashError            5  the runtime's process ended                HTTP 500
    │       └── RuntimeTimeoutError      5  it was ended: it took too long             HTTP 500
    └── ServiceError                3 or 5  a service answered with an error status

A message says what is wrong (the file, tensor or node), what came and what was expected; ``hint`` says what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_OK = 0
EXIT_VERDICT = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_MISSING = 4
EXIT_RUNTIME = 5
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

# TensorFlow's codes (tsl/protobuf/error_codes.proto) that the values of a request can cause.
_INVALID_ARGUMENT = 3
_OUT_OF_RANGE = 11

_KEPT_BODY_BYTES = 4096


class TfkitError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: What is wrong, what came and what was expected.
        hint: What the user can do about it; printed after the message.
    """

    exit_code = EXIT_BUG
    http_status = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class VerdictError(TfkitError):
    """A check or a comparison ran, and its answer is no."""

    exit_code = EXIT_VERDICT


class UsageError(TfkitError):
    """Options or arguments that do not make sense together."""

    exit_code = EXIT_USAGE


class InputError(TfkitError):
    """A file, a value or a request from outside is wrong."""

    exit_code = EXIT_INPUT
    http_status = 400


class ModelError(InputError):
    """A path holds no model, or a damaged one."""

    http_status = 500


class LoweringError(ModelError):
    """A model uses what an older TensorFlow does not have, and no rule writes it otherwise."""


class SignatureError(InputError):
    """A signature or tensor is not there, or a value does not fit it."""


class MessageError(InputError):
    """Bytes are no valid EAS message."""


class TooLargeError(MessageError):
    """A compressed message unpacks to more than the limit."""

    http_status = 413


class MissingError(TfkitError):
    """Something that is needed is not here: a library, a device, a file's owner's permission, the network."""

    exit_code = EXIT_MISSING


class TensorFlowError(TfkitError):
    """The TensorFlow runtime refused or failed.

    Args:
        message: TensorFlow's own message.
        code: TensorFlow's error code (``TF_Code`` of its C API).
        hint: What the user can do about it.
    """

    exit_code = EXIT_RUNTIME

    def __init__(self, message: str, *, code: int = 2, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.http_status = 400 if code in (_INVALID_ARGUMENT, _OUT_OF_RANGE) else 500


class RuntimeCrashError(TensorFlowError):
    """The process that ran TensorFlow ended: a failed CHECK, a segmentation fault, a kill."""


class RuntimeTimeoutError(RuntimeCrashError):
    """The process that ran TensorFlow was ended, as it took longer than it was given."""


class ServiceError(TfkitError):
    """A service answered a request with an error status.

    Args:
        message: What was asked, and the status.
        status: The HTTP status.
        body: The answer's body, of which the first 4096 bytes are kept.
        hint: What the user can do about it.
    """

    def __init__(self, message: str, *, status: int, body: bytes = b"", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.body = body[:_KEPT_BODY_BYTES]
        self.exit_code = EXIT_INPUT if 400 <= status < 450 and status not in (408, 429) else EXIT_RUNTIME


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the known names, those nearest to ``name`` first.

    >>> nearest("imges", ["images", "scores"])
    "Did you mean 'images'? Known: images, scores."
    >>> nearest("SCORES", ["images", "scores"])
    "Did you mean 'scores'? Known: images, scores."
    """
    names = list(known)
    shown = ", ".join(names[:20]) + (f", and {len(names) - 20} more" if len(names) > 20 else "")
    same = [each for each in names if each.casefold() == name.casefold()]
    close = same[:2] or get_close_matches(name, names, n=2, cutoff=0.6)
    question = f"Did you mean {' or '.join(repr(each) for each in close)}? " if close else ""
    return f"{question}Known: {shown}." if names else "There are none."


def counted(number: int, noun: str) -> str:
    """A number of things, in the words of a message.

    >>> counted(1, "request"), counted(2, "request")
    ('1 request', '2 requests')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
