"""Converts warm-up requests between the formats of EAS, TensorFlow Serving and Triton."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MessageError, MissingError, TfkitError, UsageError
from tfkit.savedmodel.files import is_saved_model
from tfkit.warmup.files import check_target, replacing
from tfkit.warmup.folder import MANIFEST, StoredRequest, write_manifest
from tfkit.warmup.sources import Format, read_items
from tfkit.warmup.staged import staged_files
from tfkit.warmup.text import write_texts
from tfkit.warmup.tf_serving import PREDICT, WARMUP_FILE, write_logs
from tfkit.warmup.triton import SAMPLES, is_batching, write_samples

__all__ = ["ConvertReport", "Format", "convert_warmup"]


@dataclass(frozen=True, slots=True)
class ConvertReport:
    """What was written.

    Attributes:
        path: The file or folder.
        format: Its format.
        requests: How many requests it holds.
        notes: What has no place in the format, and what is left to do: sentences for people.
    """

    path: Path
    format: Format
    requests: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit warmup-convert --json`` prints it."""
        return {
            "path": str(self.path),
            "format": self.format.value,
            "requests": self.requests,
            "notes": list(self.notes),
        }


def convert_warmup(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    to: str,
    model: str | Path | None = None,
    model_name: str = "",
    force: bool = False,
) -> ConvertReport:
    """Writes warm-up requests in another format; the same requests give the same bytes.

    Args:
        sources: Where the requests are: ``.bin`` files, folders of requests, TensorFlow Serving's warm-up files or
            SavedModels that hold one, folders of Triton models, ``.txt`` files.
        output: What to write. ``eas``: a ``.bin`` file, which holds one request, or else a folder of requests.
            ``eas-text``: a ``.txt`` file. ``tf-serving``: a file, or a SavedModel's folder, into whose ``assets.extra``
            it goes. ``triton``: a folder, such as that of a Triton model.
        to: The format: ``eas``, ``eas-text``, ``tf-serving`` or ``triton``.
        model: The SavedModel that answers the requests, which ``.txt`` files need.
        model_name: The name of the model in TensorFlow Serving's requests.
        force: Replace what is there already.

    Returns:
        What was written.

    Raises:
        InputError: A source cannot be read, or holds what the format cannot.
        MessageError: A source is damaged, or something else than a file of requests.
        UsageError: The options do not go together, or ``output`` is there already.
        MissingError: It cannot be written.

    Example:
        >>> convert_warmup(["w.bin"], "build/digits", to="tf-serving").requests  # doctest: +SKIP
        1
    """
    if not sources:
        raise UsageError("nothing to convert: name a file or a folder of requests")
    try:
        target = Format(to)
    except ValueError:
        raise UsageError(f"no format is called {to!r}: expected one of {', '.join(Format)}") from None
    progress = _Progress(target)
    requests = _read(map(Path, sources), None if model is None else Path(model), progress)
    try:
        path, written = _write(requests, Path(output), target, model_name, force=force)
    except InputError as error:
        error.message = f"{progress.item}: {error.message}" if progress.item else error.message
        raise
    return ConvertReport(path, target, written, (*progress.notes(), *_advice(path, target)))


@dataclass(slots=True)
class _Progress:
    """What has become of the requests so far.

    Attributes:
        target: The format that is written.
        item: The request that is being written; empty while one is read.
        skipped: What was left out.
        named: How many requests name a signature or outputs.
    """

    target: Format
    item: str = ""
    skipped: list[str] = field(default_factory=list)
    named: int = 0

    def notes(self) -> Iterator[str]:
        """What the user should know."""
        yield from self.skipped
        if self.named and self.target in (Format.EAS_TEXT, Format.TRITON):
            yield f"{self.target} has no place for signatures and outputs, which {self.named} of the requests name"


