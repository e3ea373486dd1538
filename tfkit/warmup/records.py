"""Warm-up files from recorded requests: those of the most frequent forms, as they were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tfkit.arrays import check_array
from tfkit.eas.messages import PredictRequest, decode_request
from tfkit.errors import InputError, SignatureError, UsageError
from tfkit.tensors import SERVE_TAG, Signature
from tfkit.warmup.files import check_target, parents_made, read_warmup_body, write_file
from tfkit.warmup.folder import StoredRequest, read_folder, write_folder
from tfkit.warmup.form import RequestForm
from tfkit.warmup.generate import ONE_FILE, SEVERAL_FILES
from tfkit.warmup.report import WarmupReport, describe_file
from tfkit.warmup.request_checks import RequestChecker

DEFAULT_MOST = 10


@dataclass(slots=True)
class _Kind:
    """The recorded requests of one form; ``file`` has the most frequent of them, byte for byte."""

    file: str
    data: bytes
    signature: Signature
    most: int
    requests: int


def warmup_from_records(
    model: str | Path,
    records: str | Path,
    output: str | Path | None = None,
    *,
    most: int = DEFAULT_MOST,
    tags: Collection[str] | None = (SERVE_TAG,),
    force: bool = False,
) -> WarmupReport:
    """Writes the most frequent of recorded requests as warm-up files, checked against the model.

    Requests count as one form that a model answers alike: one that names the default signature, and one that names
    none.

    Args:
        model: The SavedModel's folder, or the frozen graph's file.
        records: The folder that ``serve --record`` wrote, or any folder of requests.
        output: The folder to write, with ``manifest.json``, by default ``warm_up``; where ``most`` is 1, the file, by
            default ``warm_up_test.bin``.
        most: How many forms at most, the most frequent ones first.
        tags: The metagraph's tags.
        force: Replace what is there already.

    Returns:
        What was written, and which requests do not fit the model, and so were skipped.

    Raises:
        InputError: ``records`` is no folder of requests, or none of them fits the model.
        UsageError: ``most`` is less than 1, or ``output`` exists already, or is among the records.
        MissingError: A file cannot be written.
    """
    if most < 1:
        raise UsageError(f"{most} forms of recorded requests are not possible: expected 1 or more")
    output, records = Path(output or (ONE_FILE if most == 1 else SEVERAL_FILES)), Path(records)
    target = output.resolve()
    if target == records.resolve() or (most == 1 and target.parent == records.resolve()):
        raise UsageError(f"{output} is where the records are, which stay as they are", hint="Name another place.")
    with parents_made(output):
        if most == 1:
            check_target(output, force=force)
        fits = _Model(Path(model), tags)
        kinds: dict[RequestForm, _Kind] = {}
        skipped: list[str] = []
        for stored in read_folder(records):
            try:
                _add(kinds, stored, records, fits)
            except SignatureError as error:
                skipped.append(f"{stored.file}: {error.message}")
        if not kinds and not skipped:
            raise InputError(
                f"{records} holds no requests", hint="Record some first: tfkit serve MODEL --record FOLDER"
            )
        if not kinds:
            raise InputError(f"{records} holds no request that fits {model}: {skipped[0]}")
        chosen = sorted(kinds.values(), key=lambda kind: -kind.requests)[:most]
        if most == 1:
            write_file(output, chosen[0].data, force=force)
            return WarmupReport(output, (describe_file(output, chosen[0].data, chosen[0].signature),), tuple(skipped))
        counts = {kind.file: kind.requests for kind in chosen}
        write_folder(output, {kind.file: kind.data for kind in chosen}, requests=counts, force=force)
        files = tuple(describe_file(output / kind.file, kind.data, kind.signature) for kind in chosen)
        return WarmupReport(output, files, tuple(skipped))


def _add(kinds: dict[RequestForm, _Kind], stored: StoredRequest, folder: Path, model: _Model) -> None:
    data = read_warmup_body(folder / stored.file)
    signature = model.signature_for(decode_request(data))
    kind = kinds.setdefault(stored.form.within(signature), _Kind(stored.file, data, signature, stored.requests, 0))
    kind.requests += stored.requests
    if stored.requests > kind.most:
        kind.file, kind.data, kind.most = stored.file, data, stored.requests


class _Model:
    """What the model takes."""

    def __init__(self, path: Path, tags: Collection[str] | None) -> None:
        self._checker = RequestChecker(path, tags)

    def signature_for(self, request: PredictRequest) -> Signature:
        """The signature that answers a request.

        Raises:
            SignatureError: The request does not fit it.
        """
        signature = self._checker.signature(request.signature_name, request.output_filter, set(request.inputs))
        for name in request.output_filter:
            signature.output(name)
        for name, array in request.inputs.items():
            check_array(signature.input(name), array)
        for spec in signature.inputs:
            if spec.name not in request.inputs:
                raise SignatureError(f"it lacks input {spec.name!r}, {spec}")
        self._checker.warnings(request)
        return signature
