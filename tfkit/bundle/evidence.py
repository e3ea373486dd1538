"""What stays with a bundle as its proof: the reports of check and verify, requests, and the answers to them.

evidence/check.json               what ``tfkit check`` says of the model and the processor
evidence/verify.json              what ``tfkit verify`` found when the model was run there
evidence/1.request.bin            a PredictRequest and the PredictResponse that the model's source gave, as in
evidence/1.response.bin           ``tfkit.compat.recorded``; none where the model itself holds such
evidence/warm_up_1.response.bin   what the processor's TensorFlow answered to the first warm-up request

Nothing in them depends on when or where the bundle was made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.arrays import Array
from tfkit.bundle.model import BundledModel
from tfkit.compat.check import LOWERED, RUNS, CheckReport, check_model
from tfkit.compat.compare import Limits
from tfkit.compat.recorded import EVIDENCE as RECORDED
from tfkit.compat.recorded import read_recorded
from tfkit.compat.report import VerifyReport
from tfkit.eas.messages import PredictRequest, decode_response, encode_request, encode_response
from tfkit.errors import MessageError, MissingError, VerdictError
from tfkit.export.proving import proving_processor
from tfkit.export.verify import verify_model
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.cuda import has_card
from tfkit.runtime import Runtime
from tfkit.savedmodel.files import readable

FOLDER = "evidence"
CHECK, VERIFY = "check.json", "verify.json"
_MAX_BYTES = 16 << 20
_NOT_COMPARED = "with nothing to compare its numbers with"
_BUNDLE_ANYWAY = "--no-verify bundles it all the same, which is recorded."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a model on its processor.

    Attributes:
        proved_in: The processor whose TensorFlow ran it; empty where nothing did.
        verdict: What came of it, in a sentence.
        check: What the graph says; ``None`` for a frozen graph.
        verify: How it compares with its source; ``None`` for a frozen graph, and where it was not run.
        answers: What it answered to each warm-up request.
        notes: What else there is to know.
    """

    proved_in: str
    verdict: str
    check: CheckReport | None = None
    verify: VerifyReport | None = None
    answers: tuple[Mapping[str, Array], ...] = ()
    notes: tuple[str, ...] = ()


def answer_path(folder: Path, number: int) -> Path:
    """Where a bundle keeps the answer to a warm-up request, counted from 1."""
    return folder / FOLDER / f"warm_up_{number}.response.bin"


def read_answer(folder: Path, number: int) -> Mapping[str, Array]:
    """The recorded answer to a warm-up request; empty where there is none.

    Raises:
        MessageError: It is damaged.
        MissingError: It may not be read.
    """
    path = answer_path(folder, number)
    if not path.is_file():
        return {}
    try:
        with readable(path):
            return decode_response(path.read_bytes()).outputs
    except MessageError as error:
        raise MessageError(f"{path}: {error.message}", hint=error.hint) from None


def find_prover(processor: str) -> str:
    """The processor whose TensorFlow proves a model: its own, or without an NVIDIA card its twin for the CPU.

    Raises:
        MissingError: It is not installed.
    """
    wanted = processor if has_card() else processor.replace("_gpu_", "_cpu_")
    try:
        return proving_processor(wanted)
    except MissingError as error:
        missing = wanted.replace("_gpu_", "_cpu_")
        raise MissingError(error.message, hint=f"Run: tfkit runtime install {missing}, or add --install.") from None


def gather_evidence(
    model: BundledModel,
    processor: str,
    requests: Sequence[PredictRequest],
    *,
    verify: bool,
    timeout_s: float,
    limits: Limits,
    tell: Callable[[str], None],
) -> Evidence:
    """Checks a model for its processor, runs it there, and asks it the warm-up requests.

    Args:
        model: The model.
        processor: The processor that it is for.
        requests: The warm-up requests, which fit it.
        verify: Whether to run it. Without, what check has against it is no more than a note.
        timeout_s: The longest that loading it or one run may take.
        limits: What the user allows outputs to differ by.
        tell: Called with lines for people.

    Raises:
        VerdictError: It does not run there as it is, or gives other numbers than its source.
        MissingError: The processor's TensorFlow is not installed.
        TensorFlowError: A warm-up request fails.
    """
    prover = find_prover(processor) if verify else ""
    check = None if model.is_frozen else check_model(model.path, processors=(processor,))
    against = _against(check) if check is not None else ""
    if not verify:
        return Evidence("", "not verified: nothing ran it", check, notes=(against,) if against else ())
    if against:
        lowered = f"tfkit export {model.path} --processor {processor} --output FOLDER writes it so that it does."
        raise VerdictError(f"{model.path} is not bundled: {against}", hint=f"{lowered} {_BUNDLE_ANYWAY}")
    tell(f"running in {prover}")
    report = None if model.is_frozen else _verify(model.path, prover, timeout_s, limits)
    answers = _answers(model, prover, requests, timeout_s)
    is_compared = report is not None and report.compared
    verdict = report.verdict if report is not None and is_compared else f"runs in {prover}, {_NOT_COMPARED}"
    notes = (f"proved in {prover}: the same TensorFlow, without a GPU",) if prover != processor else ()
    return Evidence(prover, verdict, check, report, answers, notes)


