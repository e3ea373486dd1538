"""A service started from Python: for notebooks, recipes and tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tfkit import errors
from tfkit.arrays import Array
from tfkit.client import Client
from tfkit.eas.service_json import read_service_json
from tfkit.eas.token import VARIABLE, check_token
from tfkit.errors import EXIT_USAGE, RuntimeCrashError, TensorFlowError, TfkitError, UsageError, nearest
from tfkit.runtime.child import child_command
from tfkit.serve.plan import is_service_json
from tfkit.serve.settings import ServeSettings, parameter_of
from tfkit.tensors import Signature

_STOP_S = 35.0
# Options that are switched off by a "no" before their name.
_ON_BY_DEFAULT = ("gpu_memory_growth",)
# Fields of ServeSettings that are given in another way, or not at all.
_NO_OPTIONS = ("model", "token", "origin", "stop_on_eof")
# Options that are no fields of ServeSettings.
_MORE_OPTIONS = ("install", "model_entry", "no_warm_up")


def serve_model(
    model: Path | str,
    *,
    name: str = "",
    port: int = 0,
    token: str = "",
    processor: str = "",
    warm_up: Path | str | Sequence[Path | str] = (),
    device: str = "auto",
    **options: Any,
) -> LocalService:
    """Serves a model in a process of its own, on this machine; returns when it is warm.

    Args:
        model: The SavedModel's folder, a frozen graph, an archive of one, or its URL; or a service JSON, over which all
            other arguments win.
        name: The service's name; the model's by default.
        port: The port; any free one by default.
        token: What requests must carry; none by default.
        processor: The TensorFlow that runs it, one of EAS's processors; the installed one by default.
        warm_up: Warm-up file or files, folders of them, or URLs of files; by default what the service JSON names, or
            the model has in its ``assets.extra``. ``no_warm_up=True`` replays nothing.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        **options: Any other option of ``tfkit serve``, with ``_`` for ``-``: ``keepalive=1000``, ``worker_threads=2``;
            a list for one that may be repeated.

    Returns:
        The service; a context manager that stops it.

    Raises:
        UsageError: ``tfkit serve`` has no such option, or not that value of it.
        TfkitError: It did not start; with the message, the hint and the class of what went wrong.

    Example:
        >>> with serve_model("build/digits") as service:                    # doctest: +SKIP
        ...     scores = service.predict({"images": images})["scores"]
    """
    files = [warm_up] if isinstance(warm_up, str | Path) else list(warm_up)
    arguments = ["serve", str(model), "--port", str(port), "--device", device, "--json", "--stop-on-eof"]
    _check_names(options)
    for option, value in {"name": name, "processor": processor, "warm_up": files, **options}.items():
        if value is not None and value != "":
            arguments += _arguments_of(option, value)
    if not token and is_service_json(str(model)):
        token = read_service_json(model).token or ""
    return LocalService(arguments, token)


def _check_names(options: Mapping[str, Any]) -> None:
    known = [parameter_of(each.name) for each in fields(ServeSettings) if each.name not in _NO_OPTIONS]
    for name in options:
        if name not in (*known, *_MORE_OPTIONS):
            hint = nearest(name, sorted((*known, *_MORE_OPTIONS, "token")))
            raise UsageError(f"serve_model has no option {name!r}", hint=hint)


def _arguments_of(option: str, value: Any) -> list[str]:
    name = option.replace("_", "-")
    if value is False:
        return [f"--no-{name}"] if option in _ON_BY_DEFAULT else []
    if value is True:
        return [f"--{name}"]
    values = value if isinstance(value, list | tuple) else [value]
    return [f"--{name}={each}" for each in values]


class LocalService:
    """A running service; see ``serve_model``.

    Attributes:
        url: Where requests are posted.
        client: A client of it.
        start_s: Time from its start until it took requests.
    """

    def __init__(self, arguments: Sequence[str], token: str) -> None:
        token = check_token(token, "token") if token else ""
        environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
        environment["TYPER_USE_RICH"] = "0"  # what is wrong with an option is told without a frame
        if token:
            environment[VARIABLE] = token
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the service
        self._process = subprocess.Popen(
            child_command("tfkit.cli", *arguments),
            # Its end, when this process is gone or lets go of the service, stops the server.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        try:
            self._ready = self._read_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            self._close_files()
            raise
        self.url: str = self._ready["url"]
        self.start_s: float = self._ready["start_s"]
        self.client = Client(self.url, token=token)

    def predict(self, inputs: Mapping[str, Any], *, signature: str = "", fetch: Sequence[str] = ()) -> dict[str, Array]:
        """Asks the service; see ``Client.predict``."""
        return self.client.predict(inputs, signature=signature, fetch=fetch)

    def structure(self) -> Signature:
        """The default signature, as the service tells it."""
        return self.client.structure()

    @property
    def log(self) -> str:
        """What the service has written to its log so far; empty once it is closed."""
        if self._log.closed:
            return ""
        # Not by seeking: the position in the file is the server's as well.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def close(self) -> None:
        """Stops the service: requests in flight are answered first."""
        self.client.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._close_files()

    def _close_files(self) -> None:
        for file in (self._process.stdin, self._process.stdout, self._log):
            if file is not None:
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def _read_ready(self) -> dict[str, Any]:
        """What the service says when it takes requests; raises the error that kept it from that."""
        assert self._process.stdout is not None  # noqa: S101
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line)
            if line == "}\n":
                answer: dict[str, Any] = json.loads("".join(lines))
                if "error" in answer:
                    kind: type[TfkitError] = getattr(errors, answer["error"])
                    raise kind(answer["message"], hint=answer["hint"])
                return answer
        raise self._ended()

    def _ended(self) -> TfkitError:
        """The error of a service that ended without a word of its own."""
        code = self._process.wait()
        log = self.log.strip()
        if code < 0:
            last_words = f"Its last words:\n{log}" if log else ""
            return RuntimeCrashError(f"the service's process was ended by signal {-code}", hint=last_words)
        if code == EXIT_USAGE:
            return UsageError(log.partition("Error: ")[2] or log)
        return TensorFlowError(log or f"tfkit serve ended with exit code {code}")
