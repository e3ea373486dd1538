"""How numpy holds each dtype.

Strings are arrays of ``object`` holding ``bytes``; bfloat16 is ml_dtypes's; the quantized types are structured dtypes
of one field, as TensorFlow's own Python has them (``np.dtype([("qint8", np.int8)])``), so that a dtype and its numpy
form determine each other.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from tfkit.errors import InputError, SignatureError
from tfkit.tensors import DType, TensorSpec

Array = np.ndarray[Any, np.dtype[Any]]

NUMPY_DTYPES: dict[DType, np.dtype[Any]] = {
    DType.FLOAT: np.dtype(np.float32),
    DType.DOUBLE: np.dtype(np.float64),
    DType.INT32: np.dtype(np.int32),
    DType.UINT8: np.dtype(np.uint8),
    DType.INT16: np.dtype(np.int16),
    DType.INT8: np.dtype(np.int8),
    DType.STRING: np.dtype(object),
    DType.COMPLEX64: np.dtype(np.complex64),
    DType.INT64: np.dtype(np.int64),
    DType.BOOL: np.dtype(np.bool_),
    DType.QINT8: np.dtype([("qint8", np.int8)]),
    DType.QUINT8: np.dtype([("quint8", np.uint8)]),
    DType.QINT32: np.dtype([("qint32", np.int32)]),
    DType.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
    DType.QINT16: np.dtype([("qint16", np.int16)]),
    DType.QUINT16: np.dtype([("quint16", np.uint16)]),
    DType.UINT16: np.dtype(np.uint16),
    DType.COMPLEX128: np.dtype(np.complex128),
    DType.HALF: np.dtype(np.float16),
    DType.UINT32: np.dtype(np.uint32),
    DType.UINT64: np.dtype(np.uint64),
}
DTYPES: dict[np.dtype[Any], DType] = {held: dtype for dtype, held in NUMPY_DTYPES.items()}


def dtype_of(array: Array) -> DType:
    """The dtype that an array holds; ``STRING`` for object, bytes and str arrays.

    Raises:
        InputError: TensorFlow has no such dtype (dates, records, long doubles).
    """
    if array.dtype.kind in "SU":
        return DType.STRING
    try:
        return DTYPES[array.dtype.newbyteorder("=") if array.dtype.kind in "fiuc" else array.dtype]
    except KeyError:
        raise InputError(f"arrays of numpy dtype {array.dtype} have no TensorFlow dtype") from None


def string_array(array: Array) -> Array:
    """The same strings as an object array of ``bytes`` (text as UTF-8).

    Raises:
        InputError: An element is neither bytes nor text, or text that UTF-8 cannot hold (a lone surrogate).
    """
    held = np.empty(array.shape, dtype=object)
    flat = held.reshape(-1)
    for index, value in enumerate(array.reshape(-1).tolist()):
        if isinstance(value, str):
            try:
                flat[index] = value.encode()
            except UnicodeEncodeError as error:
                raise InputError(f"element {index} of a string tensor is no UTF-8 text: {error.reason}") from None
        elif isinstance(value, bytes | bytearray):
            flat[index] = bytes(value)
        else:
            raise InputError(f"element {index} of a string tensor is {value!r}: expected bytes or text")
    return held


def check_array(spec: TensorSpec, array: Array) -> None:
    """Checks that an array can be fed to an input.

    Raises:
        SignatureError: Its dtype or its shape does not fit; the message names the input, what came and what fits.
    """
    if array.dtype != NUMPY_DTYPES.get(spec.dtype):
        have = DTYPES.get(array.dtype)
        came = have.short_name if have is not None else str(array.dtype)
        raise SignatureError(f"input {spec.name!r} has dtype {came}: expected {spec}")
    if not spec.accepts_shape(array.shape):
        raise SignatureError(f"input {spec.name!r} has shape {list(array.shape)}: expected {spec}")
