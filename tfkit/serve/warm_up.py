"""Replays warm-up requests before a service takes traffic."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfkit.errors import InputError, TensorFlowError
from tfkit.serve.exchange import Response
from tfkit.warmup.files import read_warmup_body


@dataclass(frozen=True, slots=True)
class WarmUpResult:
    """How one file's replay went: the time of each send, in order."""

    path: Path
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        first, last = (f"{value * 1000:.1f} ms" for value in (self.seconds[0], self.seconds[-1]))
        return f"{self.path.name} x {len(self.seconds)} (first {first}, last {last})"


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
    seconds = []
    for _ in range(sends):
        began = time.perf_counter()
        result = answer(body)
        seconds.append(time.perf_counter() - began)
        if result.status != 200:
            text = result.body.decode("utf-8", "replace").strip()
            message = f"{path}: the warm-up request was answered {result.status}: {text}"
            if result.status >= 500:
                raise TensorFlowError(message, hint="The service was not started.")
            raise InputError(
                message, hint="The service was not started. Make a fitting request with `tfkit warmup-gen`."
            )
    return WarmUpResult(path, tuple(seconds))
