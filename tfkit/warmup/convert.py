"""Converts warm-up requests between the formats of EAS, TensorFlow Serving and Triton."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MessageError, MissingError, TfkitError, UsageError, counted, nearest
from tfkit.savedmodel.files import is_saved_model
from tfkit.warmup.files import check_target, parents_made, replacing
from tfkit.warmup.folder import StoredRequest, staged_requests, write_manifest
from tfkit.warmup.sources import Format, find_format, read_items, source_files
from tfkit.warmup.staged import staged_files
from tfkit.warmup.text import write_texts
from tfkit.warmup.tf_serving import PREDICT, WARMUP_FILE, write_logs
from tfkit.warmup.triton import SAMPLES, is_batching, write_samples

__all__ = ["ConvertReport", "Format", "convert_warmup"]

# What holds nothing but inputs.
_PLAIN = (Format.EAS_TEXT, Format.TRITON)


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
    signature: str = "",
    fetch: Sequence[str] = (),
    force: bool = False,
) -> ConvertReport:
    """Writes warm-up requests in another format; the same requests give the same bytes.

    Of requests that are the same in that format one is written.

    Args:
        sources: Where the requests are: ``.bin`` files, folders of requests, TensorFlow Serving's warm-up files or
            SavedModels that hold one, folders of Triton models, ``.txt`` files.
        output: What to write. ``eas``: a ``.bin`` file, which holds one request, or else a folder of requests.
            ``eas-text``: a ``.txt`` file. ``tf-serving``: a file, or a SavedModel's folder, into whose ``assets.extra``
            it goes. ``triton``: a folder, such as that of a Triton model.
        to: The format: ``eas``, ``eas-text``, ``tf-serving`` or ``triton``.
        model: The SavedModel that answers the requests, which ``.txt`` files need.
        model_name: The name of the model in TensorFlow Serving's requests.
        signature: The signature whose requests are written; those that name none, as Triton's, are given it. By
            default all are, as they are; ``eas-text`` and ``triton`` hold those of one.
        fetch: The outputs to ask for, of requests that name none.
        force: Replace what is there already.

    Returns:
        What was written.

    Raises:
        InputError: A source cannot be read, or holds what the format cannot, or no request is of that signature.
        MessageError: A source is damaged, or something else than a file of requests.
        UsageError: The options do not go together, ``output`` is there already, or a file that the requests come from
            would be replaced or go. Only one that is a single request of EAS may be, by itself.
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
    if fetch and target in _PLAIN:
        raise UsageError(f"{target} has no place for the outputs that a request asks for: {', '.join(fetch)}")
    if doubled := next((name for name, count in Counter(fetch).items() if count > 1), None):
        raise UsageError(f"output {doubled!r} is asked for twice: name each output once")
    reader = _Reader(target, None if model is None else Path(model), signature, tuple(fetch))
    places = tuple(map(Path, sources))
    kept = _source_files(places, Path(output), target)
    try:
        with parents_made(Path(output)):
            path, written = _write(reader.read(places), Path(output), target, model_name, kept, force=force)
    except InputError as error:
        error.message = f"{reader.item}: {error.message}" if reader.item else error.message
        raise
    return ConvertReport(path, target, written, (*reader.notes(), *_advice(path, target)))


