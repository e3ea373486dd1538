"""Proves a warm-up: the first requests of fresh services, without it and with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfkit.eas.messages import decode_request
from tfkit.errors import MissingError, TfkitError, UsageError
from tfkit.processors.catalogue import INSTALLED, Processor, select_processors
from tfkit.processors.libraries import find_library
from tfkit.prove.report import NO_EFFECT, SETTLED_AFTER, ProcessorProof, RequestProof, WarmupProof
from tfkit.prove.timing import ServiceRun, Starter
from tfkit.runtime.options import is_device
from tfkit.savedmodel.files import find_model_file
from tfkit.savedmodel.frozen import is_frozen_graph
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.tensors import SERVE_TAG
from tfkit.warmup.files import read_warmup_body
from tfkit.warmup.folder import request_files
from tfkit.warmup.form import RequestForm

# Where a first request seems slow in spite of the warm-up, as many more services tell whether the machine was.
_MORE_RUNS = 3

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class _Request:
    """A request in a file: its name, its form with nothing left to defaults, its bytes."""

    path: Path
    form: RequestForm
    body: bytes


def prove_warmup(
    model: str | Path,
    warm_up: Paths,
    *,
    requests: Paths = (),
    processors: Sequence[str] = (INSTALLED,),
    runs: int = 3,
    rounds: int = 20,
    sends: int = 5,
    keepalive_ms: int = 5000,
    device: str = "auto",
    tags: Collection[str] = (SERVE_TAG,),
    progress: Callable[[str], None] | None = None,
) -> WarmupProof:
    """Measures what a warm-up does for the first requests of a service, and whether it covers production's.

    Each service is a process of its own, behind the real protocol; those without and with warm-up take turns. A warm-up
    is effective where the first request takes hardly longer than later ones, though without it it does.

    Args:
        model: The SavedModel's folder, or the frozen graph's file.
        warm_up: The warm-up file or files, or folders of them.
        requests: Production's requests: files of the same kind, or what ``serve --record`` kept. By default the
            warm-up's own.
        processors: The TensorFlows to try: names of EAS's processors, patterns, ``all``, or ``installed``.
        runs: How many services to start without, and as many with warm-up; up to three more of each where the first
            request seems slow in spite of the warm-up, as other processes can make it so.
        rounds: How often each request is sent to a service.
        sends: How often a service replays each warm-up file.
        keepalive_ms: The service's time limit (``rpc.keepalive``), which first requests are judged by.
        device: ``auto``, ``cpu`` or ``gpu``.
        tags: The metagraph's tags.
        progress: Told what is being done.

    Returns:
        The proof; ``passed`` says whether the warm-up does its work.

    Raises:
        UsageError: An argument makes no sense, or there is no such processor.
        InputError: A file is missing, or holds no request.
        SignatureError: A request names a signature that the model has not.
        ModelError: There is no model at ``model``, or a damaged one.

    Example:
        >>> proof = prove_warmup("build/digits", "warm_up_test.bin")        # doctest: +SKIP
        >>> proof.passed                                                    # doctest: +SKIP
        True
    """
    if runs < 1 or rounds <= SETTLED_AFTER:
        raise UsageError(
            f"runs={runs}, rounds={rounds} measure nothing: expected at least 1 run of more than {SETTLED_AFTER} rounds"
        )
    if not is_device(device):
        raise UsageError(f"device {device!r}: expected auto, cpu, gpu or gpu:N")
    model = Path(model)
    warm = _read_requests(warm_up, model, tags)
    asked = _read_requests(requests, model, tags) or warm
    if not warm:
        raise UsageError("no warm-up file is given", hint="Make one: tfkit warmup-gen MODEL")
    tell = progress or (lambda _: None)
    proofs = []
    for processor in select_processors(processors):
        starter = Starter(model, processor.name, device, ",".join(tags), sends)
        required = processor.name in processors
        proofs.append(_prove_on(processor, starter, warm, asked, runs, rounds, required, tell))
    return WarmupProof(model, tuple(each.path for each in warm), runs, keepalive_ms, tuple(proofs))


def _read_requests(places: Paths, model: Path, tags: Collection[str]) -> tuple[_Request, ...]:
    """The requests in files and folders, each file once."""
    frozen = is_frozen_graph(find_model_file(model))
    signatures = {} if frozen else read_signatures(model, tags)
    several = [places] if isinstance(places, str | os.PathLike) else places
    found = []
    for path in dict.fromkeys(file for place in several for file in request_files(Path(place))):
        body = read_warmup_body(path)
        form = RequestForm.of(decode_request(body))
        if not frozen:
            form = form.within(find_signature(signatures, form.signature_name))
        found.append(_Request(path, form, body))
    return tuple(found)


def _prove_on(
    processor: Processor,
    starter: Starter,
    warm_up: Sequence[_Request],
    requests: Sequence[_Request],
    runs: int,
    rounds: int,
    required: bool,
    tell: Callable[[str], None],
) -> ProcessorProof:
    try:
        find_library(processor.name)
    except MissingError as error:
        return ProcessorProof(processor.name, problem=error.message, hint=error.hint, missing=True, required=required)
    bodies = {each.path: each.body for each in requests}
    files = [each.path for each in warm_up]
    cold: list[ServiceRun] = []
    warm: list[ServiceRun] = []
    proofs: tuple[RequestProof, ...] = ()
    try:
        for run in range(runs + _MORE_RUNS):
            if run >= runs and not any(each.result == NO_EFFECT for each in proofs):
                break
            again = f"{run + 1} of {runs}" if run < runs else f"again, as something was slow: {run + 1}"
            tell(f"{processor.name}: services without and with warm-up, {again}")
            cold.append(starter.time_requests((), bodies, rounds))
            warm.append(starter.time_requests(files, bodies, rounds))
            proofs = tuple(_proof(place, each, warm_up, cold, warm) for place, each in enumerate(requests))
    except TfkitError as error:
        return ProcessorProof.failed(processor.name, error, required=required)
    return ProcessorProof.of(processor.name, proofs, cold, warm)


def _proof(
    place: int, request: _Request, warm_up: Sequence[_Request], cold: Sequence[ServiceRun], warm: Sequence[ServiceRun]
) -> RequestProof:
    nearest = min(warm_up, key=lambda each: len(request.form.differences(each.form)))
    differences = request.form.differences(nearest.form)
    covered_by = "" if differences else nearest.path.name
    cold_ms, warm_ms = (tuple(each.requests_ms[place] for each in runs) for runs in (cold, warm))
    return RequestProof(request.path.name, request.form, covered_by, differences, cold_ms, warm_ms)
