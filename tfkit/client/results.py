"""What a service answered, for programs: JSON and npz files."""

from __future__ import annotations

import base64
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.errors import InputError
from tfkit.tensors import DType
from tfkit.warmup.files import replacing

_UP_TO_FLOAT = {np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)}


def outputs_json(outputs: Mapping[str, Array]) -> str:
    """The outputs as JSON, every value of them; one row a line.

    Floats are written as short as they can be read back; those that JSON has no number for are ``"NaN"``,
    ``"Infinity"`` and ``"-Infinity"``; complex numbers are ``"1+2j"``; bytes are text where they are UTF-8, else
    ``{"b64": "..."}``.

    >>> print(outputs_json({"scores": np.array([[0.1, 0.9]], np.float32)}))
    {"outputs": {
        "scores": {"dtype": "DT_FLOAT", "shape": [1, 2], "values": [
            [0.1, 0.9]
        ]}
    }}
    """
    items = [f"    {json.dumps(name, ensure_ascii=False)}: {_array_json(outputs[name])}" for name in sorted(outputs)]
    return '{"outputs": {\n' + ",\n".join(items) + "\n}}" if items else '{"outputs": {}}'


def _array_json(array: Array) -> str:
    head = f'{{"dtype": "{dtype_of(array).proto_name}", "shape": {list(array.shape)}, "values": '
    values = json_values(array)
    if not isinstance(values, list) or not values:
        return f"{head}{_dump(values)}}}"
    rows = ",\n".join(f"        {_dump(row)}" for row in values)
    return f"{head}[\n{rows}\n    ]}}"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def json_values(array: Array) -> Any:
    """An array as nested lists of what JSON can hold; see ``outputs_json``."""
    if array.dtype.names is not None:
        array = array[array.dtype.names[0]]  # quantized numbers are whole numbers
    flat = array.reshape(-1)
    if array.dtype in _UP_TO_FLOAT:
        # Through text: as doubles they would show digits that they do not have.
        flat = flat.astype(np.float32).astype(str).astype(np.float64)
    elements = np.empty(flat.size, dtype=object)
    elements[:] = [_json_value(value) for value in flat.tolist()]
    return elements.reshape(array.shape).tolist()


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return str(value).strip("()")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def save_npz(path: str | Path, outputs: Mapping[str, Array], *, force: bool = False) -> None:
    """Writes the outputs to an npz file, beside its place and renamed; strings as numpy's ``S``, nothing pickled.

    Args:
        path: The file.
        outputs: The arrays.
        force: Replace a file that is there already.

    Raises:
        UsageError: There is a file already, and ``force`` was not given.
        InputError: There is no such folder, the place is taken by what is no regular file, or an array cannot be held:
            strings that end in NUL bytes.
        MissingError: The file cannot be written: no permission, no space.
    """
    held = {name: _as_saved(name, array) for name, array in outputs.items()}
    with (
        replacing(Path(path), force=force) as beside,
        zipfile.ZipFile(beside, "x", zipfile.ZIP_STORED) as archive,
    ):
        for name, array in held.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _as_saved(name: str, array: Array) -> Array:
    if dtype_of(array) is not DType.STRING:
        return array
    if any(value.endswith(b"\0") for value in array.reshape(-1).tolist()):
        raise InputError(
            f"output {name!r} has strings that end in NUL bytes: npz files do not keep those",
            hint="Print it with --json.",
        )
    return array.astype("S")
