"""TensorFlow's C library: finding it, loading it, and the prototypes of the functions that tfkit calls.

Prototypes as in TensorFlow's ``tensorflow/c/c_api.h``, ``tf_tensor.h`` and ``tf_tstring.h``. One library to a process,
and never beside an imported ``tensorflow``: only the serving process and the runtime workers load one.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tfkit.errors import MissingError, TensorFlowError
from tfkit.runtime.quiet import quiet_stderr

_POINTER, _TEXT, _INT, _SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
_INT64 = ctypes.c_int64


class TfOutput(ctypes.Structure):
    """``TF_Output``: one output of one operation."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


# name: (result, arguments). These return within microseconds and are called with the GIL held: releasing it around
# each would cost more than the call.
_QUICK: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_Version": (_TEXT, ()),
    "TF_NewStatus": (_POINTER, ()),
    "TF_DeleteStatus": (None, (_POINTER,)),
    "TF_GetCode": (_INT, (_POINTER,)),
    "TF_Message": (_TEXT, (_POINTER,)),
    "TF_NewSessionOptions": (_POINTER, ()),
    "TF_DeleteSessionOptions": (None, (_POINTER,)),
    "TF_SetConfig": (None, (_POINTER, _TEXT, _SIZE, _POINTER)),
    "TF_NewGraph": (_POINTER, ()),
    "TF_GraphOperationByName": (_POINTER, (_POINTER, _TEXT)),
    "TF_OperationNumOutputs": (_INT, (_POINTER,)),
    "TF_OperationOutputType": (_INT, (TfOutput,)),
    "TF_AllocateTensor": (_POINTER, (_INT, _POINTER, _INT, _SIZE)),
    "TF_DeleteTensor": (None, (_POINTER,)),
    "TF_TensorMaybeMove": (_POINTER, (_POINTER,)),
    "TF_TensorData": (_POINTER, (_POINTER,)),
    "TF_TensorByteSize": (_SIZE, (_POINTER,)),
    "TF_TensorType": (_INT, (_POINTER,)),
    "TF_NumDims": (_INT, (_POINTER,)),
    "TF_Dim": (_INT64, (_POINTER, _INT)),
    "TF_StringInit": (None, (_POINTER,)),
    "TF_StringCopy": (None, (_POINTER, _TEXT, _SIZE)),
    "TF_StringDealloc": (None, (_POINTER,)),
    "TF_DeviceListCount": (_INT, (_POINTER,)),
    "TF_DeviceListName": (_TEXT, (_POINTER, _INT, _POINTER)),
    "TF_DeviceListType": (_TEXT, (_POINTER, _INT, _POINTER)),
    "TF_DeviceListMemoryBytes": (_INT64, (_POINTER, _INT, _POINTER)),
    "TF_DeleteDeviceList": (None, (_POINTER,)),
}
# These can take long and are called with the GIL released.
_LONG: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        (_POINTER, _POINTER, _TEXT, ctypes.POINTER(_TEXT), _INT, _POINTER, _POINTER, _POINTER),
    ),
    "TF_NewSession": (_POINTER, (_POINTER, _POINTER, _POINTER)),
    "TF_SessionRun": (
        None,
        (_POINTER, _POINTER, _POINTER, _POINTER, _INT, _POINTER, _POINTER, _INT, _POINTER, _INT, _POINTER, _POINTER),
    ),
    "TF_SessionListDevices": (_POINTER, (_POINTER, _POINTER)),
    "TF_CloseSession": (None, (_POINTER, _POINTER)),
    "TF_DeleteSession": (None, (_POINTER, _POINTER)),
    "TF_DeleteGraph": (None, (_POINTER,)),
}


@dataclass(frozen=True, slots=True)
class LibraryPaths:
    """The two files of a TensorFlow's C library."""

    framework: Path
    c_api: Path


def installed_library() -> LibraryPaths:
    """The C library of the TensorFlow installed in this Python, found without importing it.

    Raises:
        MissingError: TensorFlow is not installed, or its files have another layout.
    """
    spec = find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError(
            f"TensorFlow is not installed in {sys.prefix}", hint="Install it there: python -m pip install tensorflow"
        )
    folder = Path(spec.submodule_search_locations[0])
    paths = LibraryPaths(folder / "libtensorflow_framework.so.2", folder / "libtensorflow_cc.so.2")
    for path in (paths.framework, paths.c_api):
        if not path.exists():
            raise MissingError(
                f"{path}: not found, though TensorFlow is installed in {folder}",
                hint="tfkit runs TensorFlow's Linux wheels; on another platform serve in a Linux machine.",
            )
    return paths


class Library:
    """A loaded C library; one a process, got with ``Library.load``.

    Attributes:
        version: TensorFlow's version.
        quick: Its quick functions, called with the GIL held.
        long: Its long functions, called with the GIL released.
    """

    _lock = threading.Lock()
    _loaded: Library | None = None

    def __init__(self, paths: LibraryPaths) -> None:
        import ml_dtypes  # noqa: F401  # numpy and its extensions go first: they must not bind to TensorFlow's symbols

        try:
            with quiet_stderr():
                # Loaded by its full path the framework satisfies the C API's dependency without LD_LIBRARY_PATH.
                ctypes.CDLL(str(paths.framework), mode=ctypes.RTLD_LOCAL)
                self.long: Any = ctypes.CDLL(str(paths.c_api), mode=ctypes.RTLD_LOCAL)
        except OSError as error:
            raise MissingError(
                f"{paths.c_api}: cannot be loaded: {error}", hint="Run `tfkit doctor` to see what is missing."
            ) from error
        self.quick: Any = ctypes.PyDLL(str(paths.c_api), handle=self.long._handle)  # noqa: SLF001  # ctypes has no other name for it
        self.paths = paths
        for library, prototypes in ((self.quick, _QUICK), (self.long, _LONG)):
            for name, (result, arguments) in prototypes.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        self.version: str = self.quick.TF_Version().decode()
        with quiet_stderr():
            self._find_devices()

    def _find_devices(self) -> None:
        """Makes TensorFlow look for its devices now: the first session does, and is loud about missing GPUs."""
        options, graph = self.quick.TF_NewSessionOptions(), self.quick.TF_NewGraph()
        try:
            with self.status() as status:
                session = self.long.TF_NewSession(graph, options, status)
                self.check(status)
                self.long.TF_DeleteSession(session, status)
        finally:
            self.long.TF_DeleteGraph(graph)
            self.quick.TF_DeleteSessionOptions(options)

    @classmethod
    def load(cls, paths: LibraryPaths | None = None) -> Library:
        """Loads a library, or returns the one this process has.

        Args:
            paths: Its files; the installed TensorFlow's by default.

        Raises:
            MissingError: It is not here, or cannot be loaded into this process.
        """
        if "tensorflow" in sys.modules:
            raise MissingError(
                "this process has imported tensorflow, and one process holds one TensorFlow",
                hint="Use tfkit.Runtime, which runs the model in a process of its own.",
            )
        with cls._lock:
            wanted = paths or installed_library()
            if cls._loaded is None:
                cls._loaded = cls(wanted)
            elif cls._loaded.paths != wanted:
                raise MissingError(
                    f"this process runs TensorFlow {cls._loaded.version}, and one process holds one TensorFlow",
                    hint="Use tfkit.Runtime, which runs the model in a process of its own.",
                )
            return cls._loaded

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
