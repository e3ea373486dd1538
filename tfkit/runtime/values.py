"""Between numpy arrays and ``TF_Tensor``.

A tensor made here belongs to the caller until ``TF_DeleteTensor``. Arrays that come back hold copies, so that no array
outlives the memory it looks at.

String tensors since TensorFlow 2.4 (``tensorflow/core/platform/ctstring_internal.h``): an element is 24 bytes, its type
in the low two bits of the first. SMALL (0): length in the other six bits, the bytes inline. LARGE (1): size, capacity,
pointer. OFFSET (2): two uint32, size and the offset from the element. VIEW (3): size and pointer.
"""

from __future__ import annotations

import ctypes
import struct
from functools import lru_cache
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.errors import TensorFlowError
from tfkit.runtime.library import Library
from tfkit.tensors import DType

_STRING_BYTES = 24
_SMALL_CAPACITY = 22
_SMALL, _LARGE, _OFFSET, _VIEW = range(4)
_RESOURCE_EXHAUSTED = 8
_UNIMPLEMENTED = 12
_SMALL_COPY_BYTES = 32 * 1024
_COMMON_RANK = 2
_LARGEST_STRING_AT = 2**31 - 1  # it takes a C int
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
            base = self._allocate(dtype, array.shape, array.size * _STRING_BYTES)
            if array.size:
                self._fill_strings(base, array.reshape(-1).tolist())
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

    def _fill_strings(self, base: int, values: list[bytes]) -> None:
        """Writes the elements: short strings inline, long ones into memory of TensorFlow's own.

        Views of our bytes would be quicker, but an op that keeps an element (a mutable table) would keep the view.
        """
        quick = self._library.quick
        elements = bytearray(_STRING_BYTES * len(values))
        large: list[tuple[int, bytes]] = []
        at = 0
        for value in values:
            size = len(value)
            if size <= _SMALL_CAPACITY:
                elements[at] = size << 2
                elements[at + 1 : at + 1 + size] = value
            else:
                large.append((base + at, value))
            at += _STRING_BYTES
        _memmove(base, bytes(elements), len(elements))
        for element, value in large:
            quick.TF_StringInit(element)
            quick.TF_StringCopy(element, value, len(value))
        if large:
            self._large.append((self.pointers[-1], [element for element, _ in large]))

    def free(self) -> None:
        """Gives the memory back; once, after the run."""
        quick = self._library.quick
        for pointer, elements in self._large:
            # A graph may have kept the tensor (a variable, a queue): then its strings are the graph's.
            if quick.TF_TensorMaybeMove(pointer):
                for element in elements:
                    quick.TF_StringDealloc(element)
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
        name = DType(code).short_name if code in DType else str(code)
        raise TensorFlowError(f"an output has dtype {name}, which cannot leave TensorFlow", code=_UNIMPLEMENTED)
    if code == DType.STRING:
        shape = _read_shape(quick, pointer)
        count = quick.TF_TensorByteSize(pointer) // _STRING_BYTES
        return (_read_strings(quick.TF_TensorData(pointer), count) if count else np.empty(0, dtype)).reshape(shape)
    shape, data = read_bytes(library, pointer)
    return np.ndarray(shape, dtype, data) if data else np.empty(shape, dtype)


def read_bytes(library: Library, pointer: int) -> tuple[tuple[int, ...], bytes]:
    """The shape of a ``TF_Tensor`` that holds no strings, and a copy of its bytes."""
    quick = library.quick
    size = quick.TF_TensorByteSize(pointer)
    return _read_shape(quick, pointer), _copy(quick.TF_TensorData(pointer), size) if size else b""


def _copy(address: int, size: int) -> bytes:
    if size <= _LARGEST_STRING_AT:
        return ctypes.string_at(address, size)
    return (ctypes.c_char * size).from_address(address).raw


def _read_shape(quick: Any, pointer: int) -> tuple[int, ...]:
    rank = quick.TF_NumDims(pointer)
    if rank == _COMMON_RANK:
        return quick.TF_Dim(pointer, 0), quick.TF_Dim(pointer, 1)
    return tuple(quick.TF_Dim(pointer, axis) for axis in range(rank))


def _read_strings(base: int, count: int) -> Array:
    elements = _copy(base, count * _STRING_BYTES)
    values = np.empty(count, dtype=object)
    for index in range(count):
        at = index * _STRING_BYTES
        kind = elements[at] & 3
        if kind == _SMALL:
            values[index] = elements[at + 1 : at + 1 + (elements[at] >> 2)]
        elif kind == _LARGE:
            size, _, address = struct.unpack_from("<QQQ", elements, at)
            values[index] = _copy(address, size >> 2)
        elif kind == _OFFSET:
            size, offset = struct.unpack_from("<II", elements, at)
            values[index] = _copy(base + at + offset, size >> 2)
        else:
            size, address = struct.unpack_from("<QQ", elements, at)
            values[index] = _copy(address, size >> 2)
    return values


_NUMPY_BY_CODE = {int(dtype): held for dtype, held in NUMPY_DTYPES.items()}
