"""Requests of every kind, and how they are told to other programs: as JSON."""

from __future__ import annotations

import base64
from typing import Any

import ml_dtypes
import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.eas.messages import PredictRequest
from tfkit.tensors import DType


def texts(*values: bytes, shape: tuple[int, ...] | None = None) -> Array:
    """A tensor of texts."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape) if shape is not None else array


REQUESTS = (
    PredictRequest(
        {"images": np.arange(8, dtype=np.float32).reshape(2, 4) / 7}, "predict_images", ("scores", "classes")
    ),
    PredictRequest(
        {
            "z": np.array([[1, -2], [3, 2**40]], np.int64),
            "a": texts(b"red", b"", "grün".encode(), b"\xff\x00"),
            "half": np.array([0.5, -1.5], np.float16),
            "brain": np.array([0.5, 3], ml_dtypes.bfloat16),
            "small": np.array([-128, 127], np.int8),
            "byte": np.array([0, 255], np.uint8),
            "short": np.array([-(2**15), 5], np.int16),
            "word": np.array([65535, 1], np.uint16),
            "flags": np.array([True, False]),
            "double": np.array([1e300, -0.0]),
            "int": np.array([[[7, -7]]], np.int32),
        },
    ),
    # One value, no value, no dimension: each of these is written in another way.
    PredictRequest(
        {
            "one": np.array([2.5], np.float32),
            "scalar": np.array(3, np.int64),
            "half": np.array([0.5], np.float16),
            "flag": np.array(True),
            "none": np.zeros((0, 3), np.float32),
            "text": texts(b"one", shape=()),
            "byte": np.array([200], np.uint8),
        },
        "serving_default",
    ),
    PredictRequest(
        {"wave": np.array([1 + 2j, -3j], np.complex64), "one": np.array([1j], np.complex128)}, "waves", ("spectrum",)
    ),
)


def describe(request: PredictRequest, model: str = "") -> dict[str, Any]:
    """A request as JSON."""
    return {
        "model": model,
        "signature": request.signature_name,
        "outputs": list(request.output_filter),
        "inputs": {name: _describe(array) for name, array in sorted(request.inputs.items())},
    }


def _describe(array: Array) -> dict[str, Any]:
    dtype = dtype_of(array)
    flat = array.reshape(-1)
    if dtype is DType.STRING:
        values = [base64.b64encode(value).decode() for value in flat.tolist()]
    elif dtype in (DType.COMPLEX64, DType.COMPLEX128):
        values = [[value.real, value.imag] for value in flat.tolist()]
    elif dtype in (DType.HALF, DType.BFLOAT16):
        values = flat.astype(np.float64).tolist()
    else:
        values = flat.tolist()
    return {"dtype": dtype.short_name, "shape": list(array.shape), "values": values}


def same(one: PredictRequest, other: PredictRequest) -> bool:
    """Whether two requests hold the same, to the bit."""
    return (one.signature_name, one.output_filter, sorted(one.inputs)) == (
        other.signature_name,
        other.output_filter,
        sorted(other.inputs),
    ) and all(
        array.dtype == other.inputs[name].dtype
        and array.shape == other.inputs[name].shape
        and (array.tolist() if array.dtype == object else array.tobytes())
        == (other.inputs[name].tolist() if array.dtype == object else other.inputs[name].tobytes())
        for name, array in one.inputs.items()
    )
