"""Reads numpy's files, npy and npz.

Nothing is unpickled, and no array is allocated that the file does not hold. An npy file is mapped, not read, so that
one row of a large one costs one row.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from tfkit.arrays import DTYPES, Array
from tfkit.errors import InputError
from tfkit.inputs.opening import opened, readable, readable_size

_NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 1 << 16
_MAX_ARRAY_BYTES = 1 << 62  # numpy's own limit, which it sees even beside a dimension of 0
_PICKLED = (
    "Pickled objects are never loaded. Save text as a numpy 'S' array: np.save(path, array.astype('S')). Of pictures "
    'and other bytes that would drop zeros at the end: give them as JSON, {"b64": "..."}, or in a TFRecord file.'
)


def read_npy(path: Path) -> Array:
    """The array of an npy file, mapped into memory; raises ``InputError``."""
    with opened(path) as stream:
        shape, fortran, dtype = _npy_header(stream, str(path))
        offset = stream.tell()
        held = stream.seek(0, 2) - offset
        _check_size(shape, dtype, held, str(path))
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(stream, dtype, "r", offset, shape, "F" if fortran else "C")


class Npz:
    """The arrays of an npz file, read one at a time; raises ``InputError``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        readable_size(path)
        try:
            with readable(path), zipfile.ZipFile(path) as archive:
                self._sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
                self._members = {info.filename.removesuffix(".npy"): info.filename for info in archive.infolist()}
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(f"{path} is no npz file: {error}") from None

    @property
    def names(self) -> list[str]:
        """What the arrays are called."""
        return list(self._members)

    def read(self, name: str) -> Array:
        """One array."""
        place = f"{self._path}:{name}"
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(self._members[name]) as stream:
                shape, fortran, dtype = _npy_header(stream, place)
                size = _check_size(shape, dtype, self._sizes[name], place)
                data = stream.read(size)
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            RuntimeError,
            MemoryError,
        ) as error:
            raise InputError(f"{place} cannot be read: {error or type(error).__name__}") from None
        _check_size(shape, dtype, len(data), place)
        return np.frombuffer(data, dtype, math.prod(shape)).reshape(shape, order="F" if fortran else "C")


def _npy_header(stream: IO[bytes], place: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The shape, column-major order and dtype that the header of an npy file gives."""
    start = stream.read(8)
    if start[:6] != _NPY_MAGIC:
        raise InputError(f"{place} is no npy file: it starts with {start[:6]!r}")
    prefix = 2 if start[6:7] == b"\x01" else 4
    length = int.from_bytes(stream.read(prefix), "little")
    if length > _MAX_HEADER_BYTES:
        raise InputError(f"{place} is no npy file: its header claims {length} bytes")
    try:
        header = ast.literal_eval(stream.read(length).decode("utf-8" if start[6:7] == b"\x03" else "latin-1").strip())
        shape, fortran = tuple(header["shape"]), bool(header["fortran_order"])
        dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(header["descr"])
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError, OverflowError) as error:
        raise InputError(f"{place} has a damaged npy header: {error}") from None
    if not all(type(dim) is int and dim >= 0 for dim in shape) or len(shape) > 64:
        raise InputError(f"{place} has a damaged npy header: shape {shape}")
    if dtype.hasobject:
        raise InputError(f"{place} holds pickled Python objects: expected numbers or text", hint=_PICKLED)
    if not dtype.itemsize or math.prod(dim or 1 for dim in shape) * dtype.itemsize > _MAX_ARRAY_BYTES:
        raise InputError(f"{place} has a damaged npy header: an array of shape {shape} and dtype {dtype}")
    if dtype.kind not in "biufcSU" and dtype not in DTYPES and dtype != np.dtype("V2"):
        raise InputError(f"{place} holds values of numpy dtype {dtype}: TensorFlow has no such dtype")
    return shape, fortran, dtype


def _check_size(shape: tuple[int, ...], dtype: np.dtype[Any], held: int, place: str) -> int:
    """The bytes that the array takes, once it is sure that the file has them."""
    size = math.prod(shape) * dtype.itemsize
    if size > held:
        raise InputError(f"{place} is cut off: {list(shape)} of {dtype} takes {size} bytes, the file has {held}")
    return size
