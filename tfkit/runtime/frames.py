"""What a runtime worker and its owner say to each other: a JSON header and the bytes of arrays, length first.

Not pickle: the worker runs models from anywhere, and its owner must be able to read whatever it sends.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from typing import IO, Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array, dtype_of, string_array
from tfkit.tensors import DType

_PREFIX = struct.Struct("<IQ")


def encode_frame(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> list[bytes | memoryview]:
    """One message, in parts: a header of JSON values and named arrays.

    Raises:
        InputError: TensorFlow has no dtype for an array.
    """
    entries: list[dict[str, Any]] = []
    parts: list[bytes | memoryview] = []
    for name, array in arrays.items():
        dtype = dtype_of(array)
        entry = {"name": name, "dtype": dtype.name, "shape": array.shape}
        if dtype is DType.STRING:
            values = string_array(array).reshape(-1).tolist()
            entry["lengths"] = [len(value) for value in values]
            parts += values
        else:
            # In this machine's byte order: arrays from files may have another one.
            native = np.ascontiguousarray(array, NUMPY_DTYPES[dtype])
            parts.append(native.reshape(-1).view(np.uint8).data)
        entries.append(entry)
    text = json.dumps({**header, "arrays": entries}).encode()
    return [_PREFIX.pack(len(text), sum(len(part) for part in parts)), text, *parts]


def write_frame(stream: IO[bytes], parts: Iterable[bytes | memoryview]) -> None:
    """Sends a message made by ``encode_frame``."""
    for part in parts:
        stream.write(part)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Reads one message.

    Raises:
        EOFError: The other side is gone.
    """
    text_size, data_size = _PREFIX.unpack(_read(stream, _PREFIX.size))
    header: dict[str, Any] = json.loads(_read(stream, text_size))
    data = _read(stream, data_size)
    arrays: dict[str, Array] = {}
    at = 0
    for entry in header.pop("arrays"):
        shape = tuple(entry["shape"])
        if "lengths" in entry:
            values = np.empty(len(entry["lengths"]), dtype=object)
            for index, size in enumerate(entry["lengths"]):
                values[index] = bytes(data[at : at + size])
                at += size
            arrays[entry["name"]] = values.reshape(shape)
        else:
            dtype = NUMPY_DTYPES[DType[entry["dtype"]]]
            count = math.prod(shape)
            arrays[entry["name"]] = np.frombuffer(data, dtype, count, at).reshape(shape)
            at += count * dtype.itemsize
    return header, arrays


def _read(stream: IO[bytes], size: int) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        count = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        at += count
    return data
