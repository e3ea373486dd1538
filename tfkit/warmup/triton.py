"""Triton's warm-up: samples in a model's ``config.pbtxt``, with the values in files of its folder ``warmup``.

tfkit writes the samples as ``model_warmup.pbtxt``, whose text goes at the end of the model's ``config.pbtxt``, and the
values as raw bytes, row-major and little-endian; of texts each with its length before it, in four bytes. A sample has
neither a signature nor outputs to ask for. Where the model batches (``max_batch_size`` in ``config.pbtxt`` is not 0)
shapes leave the batch out, and Triton repeats one row as often as ``batch_size`` says.

Source: ``ModelWarmup`` in model_config.proto of https://github.com/triton-inference-server/common, and
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfkit import proto
from tfkit.arrays import NUMPY_DTYPES, Array, dtype_of, string_array
from tfkit.eas.messages import MAX_MESSAGE_BYTES, PredictRequest
from tfkit.errors import InputError
from tfkit.inputs.generate import random
from tfkit.inputs.opening import read_bytes
from tfkit.inputs.options import RandomSource
from tfkit.tensors import DType, TensorSpec

CONFIG, SAMPLES = "config.pbtxt", "model_warmup.pbtxt"
_FOLDER = "warmup"
_MAX_CONFIG_BYTES = 16 << 20
_MAX_MADE_BYTES = 256 << 20  # of zeros and random values, which take no bytes in any file
_LENGTH = struct.Struct("<I")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME = 60
_TOKEN = re.compile(r"""#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[\w.+-]+|[^\s\w]""")
_NAME = re.compile(r"[A-Za-z_]\w*")
# By the names of model_config.proto; Triton has no complex and no quantized numbers.
_TYPES = {
    DType.BOOL: "TYPE_BOOL",
    DType.UINT8: "TYPE_UINT8",
    DType.UINT16: "TYPE_UINT16",
    DType.UINT32: "TYPE_UINT32",
    DType.UINT64: "TYPE_UINT64",
    DType.INT8: "TYPE_INT8",
    DType.INT16: "TYPE_INT16",
    DType.INT32: "TYPE_INT32",
    DType.INT64: "TYPE_INT64",
    DType.HALF: "TYPE_FP16",
    DType.FLOAT: "TYPE_FP32",
    DType.DOUBLE: "TYPE_FP64",
    DType.STRING: "TYPE_STRING",
    DType.BFLOAT16: "TYPE_BF16",
}


def is_triton_folder(folder: Path) -> bool:
    """Whether a folder is that of a Triton model, or one that tfkit wrote for one."""
    return any((folder / name).is_file() for name in (CONFIG, SAMPLES))


def is_batching(folder: Path) -> bool:
    """Whether the Triton model in a folder batches; one without a ``config.pbtxt`` does not.

    Raises:
        InputError: The configuration cannot be read.
    """
    return (folder / CONFIG).is_file() and _read_config(folder / CONFIG).max_batch_size > 0


def read_samples(folder: Path) -> Iterator[tuple[str, PredictRequest]]:
    """The name of each sample of a Triton model and the request that it is; those that Triton leaves out are none.

    Args:
        folder: The model's folder.

    Raises:
        InputError: The configuration or a file of values is missing or damaged.
    """
    configs = {name: _read_config(folder / name) for name in (CONFIG, SAMPLES) if (folder / name).is_file()}
    batching = CONFIG in configs and configs[CONFIG].max_batch_size > 0
    # The samples may stand in both, once their text went where it belongs.
    samples = next((config.model_warmup for config in configs.values() if config.model_warmup), ())
    for number, sample in enumerate(samples, start=1):
        called = sample.name or str(number)
        if sample.batch_size > 1 and CONFIG in configs and not batching:
            raise InputError(f"{folder}, sample {called!r}: batch_size {sample.batch_size}, but max_batch_size is 0")
        if sample.batch_size:
            rows = sample.batch_size if batching or sample.batch_size > 1 else None
            yield called, PredictRequest(dict(_read_inputs(folder, called, sample, rows)))


