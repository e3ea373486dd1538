"""``check_bundle``: proves a bundle by doing with it what a cloud does: unpack, start, warm, ask, compare, stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfkit.arrays import Array
from tfkit.bundle.evidence import FOLDER, find_prover, read_answer
from tfkit.bundle.make import EAS
from tfkit.bundle.model import BundledModel, open_model
from tfkit.bundle.opened import BadBundleError, OpenedBundle, find_bundle, kept_limits, open_bundle
from tfkit.bundle.report import FAILED, NOT_RUN, PASSED, BundleCheck, BundleStep
from tfkit.bundle.service import service_text, unknown_notes
from tfkit.bundle.sums import sums_problems
from tfkit.client import Client
from tfkit.compat.compare import Limits, OutputResult
from tfkit.compat.half import half_dtype
from tfkit.compat.recorded import EVIDENCE, Case, read_recorded, recorded_tolerances
from tfkit.compat.verify import compare_cases
from tfkit.compat.written import read_written
from tfkit.eas.messages import PredictRequest, decode_request, decode_response, encode_request
from tfkit.eas.service_keys import name_note
from tfkit.errors import InputError, MessageError, MissingError, ServiceError, TfkitError, UsageError, counted
from tfkit.fetching.scratch import temporary_folder
from tfkit.fetching.sources import fetch_model
from tfkit.runtime.options import is_device
from tfkit.serve.local import LocalService, serve_model
from tfkit.tensors import SERVE_TAG
from tfkit.warmup.files import read_warmup_body
from tfkit.warmup.sources import read_items
from tfkit.warmup.tf_serving import WARMUP_FILE

STEPS = ("files", "settings", "model", "service", "answers")
_SERVICE, _UNPACKED = "service.json", "model"


def check_bundle(
    path: str | Path,
    *,
    device: str = "auto",
    timeout_s: float = 60.0,
    progress: Callable[[str], None] | None = None,
) -> BundleCheck:
    """Proves a bundle that ``make_bundle`` made, on this machine, in the TensorFlow of its processor.

    Its checksums and its service JSON are checked, its model is unpacked and served by a real server, which replays the
    warm-up file; then the service is asked what the bundle holds recorded answers to, and stopped.

    Args:
        path: The bundle's folder, or its service JSON.
        device: Where to compute: ``auto``, ``cpu`` or ``gpu``.
        timeout_s: The longest that one answer may take.
        progress: Told what is done now.

    Returns:
        What was found; a bundle that fails is a row of it.

    Raises:
        UsageError: There is no such device, or no such time-out.
        InputError: There is no bundle.
        MissingError: The processor's TensorFlow is not installed, or there is no room to unpack the model.

    Example:
        >>> tfkit.check_bundle("bundle").passed                                  # doctest: +SKIP
        True
    """
    if not is_device(device):
        raise UsageError(f"device {device!r}: expected auto, cpu, gpu or gpu:N")
    if not timeout_s > 0:
        raise UsageError(f"a time-out of {timeout_s} s is not possible: expected more than 0")
    folder = find_bundle(Path(path))
    with ExitStack() as stack:
        checking = _Checking(folder, device, timeout_s, progress or (lambda _: None), stack)
        for name, step, needed in (
            (STEPS[0], checking.check_files, ()),
            (STEPS[1], checking.read_settings, ()),
            (STEPS[2], checking.unpack, STEPS[1:2]),
            (STEPS[3], checking.start, STEPS[1:3]),
            (STEPS[4], checking.ask, STEPS[1:4]),
        ):
            checking.take(name, step, needed)
    return checking.report()


@dataclass(slots=True)
class _Checking:
    """A check as far as it has come."""

    folder: Path
    device: str
    timeout_s: float
    tell: Callable[[str], None]
    stack: ExitStack
    steps: list[BundleStep] = field(default_factory=list)
    bundle: OpenedBundle | None = None
    prover: str = ""
    scratch: Path = Path()
    model: BundledModel | None = None
    warm_up: tuple[tuple[str, bytes], ...] = ()  # where each request is, and its bytes
    skipped: Counter[str] = field(default_factory=Counter)  # logs that are none, by kind
    service: LocalService | None = None
    outputs: tuple[OutputResult, ...] = ()

    def take(self, name: str, step: Callable[[], tuple[str, ...]], needed: Sequence[str]) -> None:
        """Takes a step, unless one that it needs did not pass; keeps what came of it."""
        if any(each.name in needed and each.status != PASSED for each in self.steps):
            self.steps.append(BundleStep(name, NOT_RUN))
            return
        try:
            self.steps.append(BundleStep(name, PASSED, step()))
        except BadBundleError as error:
            self.steps.append(BundleStep(name, FAILED, error.problems))
        except MissingError:
            raise
        except TfkitError as error:
            self.steps.append(BundleStep(name, FAILED, (self._told(error),)))

    def report(self) -> BundleCheck:
        """What came of it all."""
        processor, notes = "", []
        if self.bundle is not None:
            processor = self.bundle.processor
            if self.bundle.layout == EAS:
                notes += [*filter(None, [name_note(self.bundle.name)]), *unknown_notes(self.bundle.values)]
        if self.prover and self.prover != processor:
            notes.append(f"proved in {self.prover}: the same TensorFlow, without a GPU")
        return BundleCheck(self.folder, processor, self.prover, tuple(self.steps), self.outputs, tuple(notes))

    def check_files(self) -> tuple[str, ...]:
        """Every file is what it was when the bundle was made."""
        self.tell("comparing checksums")
        if problems := list(sums_problems(self.folder)):
            raise BadBundleError(problems)
        return ("every checksum is right",)

    def read_settings(self) -> tuple[str, ...]:
        """The service JSON, or the manifest, is one that can be deployed."""
        self.bundle = open_bundle(self.folder)
        self.prover = find_prover(self.bundle.processor)
        return (f"{self.bundle.name} on {self.bundle.processor}",)

    def unpack(self) -> tuple[str, ...]:
        """The archive holds one model, and the warm-up requests fit it."""
        bundle = self._bundle
        self.scratch = self.stack.enter_context(temporary_folder())
        place = bundle.model
        if bundle.layout == EAS:
            entry = str(bundle.values.get("model_entry", ""))
            place = fetch_model(str(bundle.model), entry, self.scratch / _UNPACKED, self.tell)
        self.model = open_model(place)
        self.warm_up = tuple(self._read_warm_up())
        for shown, body in self.warm_up:
            self.model.signature_of(decode_request(body), shown)
        signatures = counted(len(self.model.signatures), "signature")
        kind = "a frozen graph" if self.model.is_frozen else f"a SavedModel, {signatures}"
        skipped = (
            f"{counted(number, 'record')} skipped: a {each}, which only TensorFlow Serving answers"
            for each, number in self.skipped.items()
        )
        return (f"{kind}; {counted(len(self.warm_up), 'warm-up request')}", *skipped)

    def start(self) -> tuple[str, ...]:
        """The service starts, and its warm-up succeeds."""
        self.tell(f"starting in {self.prover}")
        bundle, model = self._bundle, self._model
        if bundle.layout == EAS:
            warm_up = str(bundle.warm_up.absolute()) if bundle.warm_up is not None else ""
            own = {"model_path": str(model.path), "warm_up_data_path": warm_up}
            values = {name: value for name, value in bundle.values.items() if name != "model_entry"}
            file = self.scratch / _SERVICE
            file.write_text(service_text(values | own), encoding="utf-8")
            # A limit on requests a second would only slow the check down.
            service = serve_model(file, processor=self.prover, device=self.device, rate_limit=0)
        else:
            # The model's own warm-up file is replayed.
            service = serve_model(model.path, name=bundle.name, processor=self.prover, device=self.device)
        self.service = self.stack.enter_context(service)
        included = ", warm-up included" if self.warm_up else ""
        return (f"ready after {service.start_s:.1f} s{included}",)

    def ask(self) -> tuple[str, ...]:
        """The service gives the answers that are recorded."""
        assert self.service is not None  # noqa: S101
        values = self._bundle.values
        compression = str(values.get("metadata.rpc.decompressor", ""))
        cases = tuple(self._cases())
        came: list[Mapping[str, Array]] = []
        with Client(
            self.service.url,
            token=str(values.get("token", "")),
            timeout_s=self.timeout_s,
            compression=compression,
        ) as client:
            for case, body in cases:
                came.append(_answer(client, case, body))
        compared = tuple(case for case, _ in cases)
        self.outputs = compare_cases(compared, came, self._limits())
        if different := [each.difference for each in self.outputs if not each.passed]:
            raise BadBundleError(different)
        return (_asked(len(cases), len(self.outputs)),)

    def _told(self, error: TfkitError) -> str:
        """What went wrong, by the bundle's own names: what was unpacked is gone when somebody reads it."""
        bundle, unpacked = self.bundle, str(self.scratch)
        if bundle is None or unpacked not in str(error):
            return str(error)
        message, hint = error.message, error.hint
        for path, place in ((self.scratch / _UNPACKED, bundle.model), (self.scratch, self.folder)):
            message = message.replace(str(path), str(place))
        if unpacked in hint:
            hint = f"Export the model for {bundle.processor}, and bundle that anew into {self.folder}."
        return f"{message}\n{hint}" if hint else message

    @property
    def _bundle(self) -> OpenedBundle:
        assert self.bundle is not None  # noqa: S101
        return self.bundle

    @property
    def _model(self) -> BundledModel:
        assert self.model is not None  # noqa: S101
        return self.model

    def _read_warm_up(self) -> Iterator[tuple[str, bytes]]:
        """Where each warm-up request is, and its bytes; logs of other kinds are counted, as serving skips them."""
        bundle = self._bundle
        if bundle.warm_up is not None:
            yield bundle.warm_up.name, read_warmup_body(bundle.warm_up)
        records = bundle.model / WARMUP_FILE
        if bundle.layout == EAS or not records.is_file():
            return
        for item in read_items(records):
            if item.problem:
                raise MessageError(f"{item}: {item.problem}", hint=item.hint)
            if item.request is None:
                self.skipped[item.kind] += 1
            else:
                yield f"{records.name}, {item.place}", encode_request(item.request)

    def _cases(self) -> Iterator[tuple[Case, bytes]]:
        """What to ask, with the answers that are recorded."""
        for number, (shown, body) in enumerate(self.warm_up, start=1):
            request = decode_request(body)
            signature = self._model.signature_of(request, shown).name
            yield Case(signature, request.inputs, read_answer(self.folder, number), f"warm-up {number}"), body
        recorded = () if self._model.is_frozen else read_recorded(self._model.path / EVIDENCE)
        for case in (*recorded, *read_recorded(self.folder / FOLDER)):
            yield case, encode_request(PredictRequest(dict(case.inputs), case.signature, tuple(case.outputs)))

    def _limits(self) -> Limits:
        limits, path = kept_limits(self.folder), self._model.path
        if self._model.is_frozen:
            return limits
        compute_dtype = half_dtype(read_written(path, (SERVE_TAG,)))
        return replace(limits, compute_dtype=compute_dtype, recorded=recorded_tolerances(path))


def _answer(client: Client, case: Case, body: bytes) -> Mapping[str, Array]:
    """The service's answer to a case.

    Raises:
        InputError: It fails, comes too late, or lacks an output.
    """
    try:
        outputs = decode_response(client.predict_bytes(body)).outputs
    except (ServiceError, MissingError, MessageError) as error:
        raise InputError(f"{case.what}: {error.message}", hint=error.hint) from None
    for name in case.outputs:
        if name not in outputs:
            raise InputError(f"{case.what}: the answer has no output {name!r}")
    return outputs


def _asked(requests: int, outputs: int) -> str:
    if not requests:
        return "is asked nothing, as it holds no requests"
    if not outputs:
        return f"answers {counted(requests, 'request')}, with nothing recorded to compare"
    return f"gives the recorded answers: {counted(requests, 'request')}, {counted(outputs, 'output')}"
