"""Reads warm-up requests in every format that tfkit knows, one at a time."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tfkit.eas.messages import MAX_MESSAGE_BYTES, PredictRequest
from tfkit.errors import InputError, MessageError, UsageError
from tfkit.inputs.opening import read_bytes, readable
from tfkit.inputs.tfrecord import read_records
from tfkit.savedmodel.files import is_saved_model
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.warmup.files import DAMAGED, Flaw, decode_warmup
from tfkit.warmup.folder import MANIFEST, listed_files
from tfkit.warmup.text import read_texts
from tfkit.warmup.tf_serving import WARMUP_FILE, decode_log
from tfkit.warmup.triton import CONFIG, SAMPLES, is_triton_folder, read_samples, sample_files


class Format(StrEnum):
    """A format of warm-up requests, as ``--to`` names it."""

    EAS = "eas"
    EAS_TEXT = "eas-text"
    TF_SERVING = "tf-serving"
    TRITON = "triton"


@dataclass(frozen=True, slots=True)
class Item:
    """A request of a source, or what stands in its place.

    Attributes:
        file: The file that it is in.
        place: Where in that file: ``record 3``; empty for a file that is one request.
        request: The request; ``None`` where there is none.
        data: The request's bytes, where the file holds just these.
        problem: Why there is no request; empty for a log of another kind.
        hint: What to do about that.
        kind: The kind of log that a record is.
        code: What lint calls the problem.
    """

    file: Path
    place: str = ""
    request: PredictRequest | None = None
    data: bytes = b""
    problem: str = ""
    hint: str = ""
    kind: str = ""
    code: str = DAMAGED

    def __str__(self) -> str:
        return f"{self.file}, {self.place}" if self.place else str(self.file)


def find_format(source: Path) -> tuple[Format, Path]:
    """The format of a source, and the file or folder that holds the requests.

    Raises:
        InputError: There is nothing at the path, or a folder that holds no requests, or it may not be read.
    """
    with readable(source):
        if stat.S_ISDIR(source.stat().st_mode):
            return _format_of_folder(source)
    if source.name in (CONFIG, SAMPLES):
        return Format.TRITON, source.parent
    if source.suffix.lower() == ".txt":
        return Format.EAS_TEXT, source
    is_records = source.name == WARMUP_FILE.name or _is_tfrecord(source)
    return (Format.TF_SERVING if is_records else Format.EAS), source


def read_items(source: Path, model: Path | None = None) -> Iterator[Item]:
    """The requests of a source, in its order.

    Args:
        source: A ``.bin`` or ``.txt`` file, a folder of requests, TensorFlow Serving's warm-up file, a SavedModel with
            one, or a Triton model's folder.
        model: The SavedModel that answers the requests; what a ``.txt`` means depends on it.

    Raises:
        InputError: The source as a whole cannot be read; a single request that is damaged is an item all the same.
        UsageError: The model is needed, and not given.
    """
    kind, place = find_format(source)
    if kind is Format.EAS:
        yield from (_read_file(file) for file in listed_files(place))
    elif kind is Format.TF_SERVING:
        yield from _read_logs(place)
    elif kind is Format.TRITON:
        yield from (Item(place, f"sample {name!r}", request) for name, request in read_samples(place))
    else:
        if model is None:
            raise UsageError(
                f"{source} is text: which input its lines are for, only the model says", hint="Name it: --model DIR."
            )
        signature = find_signature(read_signatures(model, None))
        yield from (Item(place, f"line {number}", request) for number, request in read_texts(place, signature))


def source_files(source: Path) -> Iterator[Path]:
    """The files that the requests of a source are in, and those that name them; raises as ``find_format`` does."""
    kind, place = find_format(source)
    if kind is Format.TRITON:
        yield from sample_files(place)
        return
    if place.is_dir():
        yield place / MANIFEST
    yield from listed_files(place)


def _format_of_folder(folder: Path) -> tuple[Format, Path]:
    if (folder / MANIFEST).is_file():
        return Format.EAS, folder
    if (folder / WARMUP_FILE).is_file():
        return Format.TF_SERVING, folder / WARMUP_FILE
    if is_triton_folder(folder):
        return Format.TRITON, folder
    if is_saved_model(folder):
        raise InputError(
            f"{folder} is a SavedModel without warm-up requests: it has no {WARMUP_FILE}",
            hint=f"Write them: tfkit warmup-convert FILE --to {Format.TF_SERVING} --output {folder}",
        )
    raise InputError(
        f"{folder} holds no warm-up requests: expected {MANIFEST}, {WARMUP_FILE}, {CONFIG} or {SAMPLES} in it"
    )


def _is_tfrecord(file: Path) -> bool:
    try:
        return next(read_records(file), None) is not None
    except InputError:
        return False


def _read_file(file: Path) -> Item:
    data = read_bytes(file, MAX_MESSAGE_BYTES)
    found = decode_warmup(data)
    if isinstance(found, Flaw):
        return Item(file, data=data, problem=f"the file {found.problem}", hint=found.hint, code=found.code)
    return Item(file, request=found, data=data)


def _read_logs(file: Path) -> Iterator[Item]:
    for number, record in enumerate(read_records(file), start=1):
        try:
            kind, request = decode_log(record)
        except MessageError as error:
            yield Item(file, f"record {number}", problem=error.message, hint=error.hint)
        else:
            yield Item(file, f"record {number}", request, kind=kind)