def sample_files(folder: Path) -> Iterator[Path]:
    """The files that a Triton model's samples and their values may be in."""
    yield from (folder / name for name in (CONFIG, SAMPLES) if (folder / name).is_file())
    yield from (folder / _FOLDER).rglob("*")


def write_samples(folder: Path, requests: Iterable[PredictRequest], *, batching: bool) -> int:
    """Writes requests as samples into a folder; returns how many they were.

    Args:
        folder: Where to; the samples of a folder that is there are not looked at.
        requests: The requests.
        batching: Whether the model batches: of each request the first row is then written.

    Raises:
        InputError: Triton has no such dtype, or inputs of a batch have unequal rows.
    """
    config = proto.message("inference.ModelConfig")()
    (folder / _FOLDER).mkdir()
    for number, request in enumerate(requests, start=1):
        sample = config.model_warmup.add(name=f"sample_{number:04}", batch_size=_rows(request) if batching else 1)
        for position, (name, array) in enumerate(sorted(request.inputs.items())):
            file = f"{number:04}.{position}.{_UNSAFE.sub('_', name)[:_MAX_NAME]}"
            _write_input(sample.inputs[name], name, array[0] if batching else array, folder / _FOLDER / file)
    from google.protobuf import text_format

    (folder / SAMPLES).write_text(text_format.MessageToString(config), encoding="utf-8")
    return len(config.model_warmup)


def _rows(request: PredictRequest) -> int:
    rows = {array.shape[:1] for array in request.inputs.values()}
    if len(rows) != 1 or rows <= {(), (0,)}:
        held = ", ".join(f"{name} {list(array.shape)}" for name, array in request.inputs.items())
        raise InputError(f"{held or 'no inputs'}: expected as many rows of each input, since the Triton model batches")
    return int(rows.pop()[0])


def _write_input(message: Any, name: str, array: Array, file: Path) -> None:
    dtype = dtype_of(array)
    if dtype not in _TYPES:
        raise InputError(f"input {name!r}: Triton has no dtype {dtype.short_name}")
    message.data_type = message.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name[_TYPES[dtype]].number
    message.dims.extend(array.shape)
    data = _raw(array, dtype)
    if not any(data):
        message.zero_data = True  # for texts: empty ones
        return
    file.write_bytes(data)
    message.input_data_file = file.name


def _raw(array: Array, dtype: DType) -> bytes:
    if dtype is not DType.STRING:
        return np.asarray(array, NUMPY_DTYPES[dtype], order="C").tobytes()
    texts: list[bytes] = string_array(np.asarray(array)).reshape(-1).tolist()
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def _read_config(file: Path) -> Any:
    from google.protobuf import text_format

    config = proto.message("inference.ModelConfig")()
    try:
        text_format.Parse(_known_fields(read_bytes(file, _MAX_CONFIG_BYTES).decode()), config, allow_unknown_field=True)
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is no configuration of a Triton model: {error}") from None
    return config


def _known_fields(text: str) -> str:
    """The fields of a configuration that are about warm-up.

    protobuf can skip unknown fields, but not lists without a colon, ``input [{...}]``, as Triton's documents have them.
    """
    starts: list[tuple[str, int]] = []
    depth, before = 0, ""
    for token in _TOKEN.finditer(text):
        what = token.group()
        if what[0] == "#":
            continue
        depth += (what in "{[<") - (what in "}]>")
        if depth == 0 and before != ":" and _NAME.fullmatch(what):
            starts.append((what, token.start()))
        before = what
    if depth:
        raise ValueError("its brackets do not match")
    ends = [at for _, at in starts[1:]] + [len(text)]
    fields = zip(starts, ends, strict=True) if starts else ()
    return "\n".join(text[at:end] for (name, at), end in fields if name in ("max_batch_size", "model_warmup"))