@dataclass(slots=True)
class _Reader:
    """Reads the requests of all sources as the target is to have them, and remembers what became of them.

    Attributes:
        target: The format that is written.
        model: The SavedModel that answers the requests.
        signature: The signature whose requests are wanted; empty for all.
        fetch: The outputs that requests which name none are to ask for.
        item: The request that is being written; empty while one is read.
        logs: By kind the first of the logs that are left out, and how many they are.
        others: How many requests of other signatures are left out.
        doubled: How many requests are left out that are the same as another.
        unnamed: How many of Triton's samples were given no signature.
        asking: How many requests ask for outputs.
        filled: How many of them were given these.
    """

    target: Format
    model: Path | None
    signature: str
    fetch: tuple[str, ...]
    item: str = ""
    logs: dict[str, tuple[str, int]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    doubled: int = 0
    unnamed: int = 0
    asking: int = 0
    filled: int = 0
    _named: Counter[str] = field(default_factory=Counter)
    _seen: set[bytes] = field(default_factory=set)

    def read(self, sources: Iterable[Path]) -> Iterator[PredictRequest]:
        """The requests, their inputs in the order of names.

        Raises:
            InputError: A source cannot be read, or holds no request, or one that does not go with the others.
            MessageError: A request is damaged.
        """
        for source in sources:
            for request in self._requests_of(source):
                wanted = self._fit(request)
                digest = hashlib.sha256(encode_request(wanted)).digest()
                if digest in self._seen:
                    self.doubled += 1
                else:
                    self._seen.add(digest)
                    yield wanted
                self.item = ""
        if not self._seen:
            hint = nearest(self.signature, self.others)
            raise InputError(f"there is no request of signature {self.signature!r}", hint=hint)

    def notes(self) -> Iterator[str]:
        """What the user should know."""
        for kind, (first, count) in self.logs.items():
            which = f"{first} is" if count == 1 else f"{first} and {count - 1} more are"
            yield f"{which} left out: a {kind}; only a {PREDICT} holds inputs by name"
        if self.others:
            names = ", ".join(f"{name!r}" for name in self.others)
            yield f"{counted(self.others.total(), 'request')} of other signatures left out: {names}"
        if self.doubled:
            yield f"{counted(self.doubled, 'request')} left out: the same as another in {self.target}"
        if self.unnamed and self.target not in _PLAIN:
            which = f"{counted(self.unnamed, 'request')} of Triton's"
            yield f"{which} mean the model's default signature: --signature names another"
        if self.fetch and not self.filled:
            yield "--fetch changes nothing: each request asks for outputs of its own"
        if self.target in _PLAIN:
            for name, count in self._named.items():
                if name:
                    yield f"{self.target} has no place for signatures: {counted(count, 'request')} named {name!r}"
            if self.asking:
                asking = counted(self.asking, "request")
                yield f"{self.target} has no place for outputs: {asking} asked for some, not for all"

    def _requests_of(self, source: Path) -> Iterator[PredictRequest]:
        """The requests of a source that are wanted, as they are."""
        is_triton, found = find_format(source)[0] is Format.TRITON, False
        for item in read_items(source, self.model):
            if item.problem:
                raise MessageError(f"{item}: {item.problem}", hint=item.hint)
            if item.request is None:
                first, count = self.logs.get(item.kind, (str(item), 0))
                self.logs[item.kind] = (first, count + 1)
                continue
            found = True
            name = item.request.signature_name
            if self.signature and name not in ("", self.signature):
                self.others[name] += 1
                continue
            self.unnamed += is_triton and not self.signature
            self.item = str(item)
            yield item.request
        if not found:
            hint = next(self.notes(), "")
            raise InputError(f"{source} holds no request that can be converted", hint=hint)

    def _fit(self, request: PredictRequest) -> PredictRequest:
        """A request with what it lacks, and without what the target has no place for."""
        name = request.signature_name or self.signature
        self.filled += bool(self.fetch) and not request.output_filter
        outputs = request.output_filter or self.fetch
        self._named[name] += 1
        self.asking += bool(outputs)
        if self.target in _PLAIN:
            self._check_alone()
            name, outputs = "", ()
        return PredictRequest(dict(sorted(request.inputs.items())), name, outputs)

    def _check_alone(self) -> None:
        """Refuses a second signature where the target could not tell the two."""
        if len(self._named) < 2:
            return
        first, second = self._named
        also = "" if first and second else " Requests that name none count as its own."
        raise InputError(
            f"a request of {_shown(second)}, after requests of {_shown(first)}: {self.target} has no place for "
            "signatures, so that it holds the requests of one",
            hint=f"Convert those of each signature on their own: --signature {first or second}.{also}",
        )


def _shown(name: str) -> str:
    return f"signature {name!r}" if name else "the default signature"


def _source_files(places: Sequence[Path], output: Path, target: Format) -> frozenset[Path]:
    """The files that the requests come from, links followed; as not all requests may be wanted, none is replaced.

    Raises:
        UsageError: The output is one of them, or one of the places that they are in.
    """
    files = frozenset(Path(os.path.realpath(file)) for place in places for file in source_files(place))
    written = Path(os.path.realpath(_logs_file(output) if target is Format.TF_SERVING else output))
    if target is Format.EAS and find_format(places[0])[0] is target and files == {written}:
        return files  # a single request, which is replaced by its like
    if written in files or os.path.realpath(output) in map(os.path.realpath, places):
        raise UsageError(f"{output} is where the requests come from", hint="Name another place.")
    return files


def _write(
    requests: Iterator[PredictRequest],
    output: Path,
    target: Format,
    model_name: str,
    sources: Collection[Path],
    *,
    force: bool,
) -> tuple[Path, int]:
    if target is Format.TRITON:
        with staged_files(output, force=force, last=SAMPLES, sources=sources) as staged:
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
    return output, _write_folder(requests, output, sources, force=force)


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


def _write_folder(requests: Iterator[PredictRequest], output: Path, sources: Collection[Path], *, force: bool) -> int:
    if output.suffix.lower() == ".txt":
        raise UsageError(f"{output}: a .txt file holds text", hint=f"For that: --to {Format.EAS_TEXT}.")
    stored: list[StoredRequest] = []
    with staged_requests(output, force=force, sources=sources) as staged:
        for number, request in enumerate(requests, start=1):
            data = encode_request(request)
            stored.append(StoredRequest.describe(f"{number:04}.bin", data))
            (staged / stored[-1].file).write_bytes(data)
        write_manifest(staged, stored)
    return len(stored)


def _write_logs(requests: Iterator[PredictRequest], output: Path, model_name: str, *, force: bool) -> tuple[Path, int]:
    file = _logs_file(output)
    if file == output:
        return file, _write_log_file(requests, file, model_name, force=force)
    try:
        file.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise MissingError(f"{output} cannot be written: {error.strerror or error}") from None
    try:
        return file, _write_log_file(requests, file, model_name, force=force)
    except (TfkitError, KeyboardInterrupt):
        with suppress(OSError):  # it goes if it is empty
            file.parent.rmdir()
        raise


def _logs_file(output: Path) -> Path:
    """The file of TensorFlow Serving's requests: a SavedModel's, if the output is one."""
    try:
        return output / WARMUP_FILE if output.is_dir() and is_saved_model(output) else output
    except OSError as error:
        raise MissingError(f"{output} cannot be written: {error.strerror or error}") from None


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
