"""Replays warm-up requests before a service takes traffic."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.messages import decode_request
from tfkit.errors import InputError, TensorFlowError
from tfkit.serve.exchange import Response
from tfkit.warmup.files import read_warmup_body
from tfkit.warmup.form import RequestForm

_TIMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class WarmUpResult:
    """How one file's replay went.

    Attributes:
        path: The file.
        form: The form of the request in it.
        times_s: The time that each send took, in order.
    """

    path: Path
    form: RequestForm
    times_s: tuple[float, ...]

    def __str__(self) -> str:
        shown = [_milliseconds(each) for each in self.times_s]
        if len(shown) > _TIMES_SHOWN:
            shown = [*shown[: _TIMES_SHOWN - 1], f"... {shown[-1]}"]
        return f"{self.path}: {self.form}; {len(self.times_s)} x: {', '.join(shown)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": str(self.path),
            "form": self.form.as_dict(),
            "sends": len(self.times_s),
            "times_s": list(self.times_s),
        }


def summary(results: Sequence[WarmUpResult]) -> str:
    """What was replayed, in a few words: one file by name, several by their number; empty for none."""
    if not results:
        return ""
    first = max(each.times_s[0] for each in results)
    last = max(each.times_s[-1] for each in results)
    what, slowest = (results[0].path.name, "") if len(results) == 1 else (f"{len(results)} files", "slowest ")
    sends = len(results[0].times_s)
    return f"{what} x {sends} ({slowest}first {_milliseconds(first)}, last {_milliseconds(last)})"


def replay(path: Path, sends: int, answer: Callable[[bytes], Response]) -> WarmUpResult:
    """Sends a warm-up file's request to the model, again and again.

    Args:
        path: The file: one serialized PredictRequest.
        sends: How often.
        answer: What answers a body.

    Raises:
        InputError: The file is no warm-up request, or the model refuses it.
        TensorFlowError: The model failed on it.
    """
    body = read_warmup_body(path)
    form = RequestForm.of(decode_request(body))
    times_s = []
    for _ in range(sends):
        began = time.perf_counter()
        result = answer(body)
        times_s.append(time.perf_counter() - began)
        if result.status != 200:
            text = result.body.decode("utf-8", "replace").strip()
            message = f"{path}: the warm-up request was answered {result.status}: {text}"
            if result.status >= 500:
                raise TensorFlowError(message, hint="The service was not started.")
            raise InputError(
                message, hint="The service was not started. Make a fitting request with `tfkit warmup-gen`."
            )
    return WarmUpResult(path, form, tuple(times_s))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
