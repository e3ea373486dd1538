"""The process behind ``tfkit.Runtime``: loads TensorFlow's C library and runs models for its owner, over pipes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from tfkit.arrays import Array
from tfkit.errors import TensorFlowError, TfkitError
from tfkit.runtime.frames import encode_frame, read_frame, write_frame
from tfkit.runtime.library import Library
from tfkit.runtime.session import Session, SessionOptions
from tfkit.savedmodel.reader import find_signature

Arrays = Mapping[str, Array]
Answer = tuple[dict[str, Any], dict[str, Array]]


class Worker:
    """The calls an owner can make; each takes arrays and JSON values, and returns JSON values and arrays."""

    def __init__(self, options: SessionOptions) -> None:
        self._options = options
        self._sessions: dict[int, Session] = {}
        self._numbers = count(1)  # none is used again: an old number must not come to mean another model
        self._library = Library.load()

    def hello(self, _arrays: Arrays) -> Answer:
        """The runtime's TensorFlow version."""
        return {"version": self._library.version}, {}

    def load(self, _arrays: Arrays, path: str, tags: list[str]) -> Answer:
        """Loads a SavedModel; returns the number that stands for it."""
        session = Session(self._library, path, tags, self._options)
        number = next(self._numbers)
        self._sessions[number] = session
        return {"session": number, "devices": [[d.kind, d.name, d.memory_bytes] for d in session.devices]}, {}

    def predict(self, inputs: Arrays, session: int, signature: str | None, outputs: list[str]) -> Answer:
        """Runs a signature of a loaded model."""
        loaded = self._sessions[session]
        return {}, loaded.function(find_signature(loaded.signatures, signature), outputs)(inputs)

    def unload(self, _arrays: Arrays, session: int) -> Answer:
        """Closes a loaded model."""
        self._sessions.pop(session).close()
        return {}, {}


def main() -> None:
    """Serves calls from stdin until it closes. Arguments: device, intra-op threads, inter-op threads."""
    # TensorFlow and its kernels write to stdout: keep that pipe for the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    calls = sys.stdin.buffer
    device, intra, inter = sys.argv[1:4]
    try:
        worker = Worker(SessionOptions(device, int(intra), int(inter)))
    except TfkitError as error:
        read_frame(calls)
        write_frame(answers, encode_frame(_failure(error), {}))
        return
    while True:
        try:
            call, arrays = read_frame(calls)
        except EOFError:
            return
        method: Callable[..., Answer] = getattr(worker, call.pop("call"))
        try:
            header, results = method(arrays, **call)
        except TfkitError as error:
            header, results = _failure(error), {}
        write_frame(answers, encode_frame(header, results))


def _failure(error: TfkitError) -> dict[str, Any]:
    failure: dict[str, Any] = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, TensorFlowError):
        failure["code"] = error.code
    return failure
