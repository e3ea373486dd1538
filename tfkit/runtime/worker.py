"""The process behind ``tfkit.Runtime``: loads TensorFlow's C library and runs models for its owner, over pipes."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.errors import TensorFlowError, TfkitError
from tfkit.runtime.frames import encode_frame, read_frame, write_frame
from tfkit.runtime.library import Library
from tfkit.runtime.options import RuntimeOptions
from tfkit.runtime.session import Session

Arrays = Mapping[str, Array]
Answer = tuple[dict[str, Any], dict[str, Array]]


class Worker:
    """The calls an owner can make; each takes arrays and JSON values, and returns JSON values and arrays."""

    def __init__(self, options: RuntimeOptions) -> None:
        self._sessions: dict[int, Session] = {}
        self._numbers = count(1)  # none is used again: an old number must not come to mean another model
        self._library = Library.load(options)

    def hello(self, _arrays: Arrays) -> Answer:
        """The runtime's TensorFlow version."""
        return {"version": self._library.version}, {}

    def load(self, _arrays: Arrays, path: str, tags: list[str]) -> Answer:
        """Loads a model; returns the number that stands for it."""
        session = Session(self._library, path, tags)
        number = next(self._numbers)
        self._sessions[number] = session
        return {"session": number, "devices": [[d.kind, d.name, d.memory_bytes] for d in session.devices]}, {}

    def predict(self, inputs: Arrays, session: int, signature: str | None, fetch: list[str]) -> Answer:
        """Runs a signature of a loaded model."""
        return {}, self._sessions[session].prepare(signature, inputs, fetch)(inputs)

    def unload(self, _arrays: Arrays, session: int) -> Answer:
        """Closes a loaded model."""
        self._sessions.pop(session).close()
        return {}, {}

    def op_list(self, _arrays: Arrays) -> Answer:
        """A serialized ``tensorflow.OpList``."""
        return {}, {"list": np.frombuffer(self._library.op_list(), np.uint8)}

    def kernel_list(self, _arrays: Arrays) -> Answer:
        """A serialized ``tensorflow.KernelList``."""
        return {}, {"list": np.frombuffer(self._library.kernel_list(), np.uint8)}


def main() -> None:
    """Serves calls from stdin until it closes. Its one argument holds the options as JSON."""
    # TensorFlow and its kernels write to stdout: keep that pipe for the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    calls = sys.stdin.buffer
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # into the log that holds the last words
    try:
        worker = Worker(_read_options(sys.argv[1]))
    except TfkitError as error:
        read_frame(calls)
        write_frame(answers, encode_frame(_failure(error), {}))
        return
    while True:
        try:
            call, arrays = read_frame(calls)
        except EOFError:
            return
        write_frame(answers, _answer(worker, call, arrays))


def _answer(worker: Worker, call: dict[str, Any], arrays: Arrays) -> list[bytes | memoryview]:
    """The frame that answers a call; whatever goes wrong is told, and the worker goes on."""
    try:
        method: Callable[..., Answer] = getattr(worker, call.pop("call"))
        return encode_frame(*method(arrays, **call))
    except TfkitError as error:
        return encode_frame(_failure(error), {})
    except Exception:  # noqa: BLE001  # the owner raises it, with this traceback
        return encode_frame(_failure(TfkitError(f"a call of the runtime failed\n{traceback.format_exc()}")), {})


def _read_options(text: str) -> RuntimeOptions:
    values = json.loads(text)
    return RuntimeOptions(**{**values, "op_libraries": tuple(map(Path, values["op_libraries"]))})


def _failure(error: TfkitError) -> dict[str, Any]:
    failure: dict[str, Any] = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, TensorFlowError):
        failure["code"] = error.code
    return failure
