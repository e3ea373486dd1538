"""Brings values to the dtype and shape of an input: only where nothing is lost that the user would miss.

Whole numbers become floats, floats any other float type, whole floats become whole numbers; a fraction or a value out
of range is an error, and so is text for a number or a number for text.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import ml_dtypes
import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array, string_array
from tfkit.errors import InputError, SignatureError
from tfkit.tensors import DType, TensorSpec

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_MAX_RANK = 64  # numpy's own limit


def fit_rows(array: Array, spec: TensorSpec, batch_size: int | None) -> Array:
    """The first ``batch_size`` rows of samples, in rows as ``as_rows`` puts them.

    Raises:
        SignatureError: The shape does not fit, or there are fewer rows.
    """
    return first_rows(as_rows(array, spec), spec, batch_size)


def as_rows(array: Array, spec: TensorSpec) -> Array:
    """Samples with their batch dimension: one sample gets it, and a list of values is a row each for ``[?, 1]``.

    Only an unknown leading dimension is a batch: ``float32[1, 784]`` or a scalar take their arrays as they are.
    """
    if spec.shape is None or spec.shape[:1] != (None,):
        return array
    rest = spec.shape[1:]
    if rest and array.ndim == 1 and set(rest) == {1}:
        return array.reshape(len(array), *rest)
    return array[np.newaxis] if spec.accepts_shape((1, *array.shape)) else array


def first_rows(array: Array, spec: TensorSpec, batch_size: int | None) -> Array:
    """The first ``batch_size`` rows of samples that have their batch dimension; raises as ``fit_rows`` does."""
    if not spec.accepts_shape(array.shape):
        raise SignatureError(f"input {spec.name!r} has shape {list(array.shape)}: expected {spec}")
    if batch_size is None or array.ndim == 0 or (spec.shape is not None and spec.shape[0] is not None):
        return array
    if array.shape[0] < batch_size:
        raise SignatureError(
            f"input {spec.name!r} has {array.shape[0]} rows: expected at least {batch_size}, the batch size",
            hint="Give more rows, or a smaller batch size.",
        )
    return array[:batch_size]


def from_json(value: Any, spec: TensorSpec) -> Array:
    """An array of the input's dtype from nested lists of numbers, texts or booleans.

    Raises:
        SignatureError: The lists are ragged, or an element does not fit the dtype.
    """
    shape, flat = _flatten(value, spec)
    array = _json_elements(flat, spec)
    return array.reshape(shape)


def from_array(array: Array, spec: TensorSpec) -> Array:
    """The same values in the input's dtype, in memory of their own, row-major.

    Raises:
        SignatureError: A value cannot be held by the dtype.
    """
    target = NUMPY_DTYPES.get(spec.dtype)
    if target is None:
        raise SignatureError(f"input {spec.name!r} is {spec}: no request can hold values of that dtype")
    if spec.dtype is DType.STRING:
        return _strings(array, spec)
    if array.dtype == np.dtype("V2") and target == _BFLOAT16:
        array = array.view(_BFLOAT16)  # numpy's files name bfloat16 only by its size
    if array.dtype == target:
        return np.array(array, order="C")
    if target.names is not None:  # quantized: one whole number in a record
        return _numbers(array, target[0], spec).view(target)
    return _numbers(array, target, spec)


def _flatten(value: Any, spec: TensorSpec) -> tuple[tuple[int, ...], list[Any]]:
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list | tuple):
        size = len(level[0])
        if any(not isinstance(item, list | tuple) or len(item) != size for item in level):
            raise SignatureError(
                f"input {spec.name!r} has rows of different lengths at depth {len(shape) + 1}: expected {spec}"
            )
        shape.append(size)
        if len(shape) > _MAX_RANK:
            raise SignatureError(f"input {spec.name!r} is nested more than {_MAX_RANK} deep: expected {spec}")
        level = [item for row in level for item in row]
    if any(isinstance(item, list | tuple) for item in level):
        raise SignatureError(f"input {spec.name!r} mixes lists and values at depth {len(shape) + 1}: expected {spec}")
    return tuple(shape), [item.item() if isinstance(item, np.generic) else item for item in level]


def _json_elements(flat: list[Any], spec: TensorSpec) -> Array:
    dtype = spec.dtype
    if dtype is DType.STRING:
        held = np.empty(len(flat), dtype=object)
        held[:] = [_json_bytes(item, spec) for item in flat]
        return held
    if dtype in (DType.COMPLEX64, DType.COMPLEX128):
        return from_array(np.array([_json_complex(item, spec) for item in flat], dtype=np.complex128), spec)
    for item in flat:
        if not isinstance(item, int | float):
            raise _misfit(item, spec)
    if not dtype.is_float:
        flat = [int(item) if isinstance(item, float) and item.is_integer() else item for item in flat]
    if all(isinstance(item, int) for item in flat):
        # Python's whole numbers are unbounded: find the type that holds them all before numpy picks a lossy one.
        low, high = min(flat, default=0), max(flat, default=0)
        for wide in (np.int64, np.uint64):
            if np.iinfo(wide).min <= low and high <= np.iinfo(wide).max:
                return from_array(np.array(flat, dtype=wide), spec)
        if not dtype.is_float:
            raise _misfit(max(low, high, key=abs), spec, " (out of its range)")
    try:
        return from_array(np.array(flat, dtype=np.float64), spec)
    except OverflowError:
        raise _misfit(max(flat, key=abs), spec) from None


def _json_bytes(item: Any, spec: TensorSpec) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        try:
            return item.encode()
        except UnicodeEncodeError as error:
            raise _misfit(item, spec, f" (no UTF-8 text: {error.reason})") from None
    if isinstance(item, dict) and item.keys() == {"b64"} and isinstance(item["b64"], str):
        try:
            return base64.b64decode(item["b64"], validate=True)
        except binascii.Error as error:
            raise SignatureError(f"input {spec.name!r} holds a b64 text that is not base64: {error}") from None
    raise _misfit(item, spec)


def _json_complex(item: Any, spec: TensorSpec) -> complex:
    try:
        return complex(item)
    except (TypeError, ValueError, OverflowError):
        raise SignatureError(
            f"input {spec.name!r} holds {_shown(item)}: expected {spec}",
            hint='A complex number is written as a text: "1+2j".',
        ) from None


def _strings(array: Array, spec: TensorSpec) -> Array:
    if array.dtype.kind not in "SUO":
        raise SignatureError(f"input {spec.name!r} has dtype {array.dtype}: expected {spec}")
    try:
        return string_array(np.asarray(array))
    except InputError as error:
        raise SignatureError(f"input {spec.name!r}: {error.message}") from None


def _group(dtype: np.dtype[Any]) -> str:
    """``b`` booleans, ``i`` whole numbers, ``f`` floats, ``c`` complex, ``?`` what is no number."""
    if dtype == _BFLOAT16:
        return "f"
    return {"b": "b", "i": "i", "u": "i", "f": "f", "c": "c"}.get(dtype.kind, "?")


def _numbers(array: Array, target: np.dtype[Any], spec: TensorSpec) -> Array:
    """Numbers to another type of number, values checked."""
    if array.dtype.names is not None and len(array.dtype.names) == 1:
        array = array[array.dtype.names[0]]  # quantized numbers are whole numbers
    have, want = _group(array.dtype), _group(target)
    if have == "?" or (have == "c" and want != "c") or (want == "b" and have == "f"):
        raise SignatureError(f"input {spec.name!r} has dtype {array.dtype}: expected {spec}")
    if want in "bi":
        _check_whole(array, have, spec)
        low, high = (0, 1) if want == "b" else (int(np.iinfo(target).min), int(np.iinfo(target).max))
        _check_range(array, low, high, spec)
    with np.errstate(over="ignore", invalid="ignore"):
        held = np.array(array.astype(target), order="C")
    if want in "fc" and have != "b":
        lost = ~np.isfinite(held) & np.isfinite(array)
        if lost.any():
            raise _misfit(array[lost].flat[0], spec, " (out of its range)")
    return held


def _check_whole(array: Array, have: str, spec: TensorSpec) -> None:
    if have != "f":
        return
    with np.errstate(invalid="ignore"):
        fractions = ~(array == np.floor(array)) | ~np.isfinite(array)
    if fractions.any():
        raise _misfit(array[fractions].flat[0], spec, ", whole numbers")


def _check_range(array: Array, low: int, high: int, spec: TensorSpec) -> None:
    if not array.size:
        return
    for extreme in (array.min(), array.max()):
        if not low <= int(extreme) <= high:
            raise _misfit(extreme, spec, f", {low} to {high}")


def _misfit(item: Any, spec: TensorSpec, detail: str = "") -> SignatureError:
    return SignatureError(f"input {spec.name!r} holds {_shown(item)}: expected {spec}{detail}")


def _shown(item: Any) -> str:
    text = repr(item.item() if isinstance(item, np.generic) else item)
    return text if len(text) <= 60 else f"{text[:57]}..."