def write_evidence(folder: Path, evidence: Evidence, *, shown: str, recorded: bool) -> str:
    """Writes what is known into a bundle.

    Args:
        folder: The bundle's folder.
        evidence: What is known.
        shown: What to call the model: its place in the bundle.
        recorded: Whether the model itself holds requests and answers.

    Returns:
        A note where something was left out.
    """
    place = folder / FOLDER
    place.mkdir()
    if evidence.check is not None:
        _write_json(place / CHECK, evidence.check.as_dict() | {"model": shown})
    if evidence.verify is not None:
        _write_json(place / VERIFY, _without_times(evidence.verify.as_dict()) | {"model": shown})
    messages = {
        answer_path(folder, number): encode_response(answer) for number, answer in enumerate(evidence.answers, start=1)
    }
    cases = evidence.verify.cases if evidence.verify is not None and not recorded else ()
    for number, case in enumerate((case for case in cases if case.outputs), start=1):
        messages[place / f"{number}.request.bin"] = encode_request(PredictRequest(dict(case.inputs), case.signature))
        messages[place / f"{number}.response.bin"] = encode_response(dict(case.outputs))
    if sum(map(len, messages.values())) > _MAX_BYTES:
        return f"no answers are kept as evidence: over {_MAX_BYTES >> 20} MiB"
    for path, message in messages.items():
        path.write_bytes(message)
    return ""


def _against(check: CheckReport) -> str:
    """What check has against a model on a processor; empty if that runs it as it is."""
    row = check.rows[0]
    if row.verdict == RUNS:
        return ""
    reasons = ", ".join(dict.fromkeys(each.misfit.text for each in row.problems or row.blocking))
    does = "runs it only after lowering" if row.verdict == LOWERED else "cannot run it"
    return f"{row.processor} {does}: {reasons}"


def _verify(model: Path, prover: str, timeout_s: float, limits: Limits) -> VerifyReport:
    """Runs a model, and compares it with its recorded source, or else with the installed TensorFlow."""
    others = () if has_recorded(model) else (INSTALLED,)
    device = "auto" if "_gpu_" in prover else "cpu"
    report = verify_model(
        model,
        processors=tuple(dict.fromkeys((prover, *others))),
        timeout_s=timeout_s,
        device=device,
        atol=limits.atol,
        rtol=limits.rtol,
    )
    row = next(each for each in report.rows if each.ran.processor == prover)
    if row.failed or report.alike:
        hint = f"tfkit verify {model} --processor {prover} shows more. {_BUNDLE_ANYWAY}"
        reason = f" ({row.ran.reason})" if row.ran.reason else ""
        raise VerdictError(f"{model} is not bundled: {report.verdict}{reason}", hint=hint)
    return report


def has_recorded(model: Path) -> bool:
    """Whether an export left requests and answers in a SavedModel."""
    return bool(read_recorded(model / RECORDED))


def _answers(
    model: BundledModel, prover: str, requests: Sequence[PredictRequest], timeout_s: float
) -> tuple[Mapping[str, Array], ...]:
    if not requests:
        return ()
    with Runtime(prover, device="auto", timeout_s=timeout_s) as runtime:
        loaded = runtime.load(model.path)
        return tuple(
            loaded.predict(each.inputs, signature=each.signature_name or None, fetch=each.output_filter)
            for each in requests
        )


def _without_times(report: dict[str, Any]) -> dict[str, Any]:
    rows = [{name: value for name, value in row.items() if name != "latency_ms"} for row in report["processors"]]
    return report | {"processors": rows}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
