"""Reads sample values from files, by their suffix: what is an array, what is read a row at a time, whole requests.

A file may come from anyone: whatever is wrong with it is an ``InputError``, and a small file never takes much memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.joined import decode_one
from tfkit.eas.messages import MAX_MESSAGE_BYTES, PredictRequest, decode_request
from tfkit.errors import InputError, MessageError, nearest
from tfkit.inputs import images
from tfkit.inputs.lines import CsvTable, JsonLines, TextFile
from tfkit.inputs.numpy_files import Npz, read_npy
from tfkit.inputs.opening import read_bytes, readable_size
from tfkit.inputs.options import load_json
from tfkit.inputs.rest import rest_inputs, rest_signature
from tfkit.inputs.rows import RowFile

_MAX_JSON_BYTES = 256 << 20
_READ_AT_ONCE = (".npy", ".npz", ".json", ".bin")
_KNOWN = ".npy, .npz, .json, .csv, .jsonl, .txt, .parquet, .tfrecord, or pictures"


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What a whole request says beside its values.

    Attributes:
        signature_name: The signature that it is for; empty for the model's default one.
        output_filter: The outputs that it asks for; empty for all.
        input_names: The inputs that it names.
    """

    signature_name: str
    output_filter: tuple[str, ...]
    input_names: tuple[str, ...]


def open_rows(path: Path) -> RowFile | None:
    """A file that is read a row at a time; ``None`` for one of another kind.

    Raises:
        InputError: It is missing or damaged.
        MissingError: What reads it is not installed.
    """
    opens = _row_kind(path)
    return opens(path) if opens is not None else None


def read_value(path: Path, key: str, name: str) -> Any:
    """The values for one input of a file that ``open_rows`` does not take: an array, or nested lists from JSON.

    Args:
        path: The file.
        key: Which of several arrays; empty for the one called ``name``, or the only one.
        name: The input.

    Raises:
        InputError: The file is missing, damaged, of another kind, or holds no such array.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        arrays = Npz(path)
        return arrays.read(_choose(arrays.names, key, name, path))
    if suffix == ".json":
        value = _read_json(path)
        if not isinstance(value, dict):
            return value
        whole = _is_request(value) or (len(value) > 1 and rest_signature(value) is not None)
        if whole and not key and name not in value:
            raise InputError(f"{path} is a whole request: expected the values of {name!r}", hint=f"Give it as @{path}")
        return value[_choose(list(value), key, name, path)]
    readable_size(path)
    if suffix == ".npy" and not key:
        return read_npy(path)
    if suffix == ".npy":
        raise InputError(f"{path} holds one array without a name: there is no {key!r} in it")
    raise InputError(f"{path} is no file of samples: expected {_KNOWN}")


def read_set(path: Path) -> Mapping[str, Any]:
    """A whole set of inputs by name, of a file that ``open_rows`` does not take.

    Returns:
        Arrays, or nested lists from JSON; under an empty name what is for the only input, whatever its name.

    Raises:
        InputError: The file is missing, damaged, or of another kind.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        arrays = Npz(path)
        return {name: arrays.read(name) for name in arrays.names}
    if suffix == ".npy":
        raise InputError(f"{path} holds one array without a name", hint=f"Name the input: NAME=@{path}")
    if suffix == ".json":
        value = _read_json(path)
        if not isinstance(value, dict):
            raise InputError(
                f'{path} holds a JSON {_kind(value)}: expected an object such as {{"x": [1.0]}}',
                hint=f"Name the input: NAME=@{path}",
            )
        if _is_request(value):
            return dict(_json_request(value, path).inputs)
        return rest_inputs(value, path) if rest_signature(value) is not None else value
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
    data = read_bytes(path, MAX_MESSAGE_BYTES)
    if not data:
        raise MessageError(f"{path} is empty: expected one serialized PredictRequest")
    try:
        return decode_one(data)
    except MessageError as error:
        raise MessageError(f"{path} is no PredictRequest: {error.message}", hint=error.hint) from None


def read_head(path: Path) -> RequestHead | None:
    """What a file of a whole set says beside its values, if it is a request; ``None`` for plain sets of values.

    Raises:
        InputError: The file is missing or damaged.
    """
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz") or _row_kind(path) is not None:
        return None
    if suffix == ".json":
        value = _read_json(path)
        if not _is_request(value):
            signature_name = rest_signature(value)
            if signature_name is None:
                return None
            return RequestHead(signature_name, (), tuple(name for name in rest_inputs(value, path) if name))
    request = read_request(path)
    return RequestHead(request.signature_name, request.output_filter, tuple(request.inputs))


def _row_kind(path: Path) -> Callable[[Path], RowFile] | None:
    """What reads a file a row at a time; parts that need a library of their own are imported only now."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        suffix = Path(path.stem).suffix.lower()
        return _open_examples if suffix in (".tfrecord", ".tfrecords") else None
    pictures = suffix in images.SUFFIXES or (suffix not in _READ_AT_ONCE and os.path.isdir(path))  # noqa: PTH112
    return images.Pictures if pictures else _ROW_KINDS.get(suffix)


def _open_examples(path: Path) -> RowFile:
    from tfkit.inputs.examples import ExampleFile

    return ExampleFile(path)


def _open_parquet(path: Path) -> RowFile:
    from tfkit.inputs.parquet import ParquetTable

    return ParquetTable(path)


_ROW_KINDS: dict[str, Callable[[Path], RowFile]] = {
    ".csv": CsvTable,
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".parquet": _open_parquet,
    ".tfrecord": _open_examples,
    ".tfrecords": _open_examples,
    ".txt": TextFile,
}


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


def _read_json(path: Path) -> Any:
    data = read_bytes(path, _MAX_JSON_BYTES)
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
