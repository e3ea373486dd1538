"""The EAS messages: numpy arrays to and from the wire.

Values of FLOAT, DOUBLE and complex inputs are not copied on the way in: such arrays are read-only views of the
message's bytes and need not be aligned. The definitions of the messages are in ``tfkit/proto/eas_predict.proto``.

>>> import numpy as np
>>> data = encode_request(PredictRequest({"images": np.zeros((1, 784), np.float32)}, "predict_images"))
>>> decode_request(data).inputs["images"].shape
(1, 784)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.eas._fields import FIELD_OF, Data, scan
from tfkit.eas._read_array import read_array
from tfkit.eas._write_array import Part, entry, entry_of_bytes, text_field
from tfkit.errors import InputError, MessageError
from tfkit.proto import wire
from tfkit.tensors import DType

_SIGNATURE_NAME, _INPUTS, _OUTPUT_FILTER = 0x0A, 0x12, 0x1A
_OUTPUTS = 0x0A
_KEY, _VALUE = 0x0A, 0x12

# A name costs more memory than it has bytes; with a limit, what a message costs stays in proportion to its length.
_MAX_NAMES = 1 << 16
# protobuf's own limit, which every reader of a message enforces.
MAX_MESSAGE_BYTES = (1 << 31) - 1

# The dtypes whose values stand on the wire as they are in memory: float32, float64 and the complex ones.
MEMORY_DTYPES = frozenset(
    dtype
    for dtype, values in FIELD_OF.items()
    if values.fixed is not None and NUMPY_DTYPES[dtype].itemsize >= values.fixed.itemsize
)


@dataclass(slots=True, frozen=True)
class PredictRequest:
    """A request.

    Attributes:
        inputs: The arrays by the names of the signature's inputs.
        signature_name: The signature to run; empty for the model's default one.
        output_filter: The outputs to compute, as they came, repeated ones included; empty for all of the signature.
    """

    inputs: dict[str, Array]
    signature_name: str = ""
    output_filter: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class PredictResponse:
    """An answer.

    Attributes:
        outputs: The arrays by the names of the signature's outputs.
    """

    outputs: dict[str, Array]


def decode_request(data: bytes | bytearray | memoryview) -> PredictRequest:
    """Reads a serialized ``PredictRequest``.

    Args:
        data: The bytes, contiguous; they must not change as long as the arrays are in use.

    Returns:
        The request. Strings are object arrays of ``bytes``; an array whose message has no shape is a scalar.

    Raises:
        MessageError: The bytes are no request, or the values of an input do not fit its dtype and shape.
    """
    buffer = _buffer(data)
    inputs: dict[str, Array] = {}
    signature_name = ""
    output_filter: list[str] = []
    try:
        for tag, start, end in scan(buffer, 0, len(buffer)):
            if tag == _INPUTS:
                _read_entry(buffer, start, end, "input", inputs)
            elif tag == _SIGNATURE_NAME:
                signature_name = _text(buffer, start, end, "the signature name")
            elif tag == _OUTPUT_FILTER:
                output_filter.append(_text(buffer, start, end, "a name in the output filter"))
                if len(output_filter) > _MAX_NAMES:
                    raise _too_many("names in the output filter")
    except wire.WireError as error:
        raise _damaged("PredictRequest", error) from None
    return PredictRequest(inputs, signature_name, tuple(output_filter))


def decode_response(data: bytes | bytearray | memoryview) -> PredictResponse:
    """Reads a serialized ``PredictResponse``; see ``decode_request``.

    Raises:
        MessageError: The bytes are no answer, or the values of an output do not fit its dtype and shape.
    """
    buffer = _buffer(data)
    outputs: dict[str, Array] = {}
    try:
        for tag, start, end in scan(buffer, 0, len(buffer)):
            if tag == _OUTPUTS:
                _read_entry(buffer, start, end, "output", outputs)
    except wire.WireError as error:
        raise _damaged("PredictResponse", error) from None
    return PredictResponse(outputs)


def encode_request(request: PredictRequest) -> bytes:
    """Serializes a request; the same inputs in the same order give the same bytes.

    Raises:
        MessageError: No message can hold one of the inputs, or all of them together.
    """
    parts: list[Part] = []
    try:
        if request.signature_name:
            parts.append(text_field(_SIGNATURE_NAME, request.signature_name))
        parts += _entries(_INPUTS, "input", request.inputs)
        parts += [text_field(_OUTPUT_FILTER, name) for name in request.output_filter]
    except UnicodeEncodeError as error:
        raise MessageError(f"name {error.object!r} is no valid Unicode: {error.reason}") from None
    return _join(parts)


def encode_response(outputs: Mapping[str, Array]) -> bytes:
    """Serializes an answer; the same outputs in the same order give the same bytes.

    Args:
        outputs: The arrays by name: of any layout, byte order and shape; strings may be text, bytes or objects.

    Raises:
        MessageError: No message can hold one of the outputs, or all of them together.
    """
    return _join(_entries(_OUTPUTS, "output", outputs))


def float_output(name: str, dtype: DType, shape: tuple[int, ...], data: bytes) -> bytes:
    """The bytes of one output of an answer, for a dtype whose values stand on the wire as they are in memory.

    The outputs' bytes one after the other are the answer.

    Args:
        name: The output's name.
        dtype: One of ``MEMORY_DTYPES``.
        shape: Its shape.
        data: Its values in row-major order, little-endian.
    """
    return entry_of_bytes(_OUTPUTS, name, dtype, shape, data)


def _buffer(data: bytes | bytearray | memoryview) -> Data:
    return data if isinstance(data, bytes) else memoryview(data).cast("B").toreadonly()


def _read_entry(data: Data, at: int, end: int, what: str, arrays: dict[str, Array]) -> None:
    """Reads one entry of a map; a name that comes again replaces the earlier one, as in protobuf."""
    name = ""
    first = last = count = 0
    for tag, start, stop in scan(data, at, end):
        if tag == _VALUE:
            first, last = start, stop
            count += 1
        elif tag == _KEY:
            name = _text(data, start, stop, "a name")
    try:
        if count == 1:
            arrays[name] = read_array(data, first, last)
        else:
            merged = _merge_values(data, at, end)
            arrays[name] = read_array(merged, 0, len(merged))
    except MessageError as error:
        raise MessageError(f"{what} {name!r}: {error.message}", hint=error.hint) from None
    if len(arrays) > _MAX_NAMES:
        raise _too_many(f"{what}s")


def _merge_values(data: Data, at: int, end: int) -> bytes:
    """All values of a map entry in one: to protobuf, messages one after the other are one message."""
    merged = bytearray()
    for tag, start, stop in scan(data, at, end):
        if tag == _VALUE:
            for _ in wire.fields(data, start, stop):  # each must be whole by itself
                pass
            merged += data[start:stop]
    return bytes(merged)


def _too_many(what: str) -> MessageError:
    return MessageError(f"more than {_MAX_NAMES} {what}: expected {_MAX_NAMES} at most")


def _text(data: Data, start: int, end: int, what: str) -> str:
    try:
        return str(data[start:end], "utf-8")
    except UnicodeDecodeError as error:
        raise MessageError(
            f"{what} is not UTF-8: {bytes(data[start : min(end, start + 40)])!r}, {error.reason}"
        ) from None


def _entries(tag: int, what: str, arrays: Mapping[str, Array]) -> list[Part]:
    parts: list[Part] = []
    for name, array in arrays.items():
        try:
            parts += entry(tag, name, array)
        except InputError as error:
            raise MessageError(f"{what} {name!r}: {error.message}", hint=error.hint) from None
        except UnicodeEncodeError as error:
            raise MessageError(f"{what} {name!r}: text that is no valid Unicode, {error.reason}") from None
    return parts


def _join(parts: list[Part]) -> bytes:
    data = b"".join(parts)
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageError(f"a message of {len(data)} bytes: expected {MAX_MESSAGE_BYTES} at most")
    return data


def _damaged(message: str, error: wire.WireError) -> MessageError:
    return MessageError(f"not a {message}: {error}")