def _read_inputs(folder: Path, sample: str, message: Any, rows: int | None) -> Iterator[tuple[str, Array]]:
    for name in sorted(message.inputs):
        place = f"{folder}, sample {sample!r}, input {name!r}"
        array = _read_input(folder, place, name, message.inputs[name])
        if rows is not None:
            if array.nbytes * rows > MAX_MESSAGE_BYTES:
                raise InputError(f"{place}: {rows} rows of {list(array.shape)} are too large")
            array = np.repeat(array[None], rows, axis=0)
        yield name, array


def _read_input(folder: Path, place: str, name: str, message: Any) -> Array:
    types = message.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    called = types[message.data_type].name if message.data_type in types else message.data_type
    dtype = next((each for each, known in _TYPES.items() if known == called), None)
    if dtype is None:
        raise InputError(f"{place}: data_type {called}: expected one of {', '.join(_TYPES.values())}")
    shape = tuple(int(dim) for dim in message.dims)
    if any(dim < 0 for dim in shape):
        raise InputError(f"{place}: dims {list(shape)}: expected the actual sizes")
    kind = message.WhichOneof("input_data_type")
    if kind is None:
        raise InputError(f"{place}: expected zero_data, random_data or input_data_file")
    if kind == "input_data_file":
        return _read_file(_inside(folder, place, message.input_data_file), place, dtype, shape)
    if math.prod(shape) * NUMPY_DTYPES[dtype].itemsize > _MAX_MADE_BYTES:
        raise InputError(f"{place}: dims {list(shape)} are too large")
    return _sized(place, shape, lambda: _made(name, kind, dtype, shape))


def _made(name: str, kind: str, dtype: DType, shape: tuple[int, ...]) -> Array:
    if dtype is DType.STRING:  # Triton has no random texts
        return np.full(shape, b"", dtype=object)
    if kind == "zero_data":
        return np.zeros(shape, NUMPY_DTYPES[dtype])
    spec = TensorSpec(name, dtype, shape)
    return random(spec, RandomSource(), batch_size=1, unknown_dim=1, seed=0, domain=None)


def _inside(folder: Path, place: str, name: str) -> Path:
    """The file of values, which lies in the folder of them."""
    try:
        file = (folder / _FOLDER / name).resolve()
        inside = file.is_relative_to((folder / _FOLDER).resolve())
    except (OSError, ValueError, RuntimeError):  # a null byte, links in a circle
        inside = False
    if not inside:
        raise InputError(f"{place}: file {name!r} does not lie in {folder / _FOLDER}")
    return file


def _read_file(file: Path, place: str, dtype: DType, shape: tuple[int, ...]) -> Array:
    data = read_bytes(file, MAX_MESSAGE_BYTES)
    if dtype is DType.STRING:
        texts = _texts(data, place)
        if len(texts) != math.prod(shape):
            raise InputError(f"{place}: {file.name} holds {len(texts)} texts: expected {math.prod(shape)}")
        held = np.empty(len(texts), dtype=object)
        held[:] = texts
        return _sized(place, shape, lambda: held.reshape(shape))
    size = math.prod(shape) * NUMPY_DTYPES[dtype].itemsize
    if len(data) < size:
        raise InputError(f"{place}: {file.name} has {len(data)} bytes: expected {size}")
    flat = np.frombuffer(data[:size], NUMPY_DTYPES[dtype])  # Triton as well takes the first bytes
    return _sized(place, shape, lambda: flat.reshape(shape))


def _sized(place: str, shape: tuple[int, ...], make: Callable[[], Array]) -> Array:
    try:
        return make()
    except (ValueError, MemoryError) as error:  # more dimensions than numpy has
        raise InputError(f"{place}: dims {list(shape)[:8]}: {error}") from None


def _texts(data: bytes, place: str) -> list[bytes]:
    texts: list[bytes] = []
    at = 0
    while at < len(data):
        if at + _LENGTH.size > len(data):
            raise InputError(f"{place}: the length of text {len(texts) + 1} is cut off")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            raise InputError(f"{place}: text {len(texts) + 1} claims {length} bytes, {len(data) - at} are there")
        texts.append(data[at : at + length])
        at += length
    return texts
