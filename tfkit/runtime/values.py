"""Between numpy arrays and ``TF_Tensor``.

A tensor made here belongs to the caller until ``TF_DeleteTensor``. Arrays that come back hold copies, so that no array
outlives the memory it looks at.
"""

from __future__ import annotations

import ctypes
import math
from functools import lru_cache
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.errors import TensorFlowError
from tfkit.processors.ops import dtype_name
from tfkit.runtime.library import Library
from tfkit.runtime.strings import (
    RECORD_BYTES,
    copy_bytes,
    free_strings,
    pack_strings,
    read_records,
    unpack_strings,
    write_records,
)
from tfkit.tensors import DType

_RESOURCE_EXHAUSTED = 8
_UNIMPLEMENTED = 12
_SMALL_COPY_BYTES = 32 * 1024
_COMMON_RANK = 2
_memmove = ctypes.memmove


@lru_cache(maxsize=1024)
def _dims(shape: tuple[int, ...]) -> Any:
    return (ctypes.c_int64 * len(shape))(*shape)


class Feeder:
    """Makes the tensors of one run and gives their memory back after it.

    ``pointers`` holds the ``TF_Tensor*`` made so far, in order.
    """

    __slots__ = ("_large", "_library", "pointers")

    def __init__(self, library: Library) -> None:
        self._library = library
        # Tensors with strings that have memory of their own, and where these stand.
        self._large: list[tuple[int, list[int]]] = []
        self.pointers: list[int] = []

    def add(self, array: Array, dtype: DType) -> None:
        """Copies an array (of that dtype) into a tensor of TensorFlow's own.

        Raises:
            TensorFlowError: There is no memory for it.
        """
        if dtype is DType.STRING:
            self._add_strings(array.reshape(-1).tolist(), array.shape)
        elif array.nbytes <= _SMALL_COPY_BYTES:
            # Copied twice: that is quicker than asking numpy for the address.
            self.add_bytes(array.tobytes(), dtype, array.shape)
        else:
            array = np.ascontiguousarray(array)
            _memmove(self._allocate(dtype, array.shape, array.nbytes), array.ctypes.data, array.nbytes)

    def add_bytes(self, data: bytes, dtype: DType, shape: tuple[int, ...]) -> None:
        """Copies the bytes of an array, in row-major order, into a tensor of TensorFlow's own.

        Raises:
            TensorFlowError: There is no memory for it.
        """
        size = len(data)
        base = self._allocate(dtype, shape, size)
        if size:
            _memmove(base, data, size)

    def _allocate(self, dtype: DType, shape: tuple[int, ...], size: int) -> int:
        """The address of the bytes of a new tensor."""
        quick = self._library.quick
        pointer = quick.TF_AllocateTensor(dtype, _dims(shape), len(shape), size)
        if pointer is None:
            raise TensorFlowError(f"TensorFlow could not allocate a tensor of {size} bytes", code=_RESOURCE_EXHAUSTED)
        self.pointers.append(pointer)
        address: int = quick.TF_TensorData(pointer)
        return address

    def _add_strings(self, values: list[bytes], shape: tuple[int, ...]) -> None:
        if not self._library.has_string_records:
            self.add_bytes(pack_strings(values), DType.STRING, shape)
            return
        base = self._allocate(DType.STRING, shape, len(values) * RECORD_BYTES)
        if values and (large := write_records(base, values)):
            self._large.append((self.pointers[-1], large))

    def free(self) -> None:
        """Gives the memory back; once, after the run."""
        quick = self._library.quick
        for pointer, records in self._large:
            # A graph may have kept the tensor (a variable, a queue): then its strings are the graph's.
            if quick.TF_TensorMaybeMove(pointer):
                free_strings(records)
        for pointer in self.pointers:
            quick.TF_DeleteTensor(pointer)


def read_tensor(library: Library, pointer: int) -> Array:
    """A copy of a ``TF_Tensor`` as a numpy array (read-only, except strings).

    Raises:
        TensorFlowError: Its dtype has no numpy form (resources, variants).
    """
    quick = library.quick
    code = quick.TF_TensorType(pointer)
    dtype = _NUMPY_BY_CODE.get(code)
    if dtype is None:
        name = dtype_name(code)
        raise TensorFlowError(f"an output has dtype {name}, which cannot leave TensorFlow", code=_UNIMPLEMENTED)
    if code == DType.STRING:
        return _read_strings(library, pointer)
    shape, data = read_bytes(library, pointer)
    return np.ndarray(shape, dtype, data) if data else np.empty(shape, dtype)


def read_bytes(library: Library, pointer: int) -> tuple[tuple[int, ...], bytes]:
    """The shape of a ``TF_Tensor`` that holds no strings, and a copy of its bytes."""
    quick = library.quick
    size = quick.TF_TensorByteSize(pointer)
    return _read_shape(quick, pointer), copy_bytes(quick.TF_TensorData(pointer), size) if size else b""


def _read_shape(quick: Any, pointer: int) -> tuple[int, ...]:
    rank = quick.TF_NumDims(pointer)
    if rank == _COMMON_RANK:
        return quick.TF_Dim(pointer, 0), quick.TF_Dim(pointer, 1)
    return tuple(quick.TF_Dim(pointer, axis) for axis in range(rank))


def _read_strings(library: Library, pointer: int) -> Array:
    quick = library.quick
    shape = _read_shape(quick, pointer)
    count = math.prod(shape)
    if not count:
        return np.empty(shape, dtype=object)
    base = quick.TF_TensorData(pointer)
    if library.has_string_records:
        return read_records(base, count).reshape(shape)
    return unpack_strings(copy_bytes(base, quick.TF_TensorByteSize(pointer)), count).reshape(shape)


_NUMPY_BY_CODE = {int(dtype): held for dtype, held in NUMPY_DTYPES.items()}
