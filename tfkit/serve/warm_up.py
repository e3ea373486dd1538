"""Replays warm-up requests before a service takes traffic."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.messages import decode_request, encode_request
from tfkit.errors import InputError, MessageError, TensorFlowError
from tfkit.serve.exchange import Response
from tfkit.warmup.files import read_warmup_body
from tfkit.warmup.form import RequestForm
from tfkit.warmup.tf_serving import MAX_RECORDS, WARMUP_FILE

_TIMES_SHOWN = 8
_NO_WARM_UP = "The service was not started. Write the file anew with tfkit warmup-convert, or give --no-warm-up."

logger = logging.getLogger("tfkit.serve")


@dataclass(frozen=True, slots=True)
class WarmUpResult:
    """How the replay of one request went.

    Attributes:
        path: The file that it is in.
        form: Its form.
        times_s: The time that each send took, in order.
        record: Its number in the file, if that is TensorFlow Serving's; 0 in a file that is one request.
    """

    path: Path
    form: RequestForm
    times_s: tuple[float, ...]
    record: int = 0

    def __str__(self) -> str:
        shown = [_milliseconds(each) for each in self.times_s]
        if len(shown) > _TIMES_SHOWN:
            shown = [*shown[: _TIMES_SHOWN - 1], f"... {shown[-1]}"]
        return f"{_place(self.path, self.record)}: {self.form}; {len(self.times_s)} x: {', '.join(shown)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": str(self.path),
            "record": self.record or None,
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
    what, slowest = results[0].path.name, "slowest " if len(results) > 1 else ""
    if len(results) > 1:
        files = len({each.path for each in results})
        what = f"{files} files" if files == len(results) else f"{len(results)} requests"
    sends = len(results[0].times_s)
    return f"{what} x {sends} ({slowest}first {_milliseconds(first)}, last {_milliseconds(last)})"


def replay(path: Path, sends: int, answer: Callable[[bytes], Response]) -> Iterator[WarmUpResult]:
    """Sends the requests of a warm-up file to the model, each of them again and again.

    Args:
        path: The file: one serialized PredictRequest, or TensorFlow Serving's ``tf_serving_warmup_requests``.
        sends: How often.
        answer: What answers a body.

    Raises:
        InputError: The file is no warm-up file, or the model refuses a request of it.
        TensorFlowError: The model failed on it.
    """
    if path.name == WARMUP_FILE.name:
        try:
            for number, body in _records(path):
                yield _replay(path, number, body, sends, answer)
        except InputError as error:
            error.hint = _NO_WARM_UP
            raise
    else:
        yield _replay(path, 0, read_warmup_body(path), sends, answer)


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """The requests of TensorFlow Serving's warm-up file, by their numbers.

    TensorFlow Serving loads no model whose file is damaged or too long, and so it is here.
    """
    from tfkit.warmup.sources import read_items

    for number, item in enumerate(read_items(path), start=1):
        if number > MAX_RECORDS:
            raise InputError(f"{path} holds more than {MAX_RECORDS} records: TensorFlow Serving loads no such model")
        if item.problem:
            raise MessageError(f"{item}: {item.problem}")
        if item.request is None:
            logger.warning("skipped %s: a %s, which only TensorFlow Serving answers", item, item.kind)
        else:
            yield number, encode_request(item.request)


def _replay(path: Path, record: int, body: bytes, sends: int, answer: Callable[[bytes], Response]) -> WarmUpResult:
    form = RequestForm.of(decode_request(body))
    times_s = []
    for _ in range(sends):
        began = time.perf_counter()
        result = answer(body)
        times_s.append(time.perf_counter() - began)
        if result.status != 200:
            text = result.body.decode("utf-8", "replace").strip()
            message = f"{_place(path, record)}: the warm-up request was answered {result.status}: {text}"
            if result.status >= 500:
                raise TensorFlowError(message, hint="The service was not started.")
            raise InputError(
                message, hint="The service was not started. Make a fitting request with `tfkit warmup-gen`."
            )
    return WarmUpResult(path, form, tuple(times_s), record)


def _place(path: Path, record: int) -> str:
    return f"{path}, record {record}" if record else str(path)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
