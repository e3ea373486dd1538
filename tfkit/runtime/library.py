"""TensorFlow's C library, of whichever version: loaded into this process.

One library to a process, and never beside an imported ``tensorflow``: only the serving process and the runtime workers
load one.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tfkit.errors import InputError, MissingError, TensorFlowError
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.processors.elf import needed_libraries
from tfkit.processors.libraries import check_library, find_library
from tfkit.runtime.cuda import preload_cuda
from tfkit.runtime.options import RuntimeOptions
from tfkit.runtime.prototypes import LONG, QUICK, TfBuffer
from tfkit.runtime.quiet import quiet_stderr, set_log_level

_FIRST_WITH_STRING_RECORDS = (2, 4)
_FIRST_TO_RUN_ON_CALLER = (1, 14)
_FRAMEWORK = "libtensorflow_framework.so"
_OP_LIBRARY_HINT = "An operation library is built for one version of TensorFlow: get the one for this version."

logger = logging.getLogger("tfkit.runtime")


class Library:
    """A loaded C library; one a process, got with ``Library.load``.

    Attributes:
        options: What it was loaded with.
        version: TensorFlow's version.
        has_string_records: Whether string tensors are made of records; before TensorFlow 2.4 they are packed.
        runs_on_caller: Whether a run can stay on the calling thread (``inter_op_threads`` -1).
        quick: Its quick functions, called with the GIL held.
        long: Its long functions, called with the GIL released.
    """

    _lock = threading.Lock()
    _loaded: Library | None = None

    def __init__(self, options: RuntimeOptions) -> None:
        import ml_dtypes  # noqa: F401  # numpy and its extensions go first: they must not bind to TensorFlow's symbols

        self.options = options
        paths = find_library(options.processor)
        set_log_level()
        # The TensorFlows of EAS's processors write nothing here but what their log level lets through.
        with quiet_stderr() if options.processor == INSTALLED else nullcontext():
            preload_cuda(find_processor(options.processor), options)
            # Loaded by its full path the framework satisfies the C API's dependency without LD_LIBRARY_PATH.
            _open(paths.framework, options.processor)
            self.long: Any = _open(paths.c_api, options.processor)
        self.quick: Any = ctypes.PyDLL(str(paths.c_api), handle=self.long._handle)  # noqa: SLF001  # ctypes has no other name for it
        for library, prototypes in ((self.quick, QUICK), (self.long, LONG)):
            for name, (result, arguments) in prototypes.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        self.version: str = self.quick.TF_Version().decode()
        minor = tuple(map(int, self.version.split(".")[:2]))
        self.has_string_records = minor >= _FIRST_WITH_STRING_RECORDS
        self.runs_on_caller = minor >= _FIRST_TO_RUN_ON_CALLER
        for path in options.op_libraries:
            self._load_ops(path, paths.framework.name)
        self._find_devices()

    @classmethod
    def load(cls, options: RuntimeOptions | None = None) -> Library:
        """Loads a library, or returns the one this process has.

        Args:
            options: Which one, and how; the installed TensorFlow's by default.

        Raises:
            UsageError: No processor has that name.
            MissingError: It is not here, or cannot be loaded into this process.
            InputError: An operation library is not there, or not for this TensorFlow.
        """
        if "tensorflow" in sys.modules:
            raise MissingError(
                "this process has imported tensorflow, and one process holds one TensorFlow",
                hint="Use tfkit.Runtime, which runs the model in a process of its own.",
            )
        options = options or RuntimeOptions()
        with cls._lock:
            if cls._loaded is None:
                cls._loaded = cls(options)
            if cls._loaded.options != options:
                raise MissingError(
                    f"this process runs TensorFlow {cls._loaded.version} with other options, and one process holds one "
                    "TensorFlow",
                    hint="Use tfkit.Runtime, which runs the model in a process of its own.",
                )
            return cls._loaded

    def _load_ops(self, path: Path, framework: str) -> None:
        """Registers the operations of a shared library."""
        if not path.is_file():
            raise InputError(
                f"operation library {path}: {'this is no file' if path.exists() else 'there is no such file'}"
            )
        built_for = [name for name in needed_libraries(path) if name.startswith(_FRAMEWORK)]
        if built_for and framework not in built_for:
            raise InputError(
                f"operation library {path} is built for another TensorFlow: it needs {built_for[0]}, and TensorFlow "
                f"{self.version} has {framework}",
                hint=_OP_LIBRARY_HINT,
            )
        # Before: what runs as it is loaded can end the process.
        logger.info("loading the operation library %s", path)
        before = len(self.op_list())
        try:
            with self.status() as status:
                self.long.TF_LoadLibrary(os.fsencode(path.absolute()), status)
        except TensorFlowError as error:
            raise InputError(
                f"operation library {path} cannot be loaded into TensorFlow {self.version}: {error.message}",
                hint=_OP_LIBRARY_HINT,
            ) from None
        if len(self.op_list()) == before:
            logger.warning("operation library %s registers no operation that TensorFlow did not have", path)

    def _find_devices(self) -> None:
        """Makes TensorFlow look for its devices now: the first session does, and is loud about missing GPUs.

        It is told the options, since what the first session says of a card's memory holds for the whole process.
        """
        graph = self.quick.TF_NewGraph()
        try:
            with self.session_options(self.options) as options, self.status() as status:
                session = self.long.TF_NewSession(graph, options, status)
                self.check(status)
                self.long.TF_DeleteSession(session, status)
        finally:
            self.long.TF_DeleteGraph(graph)

    @contextmanager
    def session_options(self, options: RuntimeOptions) -> Iterator[int]:
        """A ``TF_SessionOptions*`` for calls inside the block."""
        pointer = self.quick.TF_NewSessionOptions()
        try:
            with self.status() as status:
                config = options.config(may_run_on_caller=self.runs_on_caller)
                self.quick.TF_SetConfig(pointer, config, len(config), status)
            yield pointer
        finally:
            self.quick.TF_DeleteSessionOptions(pointer)

    @contextmanager
    def status(self) -> Iterator[int]:
        """A ``TF_Status*`` for calls inside the block; what it holds at the end is raised as ``TensorFlowError``."""
        status = self.quick.TF_NewStatus()
        try:
            yield status
            self.check(status)
        finally:
            self.quick.TF_DeleteStatus(status)

    def check(self, status: int) -> None:
        """Raises ``TensorFlowError`` unless a ``TF_Status*`` is OK."""
        code = self.quick.TF_GetCode(status)
        if code:
            raise TensorFlowError(self.quick.TF_Message(status).decode("utf-8", "replace"), code=code)

    def op_list(self) -> bytes:
        """Every operation this TensorFlow has, a serialized ``tensorflow.OpList``."""
        return self._take(self.long.TF_GetAllOpList())

    def kernel_list(self) -> bytes:
        """Every kernel this TensorFlow has, a serialized ``tensorflow.KernelList``."""
        with self.status() as status:
            return self._take(self.long.TF_GetAllRegisteredKernels(status))

    def _take(self, pointer: int) -> bytes:
        """The bytes of a ``TF_Buffer*``, which is given back."""
        buffer = TfBuffer.from_address(pointer)
        try:
            return ctypes.string_at(buffer.data, buffer.length)
        finally:
            self.quick.TF_DeleteBuffer(pointer)


def _open(path: Path, processor: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
    except OSError as error:
        if processor != INSTALLED:
            check_library(find_processor(processor), thorough=True)  # if it is damaged, that is the reason
        raise MissingError(
            f"{path}: cannot be loaded: {error}", hint="Run `tfkit doctor` to see what is missing."
        ) from error
