"""The fastest that one caller can get: TensorFlow's C API in a loop, with nothing around it.

For a model with one float input and one float output. It loads TensorFlow's C library into its process, so call it
through ``load.in_own_process``.
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfkit.eas.structure import default_signature
from tfkit.runtime.library import Library
from tfkit.runtime.options import RuntimeOptions
from tfkit.runtime.prototypes import TfOutput
from tfkit.runtime.session import Session
from tfkit.tensors import DType

_CALLS_BETWEEN_LOOKS = 500


class _Loop:
    def __init__(self, model: Path) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when the library is loaded
        # Each run stays on the thread that calls, as in `tfkit serve`.
        self._library = Library.load(RuntimeOptions(device="cpu", inter_op_threads=-1))
        session = Session(self._library, model)
        signature = default_signature(session.signatures)
        inputs = (TfOutput * 1)(session.resolve(signature.inputs[0]))
        outputs = (TfOutput * 1)(session.resolve(signature.outputs[0]))
        self._fed = (ctypes.c_void_p * 1)()
        self._fetched = (ctypes.c_void_p * 1)()
        self._status = self._library.quick.TF_NewStatus()
        # Those of TF_SessionRun, as tfkit's Session.run would pass them.
        handle = session._session  # noqa: SLF001  # Session.run is what is to be left out
        self._arguments = (
            handle, None, inputs, self._fed, 1, outputs, self._fetched, 1, None, 0, None, self._status,
        )  # fmt: skip

    def feed(self, rows: NDArray[np.float32]) -> None:
        """Makes the input tensor that all calls use."""
        quick = self._library.quick
        shape = (ctypes.c_int64 * rows.ndim)(*rows.shape)
        self._fed[0] = quick.TF_AllocateTensor(DType.FLOAT, shape, rows.ndim, rows.nbytes)
        ctypes.memmove(quick.TF_TensorData(self._fed[0]), np.ascontiguousarray(rows).ctypes.data, rows.nbytes)

    def read(self) -> NDArray[Any]:
        """A copy of the model's answer."""
        quick = self._library.quick
        self._library.long.TF_SessionRun(*self._arguments)
        self._library.check(self._status)
        tensor = self._fetched[0]
        shape = [quick.TF_Dim(tensor, axis) for axis in range(quick.TF_NumDims(tensor))]
        data = ctypes.string_at(quick.TF_TensorData(tensor), quick.TF_TensorByteSize(tensor))
        quick.TF_DeleteTensor(tensor)
        return np.frombuffer(data, np.float32).reshape(shape)

    def run(self, times: int) -> None:
        """Runs the model and throws its answers away."""
        run, delete = self._library.long.TF_SessionRun, self._library.quick.TF_DeleteTensor
        arguments, fetched = self._arguments, self._fetched
        for _ in range(times):
            run(*arguments)
            delete(fetched[0])


def scores(model: Path, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The model's answer to some rows."""
    loop = _Loop(model)
    loop.feed(rows)
    return loop.read()


def calls_per_second(model: Path, row: NDArray[np.float32], seconds: float) -> float:
    """How often the model runs on one row in a second: the input is prepared once, the outputs are thrown away."""
    loop = _Loop(model)
    loop.feed(row)
    loop.read()
    loop.run(_CALLS_BETWEEN_LOOKS)
    calls, began, elapsed = 0, time.perf_counter(), 0.0
    while elapsed < seconds:
        loop.run(_CALLS_BETWEEN_LOOKS)
        calls += _CALLS_BETWEEN_LOOKS
        elapsed = time.perf_counter() - began
    return calls / elapsed
