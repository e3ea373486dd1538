"""Text warm-up files (``.txt``): one request a line, for services that take text.

To a model of TensorFlow that is a request of one text for its one input. What else a request may hold, a signature and
the outputs it asks for, has no place in a line. Source of the format: EAS's documentation of ``warm_up_data_path``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from tfkit.arrays import Array, dtype_of, string_array
from tfkit.eas.messages import PredictRequest
from tfkit.errors import InputError, SignatureError
from tfkit.inputs.opening import byte_lines, opened
from tfkit.tensors import DType, Signature, TensorSpec


def text_input(signature: Signature) -> TensorSpec:
    """The input that takes a line of text.

    Raises:
        SignatureError: The signature takes more than a text.
    """
    spec = signature.inputs[0] if len(signature.inputs) == 1 else None
    if spec is None or spec.dtype is not DType.STRING or any(size not in (None, 1) for size in spec.shape or ()):
        taken = ", ".join(f"{each.name} {each}" for each in signature.inputs) or "nothing"
        raise SignatureError(
            f"signature {signature.name!r} takes {taken}: a line of a text file is one text, for a single string input",
            hint="Make a .bin file: tfkit warmup-gen MODEL --input NAME=... --output warm_up_test.bin",
        )
    return spec


def read_texts(path: Path, signature: Signature) -> Iterator[tuple[int, PredictRequest]]:
    """The number of each line and the request that it is; empty lines are none.

    Args:
        path: The file.
        signature: What answers the requests.

    Raises:
        InputError: The file cannot be read, or a line is longer than 64 MiB.
        SignatureError: The signature takes more than a text.
    """
    spec = text_input(signature)
    shape = (1,) if spec.shape is None else (1,) * len(spec.shape)
    with opened(path) as stream:
        for number, line in byte_lines(stream, path):
            if text := line.rstrip(b"\r\n"):
                yield number, PredictRequest({spec.name: _one(text, shape)}, signature.name)


def write_texts(stream: IO[bytes], requests: Iterable[PredictRequest]) -> int:
    """Writes the text of each request as a line; returns how many they were.

    Raises:
        InputError: A request is more than one text, or its text is none that a line can hold.
    """
    number = 0
    for number, request in enumerate(requests, start=1):  # noqa: B007  # how many there are is the result
        stream.write(_text(request) + b"\n")
    return number


def _one(text: bytes, shape: tuple[int, ...]) -> Array:
    array = np.empty(shape, dtype=object)
    array[...] = text
    return array


def _text(request: PredictRequest) -> bytes:
    arrays = list(request.inputs.values())
    if len(arrays) != 1 or dtype_of(arrays[0]) is not DType.STRING or arrays[0].size != 1:
        held = ", ".join(
            f"{name} {dtype_of(each).short_name}{list(each.shape)}" for name, each in request.inputs.items()
        )
        raise InputError(
            f"a request of {held or 'no inputs'} is no line of text: expected one string input with one text",
            hint="Such requests go in .bin files: --to eas.",
        )
    text: bytes = string_array(arrays[0]).reshape(-1)[0]
    if not text or b"\n" in text or b"\r" in text:
        raise InputError(
            f"the text {text[:40]!r} is no line: it is empty, or has line breaks",
            hint="Such requests go in .bin files: --to eas.",
        )
    return text
