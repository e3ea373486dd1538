"""Reads sample values from files: npy, npz, JSON, and whole PredictRequests, binary or as protobuf JSON.

A file may come from anyone: nothing is unpickled, no array is allocated that the file does not hold, and whatever is
wrong with it is an ``InputError``. An npy file is mapped, not read, so that one row of a large one costs one row.
"""

from __future__ import annotations

import ast
import errno
import math
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from tfkit.arrays import DTYPES, Array
from tfkit.eas.messages import PredictRequest, decode_request
from tfkit.errors import InputError, MessageError, nearest
from tfkit.inputs.options import load_json

_NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 1 << 16
_MAX_ARRAY_BYTES = 1 << 62  # numpy's own limit, which it sees even beside a dimension of 0
_MAX_JSON_BYTES = 256 << 20
_MAX_REQUEST_BYTES = 2 << 30
_PICKLED = "Save text as a numpy 'S' or 'U' array: np.save(path, array.astype('S')); pickled objects are never loaded."


def read_value(path: Path, key: str, name: str) -> Any:
    """The values for one input: an array from npy and npz, nested lists from JSON.

    Args:
        path: The file.
        key: Which of several arrays; empty for the one called ``name``, or the only one.
        name: The input.

    Raises:
        InputError: The file is missing, damaged, of another kind, or holds no such array.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        arrays = _Npz(path)
        return arrays.read(_choose(arrays.names, key, name, path))
    if suffix == ".json":
        value = _read_json(path)
        return value[_choose(list(value), key, name, path)] if isinstance(value, dict) else value
    if suffix == ".npy":
        return _read_npy(path)
    try:
        regular_size(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    raise InputError(f"{path} is no file of samples: expected .npy, .npz or .json")


def read_set(path: Path) -> dict[str, Any]:
    """A whole set of inputs by name: arrays, or nested lists from plain JSON.

    Raises:
        InputError: The file is missing, damaged, or of another kind.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        arrays = _Npz(path)
        return {name: arrays.read(name) for name in arrays.names}
    if suffix == ".npy":
        raise InputError(f"{path} holds one array without a name", hint=f"Name the input: NAME=@{path}")
    if suffix == ".json":
        value = _read_json(path)
        if not isinstance(value, dict):
            raise InputError(f'{path} holds a JSON {_kind(value)}: expected an object such as {{"x": [1.0]}}')
        return dict(_json_request(value, path).inputs) if _is_request(value) else value
    return dict(read_request(path).inputs)


def read_request(path: Path) -> PredictRequest:
    """The PredictRequest in a file: protobuf JSON in ``.json``, else binary, one message without framing.

    Raises:
        InputError: The file is missing or unreadable.
        MessageError: It holds no PredictRequest.
    """
    if path.suffix.lower() == ".json":
        value = _read_json(path)
        if not _is_request(value):
            raise MessageError(f'{path} is no PredictRequest as protobuf JSON: it has no "inputs" object of arrays')
        return _json_request(value, path)
    data = _read_bytes(path, _MAX_REQUEST_BYTES)
    if not data:
        raise MessageError(f"{path} is empty: expected one serialized PredictRequest")
    try:
        return decode_request(data)
    except MessageError as error:
        raise MessageError(f"{path} is no PredictRequest: {error.message}", hint=error.hint) from None


def holds_request(path: Path) -> bool:
    """Whether a file of a whole set is a PredictRequest, which names a signature and outputs as well."""
    suffix = path.suffix.lower()
    return _is_request(_read_json(path)) if suffix == ".json" else suffix not in (".npy", ".npz")


def regular_size(path: Path) -> int:
    """The size of a regular file, in bytes; a device or a pipe has none, and may never end.

    Raises:
        OSError: It is something else, is not there, or cannot be looked at.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    return status.st_size


def _choose(names: list[str], key: str, name: str, path: Path) -> str:
    if key or name in names:
        wanted = key or name
    elif len(names) == 1:
        wanted = names[0]
    else:
        raise InputError(
            f"{path} has no array called {name!r}", hint=f"{nearest(name, names)} Choose one: {name}=@{path}:KEY"
        )
    if wanted not in names:
        raise InputError(f"{path} has no array called {wanted!r}", hint=nearest(wanted, names))
    return wanted


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        size = regular_size(path)
        if size > limit:
            raise InputError(f"{path} has {size} bytes: at most {limit} are read")
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path} does not exist")
    return InputError(f"{path} cannot be read: {error.strerror or error}")


def _read_npy(path: Path) -> Array:
    try:
        regular_size(path)
        with path.open("rb") as stream:
            shape, fortran, dtype = _npy_header(stream, str(path))
            offset = stream.tell()
            held = stream.seek(0, 2) - offset
            _check_size(shape, dtype, held, str(path))
            if 0 in shape:
                return np.empty(shape, dtype)
            return np.memmap(stream, dtype, "r", offset, shape, "F" if fortran else "C")
    except OSError as error:
        raise _unreadable(path, error) from None


class _Npz:
    """The arrays of an npz file, read one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            regular_size(path)
            with zipfile.ZipFile(path) as archive:
                self._sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
                self._members = {info.filename.removesuffix(".npy"): info.filename for info in archive.infolist()}
        except OSError as error:
            raise _unreadable(path, error) from None
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise InputError(f"{path} is no npz file: {error}") from None

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def read(self, name: str) -> Array:
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
    """The shape, column-major order and dtype that the header of an npy file gives.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
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


def _read_json(path: Path) -> Any:
    data = _read_bytes(path, _MAX_JSON_BYTES)
    try:
        return load_json(data)
    except OverflowError as error:
        raise InputError(f"{path} holds {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None


def _is_request(value: Any) -> bool:
    """Whether a JSON value is a PredictRequest: its "inputs" are objects that give a dtype."""
    inputs = value.get("inputs") if isinstance(value, dict) else None
    if not isinstance(inputs, dict) or not inputs:
        return False
    return all(isinstance(each, dict) and "dtype" in each for each in inputs.values())


def _json_request(value: Any, path: Path) -> PredictRequest:
    from google.protobuf import json_format

    from tfkit import proto

    try:
        message = json_format.ParseDict(value, proto.message("PredictRequest")())
        return decode_request(message.SerializeToString())
    except (json_format.ParseError, ValueError, RecursionError) as error:
        raise MessageError(f"{path} is no PredictRequest as protobuf JSON: {error}") from None
    except MessageError as error:
        raise MessageError(f"{path} is no valid PredictRequest: {error.message}") from None


def _kind(value: Any) -> str:
    return {list: "list", str: "text", bool: "boolean", type(None): "null"}.get(type(value), "number")
