"""TensorFlow and Keras, imported when they are needed: always Keras on TensorFlow, and without their chatter."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.errors import MissingError, UsageError

_BACKEND = "tensorflow"
_KERAS_WRAPPER = re.compile(r"Exception encountered when calling (?P<call>.+\(\))\.")
# What Keras says of weights that do not fit; the line after it says why.
_NOT_LOADED = re.compile(r"A total of \d+ objects could not be loaded\. Example .* for object (?P<thing><.+>):")
# The values of a variable, in what Keras says of one.
_VALUES = re.compile(r", value=\[.*")
# Terminal colours of Keras, and the places in graphs that TensorFlow puts before its messages.
_MARKUP = re.compile(r"\x1b\[\d*m|^\{\{[^}]*\}\} ", re.MULTILINE)
_LONGEST_LINE = 400
_RESTART_HINT = (
    "Save the model to a .keras file, which does not depend on the backend, and run tfkit export on it; "
    "or start Python again with KERAS_BACKEND=tensorflow."
)


@dataclass(frozen=True, slots=True)
class Frameworks:
    """The imported modules.

    Attributes:
        keras: Keras 3, on TensorFlow.
        tf: TensorFlow.
        note: What the user should know about how they were imported.
    """

    keras: Any
    tf: Any
    note: str = ""


def import_frameworks() -> Frameworks:
    """Imports TensorFlow, and Keras with the TensorFlow backend whatever the user's configuration says.

    Raises:
        MissingError: One of them cannot be imported.
        UsageError: Keras is imported already, with another backend.
    """
    if "keras" in sys.modules:
        note = ""
        check_backend(sys.modules["keras"])
    else:
        configured, place = _configured_backend()
        note = f"{place} asks for Keras on {configured}: using TensorFlow here" if configured != _BACKEND else ""
    with _quiet_import(), _environment("KERAS_BACKEND", _BACKEND):
        try:
            import keras
            import tensorflow as tf
        except ImportError as error:
            raise MissingError(
                f"TensorFlow and Keras are needed to export, and cannot be imported: {error}",
                hint="tfkit doctor says what is installed.",
            ) from error
    return Frameworks(keras, tf, note)


def check_backend(keras: Any) -> None:
    """Checks that an imported Keras runs on TensorFlow.

    Raises:
        UsageError: It runs on another backend.
    """
    backend = keras.config.backend()
    if backend != _BACKEND:
        raise UsageError(
            f"Keras runs on {backend} in this process: a SavedModel is written by TensorFlow", hint=_RESTART_HINT
        )


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keeps TensorFlow's Python logs from telling what the caller did not ask for."""
    loggers = [logging.getLogger("tensorflow"), logging.getLogger("absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def first_line(error: BaseException) -> str:
    r"""What an exception of TensorFlow or Keras says, in one line, without their long explanations.

    >>> first_line(ValueError("Exception encountered when calling Dense.call().\n\nbad shape\n\nArguments ..."))
    'bad shape (in Dense.call())'
    """
    text = _MARKUP.sub("", str(error))
    first, *others = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    wrapped = _KERAS_WRAPPER.fullmatch(first)
    if wrapped and others:
        line = f"{others[0]} (in {wrapped['call']})"
    elif (unloaded := _NOT_LOADED.fullmatch(first)) and others:
        line = f"{_VALUES.sub('>', others[0])} (in {unloaded['thing']})"
    else:  # TensorFlow puts a traceback before what user code raised
        line = others[-1] if first == "in user code:" and others else first
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "..."


def _configured_backend() -> tuple[str, str]:
    """The backend that Keras would take, and what says so (see ``keras/src/backend/config.py``)."""
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"], "KERAS_BACKEND"
    file = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _BACKEND, ""  # Keras ignores such a file as well
    backend = settings.get("backend", _BACKEND) if isinstance(settings, dict) else _BACKEND
    return str(backend), str(file)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    previous = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if previous is None:
            del os.environ[name]
        else:
            os.environ[name] = previous


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Keeps TensorFlow's first lines from stderr where TF_CPP_MIN_LOG_LEVEL=3 asks for silence.

    TensorFlow writes them before it reads that variable. What an import that fails wrote is shown.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3" or "tensorflow" in sys.modules:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
