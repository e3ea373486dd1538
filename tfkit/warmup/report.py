"""What a warm-up file holds, read back from the very bytes that a service will read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array, check_array
from tfkit.eas.messages import decode_request
from tfkit.tensors import DType, Signature

_SHOWN_VALUES = 5
ROW_COLUMNS = ("file", "inputs", "outputs", "bytes")


@dataclass(frozen=True, slots=True)
class InputSummary:
    """What a request holds for one input.

    Attributes:
        name: The input.
        dtype: Its data type.
        shape: The shape of the array.
        first: The first values, as JSON can show them.
        low: The smallest value; ``None`` for texts, complex numbers, empty arrays, and where it is not finite.
        high: The largest value; likewise.
        made_up: Nothing was given for it: the values are random.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    first: tuple[Any, ...]
    low: float | None
    high: float | None
    made_up: bool


@dataclass(frozen=True, slots=True)
class WarmupFile:
    """A warm-up file as it was read back.

    Attributes:
        path: The file.
        signature_name: The signature that the request names; empty for the model's default one.
        output_filter: The outputs that it asks for; empty for all.
        inputs: What it holds for each input.
        size_bytes: Its size.
        sha256: Its checksum.
        warnings: What lint warns of: it may not warm up what it should.
    """

    path: Path
    signature_name: str
    output_filter: tuple[str, ...]
    inputs: tuple[InputSummary, ...]
    size_bytes: int
    sha256: str
    warnings: tuple[str, ...] = ()

    def row(self) -> tuple[str, str, str, str]:
        """Its row of ``ROW_COLUMNS``."""
        inputs = "\n".join(f"{each.name} {each.dtype.short_name}{list(each.shape)}" for each in self.inputs)
        return self.path.name, inputs, ", ".join(self.output_filter) or "all", str(self.size_bytes)

    def as_dict(self) -> dict[str, Any]:
        """The file as JSON has it."""
        return {
            "path": str(self.path),
            "signature_name": self.signature_name,
            "output_filter": list(self.output_filter),
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "warnings": list(self.warnings),
            "inputs": [
                {
                    "name": each.name,
                    "dtype": each.dtype.proto_name,
                    "shape": list(each.shape),
                    "first": list(each.first),
                    "low": each.low,
                    "high": each.high,
                    "made_up": each.made_up,
                }
                for each in self.inputs
            ],
        }


@dataclass(frozen=True, slots=True)
class WarmupReport:
    """What ``make_warmup`` wrote.

    Attributes:
        path: The file, or the folder of several with its manifest.
        files: The warm-up files.
        skipped: Recorded requests that were left out, each with the reason.
    """

    path: Path
    files: tuple[WarmupFile, ...]
    skipped: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "path": str(self.path),
            "files": [file.as_dict() for file in self.files],
            "skipped": list(self.skipped),
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from html import escape

        from tfkit.html import fragment, table

        skipped = "".join(f"<p>skipped: {escape(each)}</p>" for each in self.skipped)
        return fragment(
            (f"<p>{escape(str(self.path))}</p>", table(ROW_COLUMNS, map(WarmupFile.row, self.files)), skipped)
        )


def describe_file(
    path: Path,
    data: bytes,
    signature: Signature,
    made_up: Collection[str] = (),
    warnings: tuple[str, ...] = (),
) -> WarmupFile:
    """Reads a request back as a service will, and checks it once more against the signature.

    Args:
        path: Where it is to be written.
        data: The serialized request.
        signature: What the model takes.
        made_up: The inputs for which nothing was given.
        warnings: What lint warns of.

    Raises:
        MessageError: It is no request.
        SignatureError: An input is unknown, or does not fit.
    """
    request = decode_request(data)
    for name, array in request.inputs.items():
        check_array(signature.input(name), array)
    return WarmupFile(
        path=path,
        signature_name=request.signature_name,
        output_filter=request.output_filter,
        inputs=tuple(
            _summary(name, array, signature.input(name).dtype, made_up=name in made_up)
            for name, array in request.inputs.items()
        ),
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        warnings=warnings,
    )


def _summary(name: str, array: Array, dtype: DType, *, made_up: bool) -> InputSummary:
    plain = array[array.dtype.names[0]] if array.dtype.names else array
    first = tuple(_shown(value) for value in plain.reshape(-1)[:_SHOWN_VALUES].tolist())
    low = high = None
    if plain.size and dtype not in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128):
        low, high = _number(np.min(plain)), _number(np.max(plain))
    return InputSummary(name, dtype, array.shape, first, low, high, made_up)


def _shown(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else str(value)


def _number(value: Any) -> float | None:
    number = value.item()
    return number if math.isfinite(number) else None
