"""A TensorFlow runtime in a process of its own: what a crash of it cannot hurt, and what may run beside others."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tfkit import errors
from tfkit.arrays import Array
from tfkit.errors import RuntimeCrashError, TensorFlowError, TfkitError, UsageError
from tfkit.runtime.frames import read_frame, write_frame
from tfkit.runtime.session import Device
from tfkit.tensors import SERVE_TAG

_LAST_WORDS_BYTES = 2000
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tfkit.runtime.worker import main; main()"
_PACKAGE_ROOT = str(Path(__file__).parents[2])


class Runtime:
    """The real TensorFlow C library, in a process of its own.

    A crash of the library becomes a ``RuntimeCrashError``; the next call starts a fresh process, and models are loaded
    again as they are asked for. Calls from several threads take turns.

    Args:
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        intra_op_threads: Threads inside one operation; 0: one a core.
        inter_op_threads: Threads for independent operations; -1: run on the calling thread.

    Example:
        >>> with Runtime() as runtime:                                     # doctest: +SKIP
        ...     model = runtime.load("build/digits")
        ...     scores = model.predict({"images": images})["scores"]
    """

    def __init__(self, device: str = "auto", *, intra_op_threads: int = 0, inter_op_threads: int = -1) -> None:
        if device not in ("auto", "cpu", "gpu") and not (device.startswith("gpu:") and device[4:].isdecimal()):
            raise UsageError(f"device {device!r}: expected auto, cpu, gpu or gpu:N")
        self._arguments = [device, str(intra_op_threads), str(inter_op_threads)]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._generation = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the runtime
        self._version = ""

    @property
    def version(self) -> str:
        """TensorFlow's version; starts the process if it does not run."""
        with self._lock:
            self._ensure_started()
            return self._version

    def load(self, export_dir: Path | str, tags: Sequence[str] = (SERVE_TAG,)) -> LoadedModel:
        """Loads a SavedModel.

        Raises:
            ModelError: There is no SavedModel, or it is damaged.
            TensorFlowError: TensorFlow refused it.
            RuntimeCrashError: TensorFlow's process ended.
        """
        model = LoadedModel(self, Path(export_dir).absolute(), tuple(tags))
        model.reload()
        return model

    def call(
        self, name: str, arrays: Mapping[str, Array] | None = None, **arguments: Any
    ) -> tuple[Any, dict[str, Array]]:
        """One call of the worker (see ``tfkit.runtime.worker.Worker``)."""
        with self._lock:
            self._ensure_started()
            return self._call(name, arrays or {}, arguments)

    @property
    def generation(self) -> int:
        """How many processes this runtime has started: models of an earlier one must be loaded again."""
        return self._generation if self._process is not None else self._generation + 1

    def close(self) -> None:
        """Ends the process; a later call starts it again."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        self._log.close()

    def _ensure_started(self) -> None:
        if self._process is not None:
            return
        self._log.seek(0)
        self._log.truncate()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, _PACKAGE_ROOT, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Ctrl-C in the terminal is the owner's to handle.
            start_new_session=True,
        )
        self._generation += 1
        self._version = self._call("hello", {}, {})[0]["version"]

    def _call(self, name: str, arrays: Mapping[str, Array], arguments: dict[str, Any]) -> tuple[Any, dict[str, Array]]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        try:
            write_frame(process.stdin, {"call": name, **arguments}, arrays)  # type: ignore[arg-type]
            header, results = read_frame(process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError):
            raise self._crashed(name) from None
        except BaseException:
            # Interrupted between question and answer: the two would be out of step from here on.
            self._stop()
            raise
        if "error" in header:
            raise _as_error(header)
        return header, results

    def _crashed(self, call: str) -> RuntimeCrashError:
        process = self._process
        assert process is not None  # noqa: S101
        self._stop()
        self._log.seek(0)
        words = self._log.read()[-_LAST_WORDS_BYTES:].decode("utf-8", "replace").strip()
        code = process.returncode
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        runtime = f"TensorFlow {self._version}" if self._version else "TensorFlow"
        return RuntimeCrashError(
            f"the process of {runtime} ended with {ended} during {call}", hint=words and f"Its last words:\n{words}"
        )

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


class LoadedModel:
    """A SavedModel in a ``Runtime``; loaded again by itself after a crash."""

    def __init__(self, runtime: Runtime, path: Path, tags: tuple[str, ...]) -> None:
        self._runtime = runtime
        self._path = path
        self._tags = tags
        self._generation = 0
        self._session = 0
        self.devices: tuple[Device, ...] = ()

    def reload(self) -> None:
        """Loads the model into the runtime's present process."""
        header, _ = self._runtime.call("load", path=str(self._path), tags=list(self._tags))
        self._session, self._generation = header["session"], self._runtime.generation
        self.devices = tuple(Device(*device) for device in header["devices"])

    def predict(
        self, inputs: Mapping[str, Array], *, signature: str | None = None, outputs: Sequence[str] = ()
    ) -> dict[str, Array]:
        """Runs a signature.

        Args:
            inputs: An array for each input, of its dtype (strings: object arrays of ``bytes``).
            signature: Its name; the model's default one if not given.
            outputs: The outputs to compute; all if none is named.

        Raises:
            SignatureError: A name, dtype or shape does not fit.
            TensorFlowError: The run failed.
            RuntimeCrashError: TensorFlow's process ended.
        """
        if self._generation != self._runtime.generation:
            self.reload()
        return self._runtime.call("predict", inputs, session=self._session, signature=signature, outputs=list(outputs))[
            1
        ]

    def close(self) -> None:
        """Unloads the model."""
        if self._generation == self._runtime.generation:
            self._runtime.call("unload", session=self._session)


def _as_error(header: dict[str, Any]) -> TfkitError:
    kind: type[TfkitError] = getattr(errors, header["error"])
    if issubclass(kind, TensorFlowError):
        return kind(header["message"], code=header["code"], hint=header["hint"])
    return kind(header["message"], hint=header["hint"])
