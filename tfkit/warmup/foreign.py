"""Tells what a file is that was given as a serialized PredictRequest and is none, and what to do with it."""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress
from typing import NamedTuple

from tfkit import proto
from tfkit.eas.messages import decode_request
from tfkit.errors import MessageError
from tfkit.inputs.options import load_json
from tfkit.inputs.tfrecord import starts_record
from tfkit.warmup.tf_serving import is_serving_request

_SAMPLES = "Make a request of its values: tfkit warmup-gen MODEL --input NAME=@FILE"
_UNPACK = "Unpack it: the service takes the file as it is."
_ENCODE = "Encode it: tfkit proto > eas.proto; protoc --encode=PredictRequest eas.proto < FILE > warm_up_test.bin"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HEX = re.compile(rb"[0-9a-fA-F\s]++")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]++={0,2}\s*")
_TEXT_FORMAT = re.compile(r"^[ \t]*+(?:signature_name|output_filter|inputs)\s*[:{]", re.MULTILINE)
_MAX_PARSED_BYTES = 16 << 20


class Foreign(NamedTuple):
    """What a file is, and what to do with it."""

    what: str
    hint: str


# The bytes that formats start with; those that hold values first.
_MAGICS = (
    (b"\x93NUMPY", Foreign("a NumPy array (.npy)", _SAMPLES)),
    (b"PK\x03\x04", Foreign("a zip archive, such as a .npz file", f"{_UNPACK} Of a .npz file: {_SAMPLES}:KEY")),
    (b"PAR1", Foreign("a Parquet file", _SAMPLES)),
    (b"\x89HDF\r\n\x1a\n", Foreign("an HDF5 file", _SAMPLES)),
    (b"\x89PNG\r\n\x1a\n", Foreign("a PNG picture", _SAMPLES)),
    (b"\xff\xd8\xff", Foreign("a JPEG picture", _SAMPLES)),
    (b"\x1f\x8b", Foreign("packed with gzip", _UNPACK)),
    (b"BZh", Foreign("packed with bzip2", _UNPACK)),
    (b"\xfd7zXZ\x00", Foreign("packed with xz", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Foreign("packed with zstd", _UNPACK)),
)

_RECORDS = Foreign(
    "a TFRecord, as TensorFlow Serving takes it", "Convert it: tfkit warmup-convert FILE --to eas --output FOLDER"
)


def find_foreign(data: bytes) -> Foreign | None:
    """What the bytes are, if they are something other than a PredictRequest that tfkit knows.

    Args:
        data: Bytes that are no request, or one without inputs: what reads as a whole request is not told from others.
    """
    for magic, foreign in _MAGICS:
        if data.startswith(magic):
            return foreign
    if starts_record(data):
        return _RECORDS
    if len(data) > _MAX_PARSED_BYTES:
        return None
    return _other_message(data) or _text(data)


def _other_message(data: bytes) -> Foreign | None:
    """A request of TensorFlow Serving, or a record of its warm-up file without the file's framing."""
    from google.protobuf.message import DecodeError

    with suppress(DecodeError):
        if is_serving_request(proto.message("tensorflow.serving.PredictRequest").FromString(data)):
            return Foreign("a PredictRequest of TensorFlow Serving, not of EAS", f"{_SAMPLES}.npy")
    with suppress(DecodeError):
        log = proto.message("tensorflow.serving.PredictionLog").FromString(data)
        if is_serving_request(log.predict_log.request):
            return Foreign("a PredictionLog of TensorFlow Serving", "Write it into a TFRecord file, and convert that.")
    return None


def _text(data: bytes) -> Foreign | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if not text.strip() or _CONTROL.search(text):
        return None
    if text.lstrip()[0] in "{[":
        try:
            load_json(text)
            return Foreign("JSON text", "Make a request of it: tfkit warmup-gen MODEL --input @FILE.json")
        except (ValueError, OverflowError, RecursionError):
            pass
    return (
        _encoded(data.strip())
        or _text_format(text)
        or Foreign("text", "A text file, one request a line, is for services that take text, and is called .txt.")
    )


def _encoded(data: bytes) -> Foreign | None:
    """A request in hexadecimal digits or in base64."""
    try:
        if _HEX.fullmatch(data) and _is_request(bytes.fromhex(data.decode())):
            return Foreign("a request in hexadecimal digits", "Decode it: xxd -r -p FILE > warm_up_test.bin")
        if _BASE64.fullmatch(data) and _is_request(base64.b64decode(data)):
            return Foreign("a request in base64", "Decode it: base64 -d FILE > warm_up_test.bin")
    except (binascii.Error, ValueError):
        pass
    return None


def _text_format(text: str) -> Foreign | None:
    from google.protobuf import text_format

    if not _TEXT_FORMAT.search(text):
        return None
    try:
        text_format.Parse(text, proto.message("PredictRequest")())
    except (text_format.ParseError, ValueError, RecursionError):
        return None
    return Foreign("a request in protobuf's text format", _ENCODE)


def _is_request(data: bytes) -> bool:
    try:
        return bool(decode_request(data).inputs)
    except MessageError:
        return False