def _read(sources: Iterable[Path], model: Path | None, progress: _Progress) -> Iterator[PredictRequest]:
    """The requests of all sources, their inputs in the order of names.

    Raises:
        InputError: A source cannot be read, or holds no request.
        MessageError: A request is damaged.
    """
    for source in sources:
        found = False
        for item in read_items(source, model):
            if item.problem:
                raise MessageError(f"{item}: {item.problem}", hint=item.hint)
            if item.request is None:
                progress.skipped.append(f"{item} is left out: a {item.kind}; only a {PREDICT} holds inputs by name")
                continue
            found = True
            progress.named += bool(item.request.signature_name or item.request.output_filter)
            progress.item = str(item)
            yield replace(item.request, inputs=dict(sorted(item.request.inputs.items())))
            progress.item = ""
        if not found:
            raise InputError(f"{source} holds no request that can be converted", hint="\n".join(progress.skipped[-1:]))


def _write(
    requests: Iterator[PredictRequest], output: Path, target: Format, model_name: str, *, force: bool
) -> tuple[Path, int]:
    if target is Format.TRITON:
        with staged_files(output, force=force, last=SAMPLES) as staged:
            return output, write_samples(staged, requests, batching=is_batching(output))
    if target is Format.TF_SERVING:
        return _write_logs(requests, output, model_name, force=force)
    if target is Format.EAS_TEXT:
        if output.suffix.lower() != ".txt":
            raise UsageError(f"{output}: a service takes text from a file called .txt")
        with replacing(output, force=force) as beside, beside.open("xb") as stream:
            return output, write_texts(stream, requests)
    if output.suffix.lower() == ".bin":
        return output, _write_one(requests, output, force=force)
    return output, _write_folder(requests, output, force=force)


def _write_one(requests: Iterator[PredictRequest], output: Path, *, force: bool) -> int:
    check_target(output, force=force)
    request = next(requests)
    if next(requests, None) is not None:
        raise UsageError(
            f"{output} can hold one request, and there are more", hint="Name a folder for them: --output requests"
        )
    with replacing(output, force=force) as beside:
        beside.write_bytes(encode_request(request))
    return 1


def _write_folder(requests: Iterator[PredictRequest], output: Path, *, force: bool) -> int:
    if output.suffix.lower() == ".txt":
        raise UsageError(f"{output}: a .txt file holds text", hint=f"For that: --to {Format.EAS_TEXT}.")
    stored: list[StoredRequest] = []
    with staged_files(output, force=force, last=MANIFEST) as staged:
        for number, request in enumerate(requests, start=1):
            data = encode_request(request)
            stored.append(StoredRequest.describe(f"{number:04}.bin", data))
            (staged / stored[-1].file).write_bytes(data)
        write_manifest(staged, stored)
    return len(stored)


def _write_logs(requests: Iterator[PredictRequest], output: Path, model_name: str, *, force: bool) -> tuple[Path, int]:
    try:
        if not (output.is_dir() and is_saved_model(output)):
            return output, _write_log_file(requests, output, model_name, force=force)
        file = output / WARMUP_FILE
        file.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise MissingError(f"{output} cannot be written: {error.strerror or error}") from None
    try:
        return file, _write_log_file(requests, file, model_name, force=force)
    except (TfkitError, KeyboardInterrupt):
        with suppress(OSError):  # it goes if it is empty
            file.parent.rmdir()
        raise


def _write_log_file(requests: Iterator[PredictRequest], file: Path, model_name: str, *, force: bool) -> int:
    with replacing(file, force=force) as beside, beside.open("xb") as stream:
        written = write_logs(stream, requests, model_name)
        stream.flush()
        os.fsync(stream.fileno())
    return written


def _advice(path: Path, target: Format) -> Iterator[str]:
    if target is Format.TRITON:
        yield f"the text of {path / SAMPLES} goes at the end of the model's config.pbtxt"
        if is_batching(path):
            yield "the model batches: Triton repeats one row, the first of each request"
        else:
            yield "the shapes include the batch, as a model takes them whose max_batch_size is 0"
    elif target is Format.TF_SERVING and path.name != WARMUP_FILE.name:
        yield f"TensorFlow Serving reads it as {WARMUP_FILE} of the SavedModel"
