"""TensorFlow Serving's warm-up file: a TFRecord of ``PredictionLog``, in a SavedModel's ``assets.extra``.

Source: https://www.tensorflow.org/tfx/serving/saved_model_warmup. TensorFlow Serving loads no model whose file holds
more than 1000 records, and does not read a compressed one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any

from tfkit import proto
from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.eas.messages import PredictRequest
from tfkit.errors import InputError, MessageError, ModelError
from tfkit.graph.tensor_proto import fill_tensor, tensor_array
from tfkit.inputs.tfrecord import write_records
from tfkit.tensors import DType

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000
PREDICT = "predict_log"
# What a request may unpack to by single values, each of which stands for all of a tensor.
_MAX_FILLED_BYTES = 64 << 20
_DTYPES = {int(each): each for each in NUMPY_DTYPES}


def decode_log(data: bytes) -> tuple[str, PredictRequest | None]:
    """Reads one record.

    Returns:
        The kind of log that it is, such as ``predict_log``, and the request in it, which only that kind has.

    Raises:
        MessageError: It is no ``PredictionLog``, or a tensor in it is damaged.
    """
    from google.protobuf.message import DecodeError

    try:
        log = proto.message("tensorflow.serving.PredictionLog").FromString(data)
    except DecodeError as error:
        raise MessageError(f"not a PredictionLog: {error}") from None
    kind = log.WhichOneof("log_type")
    if kind is None:
        raise MessageError("not a PredictionLog: it holds no log")
    return kind, decode_serving_request(log.predict_log.request) if kind == PREDICT else None


def decode_serving_request(message: Any) -> PredictRequest:
    """Reads TensorFlow Serving's own ``PredictRequest``; the name of the model in it says nothing to EAS.

    Raises:
        MessageError: A tensor is damaged, or they unpack to far more than they take.
    """
    inputs, filled_bytes = {}, 0
    for name in sorted(message.inputs):
        tensor = message.inputs[name]
        dtype, shape = _spec(name, tensor)
        if math.prod(shape) > tensor.ByteSize():  # a value takes a byte at least
            filled_bytes += math.prod(shape) * NUMPY_DTYPES[dtype].itemsize
        if filled_bytes > _MAX_FILLED_BYTES:
            raise MessageError(f"input {name!r}: shape {list(shape)} is more than the values that are there")
        inputs[name] = _read_tensor(name, tensor, dtype)
    return PredictRequest(inputs, message.model_spec.signature_name, tuple(message.output_filter))


def is_serving_request(message: Any) -> bool:
    """Whether bytes that read as TensorFlow Serving's ``PredictRequest`` are one: its tensors have dtypes and shapes.

    No value is unpacked.
    """
    try:
        return bool([_spec(name, tensor) for name, tensor in message.inputs.items()])
    except MessageError:
        return False


def encode_log(request: PredictRequest, model_name: str = "") -> bytes:
    """Serializes a request as a record; the same request gives the same bytes.

    Args:
        request: The request.
        model_name: What ``model_spec`` names, which TensorFlow Serving does not look at while it warms up.

    Raises:
        MessageError: No message can hold it.
    """
    log = proto.message("tensorflow.serving.PredictionLog")()
    message = log.predict_log.request
    try:
        message.model_spec.name = model_name
        message.model_spec.signature_name = request.signature_name
        message.output_filter.extend(request.output_filter)
        for name, array in request.inputs.items():
            fill_tensor(message.inputs[name], array)
        data: bytes = log.SerializeToString(deterministic=True)
    except UnicodeEncodeError as error:
        raise MessageError(f"name {error.object!r} is no valid Unicode: {error.reason}") from None
    except InputError as error:
        raise MessageError(f"input {name!r}: {error.message}", hint=error.hint) from None
    return data


def write_logs(stream: IO[bytes], requests: Iterable[PredictRequest], model_name: str = "") -> int:
    """Writes requests as a warm-up file; returns how many they were.

    Raises:
        InputError: They are more than TensorFlow Serving takes.
        MessageError: No message can hold one of them.
    """
    numbers = count(1)
    write_records(stream, _encoded(requests, numbers, model_name))
    return next(numbers) - 1


def _encoded(requests: Iterable[PredictRequest], numbers: Iterator[int], model_name: str) -> Iterator[bytes]:
    for request in requests:
        if next(numbers) > MAX_RECORDS:
            raise InputError(
                f"more than {MAX_RECORDS} requests: TensorFlow Serving loads no model with a longer warm-up file",
                hint="One request of each form that production has is enough: tfkit warmup-lint shows the forms.",
            )
        yield encode_log(request, model_name)


def _spec(name: str, tensor: Any) -> tuple[DType, tuple[int, ...]]:
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        raise MessageError(f"input {name!r}: dtype {tensor.dtype} holds no values")
    shape = tuple(int(dim.size) for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise MessageError(f"input {name!r}: shape {list(shape)}: expected the actual sizes")
    return dtype, shape


def _read_tensor(name: str, tensor: Any, dtype: DType) -> Array:
    if dtype is DType.STRING and tensor.tensor_content:
        raise MessageError(f"input {name!r}: texts in tensor_content: expected them in string_val")
    try:
        array = tensor_array(tensor)
    except (ModelError, ValueError, OverflowError) as error:
        reason = error.message if isinstance(error, ModelError) else str(error)
        raise MessageError(f"input {name!r}: {reason}") from None
    return array
