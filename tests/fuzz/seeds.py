"""What fuzzing starts from: a message of every dtype and of every form that the codec treats by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.eas.messages import PredictRequest, encode_request, encode_response
from tfkit.tensors import DType


def write_seeds(folder: Path) -> None:
    """Writes one file a message."""
    for index, seed in enumerate(seeds()):
        folder.joinpath(f"seed-{index:02}").write_bytes(seed)


def seeds() -> list[bytes]:
    """The messages."""
    arrays = [_sample(dtype) for dtype in NUMPY_DTYPES if dtype <= DType.HALF]
    found = [encode_request(PredictRequest({"x": array}, "s", ("y",))) for array in arrays]
    found += [encode_response({"x": array, "y": np.zeros((0, 2), array.dtype)}) for array in arrays]
    found += [
        b"\x12\x11\x0a\x01x\x12\x0c\x1d\x00\x00\x80\x3f\x08\x01\x12\x03\x08\x01\x10",  # unpacked, values first
        b"\x12\x14\x0a\x01x\x12\x0f\x08\x09\x12\x03\x0a\x01\x04\x3a\x02\xac\x02\x38\x05\x38\x80\x01",  # in pieces
        b"\x12\x0c\x0a\x01x\x12\x02\x08\x0a\x12\x03\x42\x01\x01",  # a value in two messages
    ]
    return found


def _sample(dtype: DType) -> Array:
    held = NUMPY_DTYPES[dtype]
    if dtype is DType.STRING:
        return np.array([b"", b"a", b"bc" * 70], object)
    plain = held[0] if held.names else held
    wide = [0, 1, 2, 127, 100, 3] if plain.itemsize == 1 else [0, 1, 127, 128, 300, 32767]
    return np.array(wide).astype(plain).view(held).reshape(2, 3)
