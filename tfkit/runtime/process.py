"""A TensorFlow runtime in a process of its own: what a crash of it cannot hurt, and what may run beside others."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from tfkit import errors
from tfkit.arrays import Array
from tfkit.errors import (
    InputError,
    RuntimeCrashError,
    RuntimeTimeoutError,
    TensorFlowError,
    TfkitError,
    UsageError,
)
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.runtime.child import child_command
from tfkit.runtime.frames import encode_frame, read_frame, write_frame
from tfkit.runtime.options import RuntimeOptions
from tfkit.runtime.session import Device
from tfkit.tensors import SERVE_TAG

_LAST_WORDS_BYTES = 2000


class Runtime:
    """The real TensorFlow C library, in a process of its own.

    A crash of the library becomes a ``RuntimeCrashError``; the next call starts a fresh process, and models are loaded
    again as they are asked for. Calls from several threads take turns.

    Args:
        processor: Whose TensorFlow: a processor of EAS such as ``tensorflow_cpu_1.15``, or ``installed``.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        intra_op_threads: Threads inside one operation; 0: one a core.
        inter_op_threads: Threads for independent operations; -1: run on the calling thread.
        gpu_memory_fraction: The share of a card's memory that TensorFlow may take; 0 for no limit.
        gpu_memory_growth: Take a card's memory as it is needed.
        op_libraries: Shared libraries with custom operations, loaded before any model.
        timeout_s: The longest that one call may take, after which the process is ended with a ``RuntimeTimeoutError``;
            ``None``: as long as it likes.

    Raises:
        UsageError: No processor has that name, or an option has no such value.

    Example:
        >>> with Runtime("tensorflow_cpu_1.15") as runtime:                # doctest: +SKIP
        ...     model = runtime.load("build/digits")
        ...     scores = model.predict({"images": images})["scores"]
    """

    def __init__(
        self,
        processor: str = INSTALLED,
        *,
        device: str = "auto",
        intra_op_threads: int = 0,
        inter_op_threads: int = -1,
        gpu_memory_fraction: float = 0.0,
        gpu_memory_growth: bool = True,
        op_libraries: Sequence[Path | str] = (),
        timeout_s: float | None = None,
    ) -> None:
        find_processor(processor)
        libraries = tuple(Path(library).absolute() for library in op_libraries)
        self.options = RuntimeOptions(
            processor, device, intra_op_threads, inter_op_threads, gpu_memory_fraction, gpu_memory_growth, libraries
        )
        if timeout_s is not None and not timeout_s > 0:
            raise UsageError(f"a time-out of {timeout_s} s is not possible: expected more than 0")
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._generation = 0
        self._log: IO[bytes] | None = None
        self._version = ""

    @property
    def version(self) -> str:
        """TensorFlow's version; starts the process if it does not run."""
        with self._lock:
            self._ensure_started()
            return self._version

    def load(self, path: Path | str, tags: Sequence[str] = (SERVE_TAG,)) -> LoadedModel:
        """Loads a SavedModel's folder, or a frozen graph's file.

        Raises:
            ModelError: There is no model, or it is damaged.
            TensorFlowError: TensorFlow refused it.
            RuntimeCrashError: TensorFlow's process ended.
        """
        model = LoadedModel(self, Path(path).absolute(), tuple(tags))
        with self._lock:
            self._load(model)
        return model

    def run(self, model: LoadedModel, inputs: Mapping[str, Array], **arguments: Any) -> dict[str, Array]:
        """Runs a model that this runtime loaded; see ``LoadedModel.predict``."""
        self._check_owned(model)
        with self._lock:
            self._ensure_started()
            if model.generation != self._generation:
                self._load(model)
            return self._call("predict", inputs, session=model.session, **arguments)[1]

    def unload(self, model: LoadedModel) -> None:
        """Gives a model's memory back, if the process that loaded it still runs."""
        self._check_owned(model)
        with self._lock:
            if self._process is not None and model.generation == self._generation:
                self._call("unload", {}, session=model.session)

    def _check_owned(self, model: LoadedModel) -> None:
        if model.runtime is not self:
            raise UsageError(f"{model.path}: another runtime loaded this model", hint="Use LoadedModel.predict.")

    def op_list(self) -> bytes:
        """Every operation that this TensorFlow has: a serialized ``tensorflow.OpList``."""
        return self._list("op_list")

    def kernel_list(self) -> bytes:
        """Every kernel that this TensorFlow has: a serialized ``tensorflow.KernelList``."""
        return self._list("kernel_list")

    def _list(self, name: str) -> bytes:
        with self._lock:
            self._ensure_started()
            return self._call(name, {})[1]["list"].tobytes()

    def _load(self, model: LoadedModel) -> None:
        self._ensure_started()
        header, _ = self._call("load", {}, path=str(model.path), tags=list(model.tags))
        model.session, model.generation = header["session"], self._generation
        model.devices = tuple(Device(*device) for device in header["devices"])

    def close(self) -> None:
        """Ends the process; a later call starts it again."""
        with self._lock:
            self._stop()
            self._close_log()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ensure_started(self) -> None:
        if self._process is not None:
            return
        self._close_log()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self._process = subprocess.Popen(
            child_command("tfkit.runtime.worker", json.dumps(asdict(self.options), default=str)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Its log is for last words, so everything belongs there.
            env={"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ},
            # Ctrl-C in the terminal is the owner's to handle.
            start_new_session=True,
        )
        self._generation += 1
        try:
            self._version = self._call("hello", {})[0]["version"]
        except TfkitError:
            self._stop()
            raise

    def _call(self, name: str, arrays: Mapping[str, Array], **arguments: Any) -> tuple[Any, dict[str, Array]]:
        """One call of the worker (see ``tfkit.runtime.worker.Worker``); needs the lock."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        question = encode_frame({"call": name, **arguments}, arrays)
        limit = _Limit(process, self._timeout_s)
        try:
            with limit:
                write_frame(process.stdin, question)
                header, results = read_frame(process.stdout)
        except (EOFError, OSError):
            raise self._crashed(name, in_time=not limit.exceeded) from None
        except BaseException:
            # Interrupted between question and answer: the two would be out of step from here on.
            self._stop()
            raise
        if "error" in header:
            raise _as_error(header)
        return header, results

    def _crashed(self, call: str, *, in_time: bool) -> RuntimeCrashError:
        process = self._process
        assert process is not None  # noqa: S101
        self._stop()
        words = _read_end(self._log).strip()
        code = process.returncode
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        runtime = f"TensorFlow {self._version}" if self._version else f"{self.options.processor}'s TensorFlow"
        if not in_time:
            return RuntimeTimeoutError(
                f"{runtime} took longer than {self._timeout_s:g} s for {call}: its process was ended",
                hint=words and f"Its last words:\n{words}",
            )
        return RuntimeCrashError(
            f"the process of {runtime} ended with {ended} during {call}", hint=words and f"Its last words:\n{words}"
        )

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it died with something unread: that is what we are cleaning up after
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Limit:
    """Kills a process that a block of code waits for too long.

    Attributes:
        exceeded: Whether it was killed.
    """

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float | None) -> None:
        self._process = process
        self._timer = None if timeout_s is None else threading.Timer(timeout_s, self._kill)
        self.exceeded = False

    def _kill(self) -> None:
        self.exceeded = True
        self._process.kill()

    def __enter__(self) -> None:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


class LoadedModel:
    """A model in a ``Runtime``; loaded again by itself after a crash.

    It stays loaded until it is closed, or the runtime is; forgetting it does not unload it.

    Attributes:
        runtime: Where it is loaded.
        path: The SavedModel's folder, or the frozen graph's file.
        tags: Its tag set.
        devices: What TensorFlow may compute it on.
        session: The worker's number for it.
        generation: Which of the runtime's processes has it loaded, counted from 1.
    """

    def __init__(self, runtime: Runtime, path: Path, tags: tuple[str, ...]) -> None:
        self._closed = False
        self.runtime = runtime
        self.path = path
        self.tags = tags
        self.devices: tuple[Device, ...] = ()
        self.session = 0
        self.generation = 0

    def predict(
        self, inputs: Mapping[str, Array], *, signature: str | None = None, fetch: Sequence[str] = ()
    ) -> dict[str, Array]:
        """Runs a signature.

        A frozen graph has no signatures: its inputs and outputs are tensors of the graph, ``node`` or ``node:0``.

        Args:
            inputs: An array for each input, of its dtype (strings: object arrays of ``bytes``).
            signature: Its name; the model's default one if not given.
            fetch: The outputs to compute; all if none is named. Of a frozen graph they have to be named.

        Raises:
            InputError: An input is no array.
            SignatureError: A name, dtype or shape does not fit.
            TensorFlowError: The run failed, or the model was closed.
            RuntimeCrashError: TensorFlow's process ended.
        """
        if self._closed:
            raise TensorFlowError(f"{self.path}: the model was closed", hint="Load it again: Runtime.load.")
        for name, array in inputs.items():
            if not isinstance(array, np.ndarray | np.generic):
                raise InputError(f"input {name!r} is a {type(array).__name__}: expected a numpy array")
        return self.runtime.run(self, inputs, signature=signature, fetch=list(fetch))

    def close(self) -> None:
        """Unloads the model; may be called twice."""
        if not self._closed:
            self._closed = True
            self.runtime.unload(self)


def _as_error(header: dict[str, Any]) -> TfkitError:
    kind: type[TfkitError] = getattr(errors, header["error"])
    if issubclass(kind, TensorFlowError):
        return kind(header["message"], code=header["code"], hint=header["hint"])
    return kind(header["message"], hint=header["hint"])


def _read_end(log: IO[bytes] | None) -> str:
    if log is None:
        return ""
    log.seek(0)
    return log.read()[-_LAST_WORDS_BYTES:].decode("utf-8", "replace")
