"""The values of a ``TensorProto``, as constants in graphs and requests hold them (TensorFlow's ``tensor.proto``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array, dtype_of, string_array
from tfkit.errors import ModelError
from tfkit.tensors import DType

_FIELDS = {
    DType.FLOAT: "float_val",
    DType.DOUBLE: "double_val",
    DType.INT64: "int64_val",
    DType.BOOL: "bool_val",
    DType.UINT32: "uint32_val",
    DType.UINT64: "uint64_val",
    DType.HALF: "half_val",
    DType.BFLOAT16: "half_val",
    DType.COMPLEX64: "scomplex_val",
    DType.COMPLEX128: "dcomplex_val",
}
_INT_FIELD = "int_val"  # all the others
# Of which make_tensor_proto writes more than one value as bytes (_TENSOR_CONTENT_TYPES of tensor_util.py).
_AS_BYTES = frozenset({
    *(DType.HALF, DType.BFLOAT16, DType.FLOAT, DType.DOUBLE),
    *(DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.UINT8, DType.UINT32, DType.UINT64),
    *(DType.QINT8, DType.QUINT8, DType.QINT16, DType.QUINT16, DType.QINT32),
})  # fmt: skip


def tensor_array(tensor: Any) -> Array:
    """A constant's values; a value that stands for all is repeated, as TensorFlow does.

    Raises:
        ModelError: It holds no numbers or strings, or not as many as its shape says.
    """
    dtypes = {int(each): each for each in NUMPY_DTYPES}
    if tensor.dtype not in dtypes:
        raise ModelError(f"a constant of dtype {tensor.dtype} holds no values")
    dtype = dtypes[tensor.dtype]
    shape = tuple(int(dim.size) for dim in tensor.tensor_shape.dim)
    count = math.prod(shape)
    if tensor.tensor_content:
        held = np.frombuffer(tensor.tensor_content, NUMPY_DTYPES[dtype])
    else:
        held = _listed(tensor, dtype)
    if not 0 < held.size < count:
        if held.size != count:
            raise ModelError(f"a constant of shape {list(shape)} holds {held.size} values")
        return held.reshape(shape)
    # The last value stands for those that are left out.
    full = np.empty(count, held.dtype)
    full[: held.size] = held
    full[held.size :] = held[-1]
    return full.reshape(shape)


def fill_tensor(tensor: Any, array: Array) -> None:
    """Puts an array into an empty ``TensorProto``, in the form that TensorFlow's ``make_tensor_proto`` gives it.

    Raises:
        InputError: TensorFlow has no such dtype, or a text is none.
    """
    dtype = dtype_of(array)
    tensor.dtype = int(dtype)
    tensor.tensor_shape.SetInParent()
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if dtype is DType.STRING:
        tensor.string_val.extend(string_array(array).reshape(-1).tolist())
        return
    held = np.asarray(array, NUMPY_DTYPES[dtype], order="C")
    if held.size > 1 and dtype in _AS_BYTES:
        tensor.tensor_content = held.tobytes()
    else:
        getattr(tensor, _FIELDS.get(dtype, _INT_FIELD)).extend(_numbers(held, dtype))


def _numbers(held: Array, dtype: DType) -> list[Any]:
    """The values as the fields for single values hold them."""
    flat = held.reshape(-1)
    if dtype in (DType.HALF, DType.BFLOAT16):
        flat = flat.view(np.uint16)
    elif dtype in (DType.COMPLEX64, DType.COMPLEX128):
        flat = flat.view(flat.real.dtype)
    elif flat.dtype.names:
        flat = flat.view(flat.dtype[0])
    return list(flat.tolist())


def _listed(tensor: Any, dtype: DType) -> Array:
    numpy_dtype = NUMPY_DTYPES[dtype]
    if dtype is DType.STRING:
        values = list(tensor.string_val) or _default(tensor, b"")
        held = np.empty(len(values), dtype=object)
        held[:] = values
        return held
    numbers = list(getattr(tensor, _FIELDS.get(dtype, _INT_FIELD)))
    if dtype in (DType.HALF, DType.BFLOAT16):
        return np.array(numbers or _default(tensor, 0), np.uint16).view(numpy_dtype)
    if dtype in (DType.COMPLEX64, DType.COMPLEX128):
        part = np.float32 if dtype is DType.COMPLEX64 else np.float64
        return np.array(numbers or [0, 0] * len(_default(tensor, 0)), part).view(numpy_dtype)
    numbers = numbers or _default(tensor, 0)
    return np.array(numbers, numpy_dtype[0] if numpy_dtype.names else numpy_dtype).view(numpy_dtype)


def _default(tensor: Any, value: Any) -> list[Any]:
    """What stands for all of a tensor that lists no values: one zero, or nothing where it has no elements."""
    return [value] if math.prod(int(dim.size) for dim in tensor.tensor_shape.dim) else []
