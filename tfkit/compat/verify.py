"""Runs a model in the real TensorFlow of processors, and compares it with what answers for its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfkit.arrays import Array
from tfkit.compat.compare import Limits, OutputResult, compare_outputs
from tfkit.compat.drawing import Runner, inputs_vary, outputs_vary
from tfkit.compat.half import half_dtype
from tfkit.compat.recorded import EVIDENCE, Case, read_recorded, recorded_tolerances
from tfkit.compat.references import (
    CaseMaker,
    Drawn,
    check_alike,
    choose_signatures,
    first_opened,
    opened,
    recorded_cases,
)
from tfkit.compat.report import BASELINE, DIFFERS, PASSED, VerifyReport, VerifyRow
from tfkit.compat.running import RAN, Ran, Settings, is_present, run_cases
from tfkit.compat.tolerance import check_tolerance
from tfkit.compat.written import read_written
from tfkit.eas.structure import is_predict
from tfkit.errors import InputError, UsageError
from tfkit.inputs import parse_inputs
from tfkit.processors.catalogue import INSTALLED, PROCESSORS, Processor, select_processors
from tfkit.savedmodel.files import find_model_file, is_saved_model
from tfkit.savedmodel.reader import find_signature, read_metagraphs, read_signatures
from tfkit.tensors import Signature

_EVIDENCE = "the source's recorded outputs"


def compare_runtimes(
    model: Path,
    *,
    processors: Sequence[str],
    reference: str | Path | Runner | None,
    reference_name: str,
    inputs: Sequence[str],
    warm_up: str | Path | None,
    signature: str | None,
    batch_sizes: Sequence[int],
    atol: float | None,
    rtol: float | None,
    seed: int,
    timeout_s: float,
    tags: Sequence[str],
    device: str,
    progress: Callable[[str], None] | None,
) -> VerifyReport:
    """Runs a SavedModel in runtimes and compares the outputs: ``verify_model``, once the model's source can be asked.

    The arguments and the errors are those of ``tfkit.export.verify.verify_model``, but for ``reference``: a source is
    here a function that answers for it.
    """
    settings = Settings(tuple(tags), device, timeout_s)
    _check_options(batch_sizes, timeout_s, atol, rtol)
    models = find_models(model, select_processors(processors))
    first = next(iter(models.values()))
    options, whole = parse_inputs(inputs), parse_inputs([f"@{warm_up}"] if warm_up is not None else [])
    chosen = choose_signatures(first, settings.tags, signature, (*options, *whole))
    maker = CaseMaker(first, settings.tags, chosen, options, whole, tuple(batch_sizes), seed)
    found = _find_cases(first, reference, maker, [*reversed(models)], settings)
    limits = Limits(
        atol, rtol, half_dtype(read_written(first, settings.tags)), recorded_tolerances(first) if found.recorded else {}
    )
    rows = []
    for processor, path in ({found.baseline: first} | models if found.baseline == INSTALLED else models).items():
        if progress is not None and is_present(processor):
            progress(processor)
        ran = run_cases(path, processor, found.cases, settings)
        rows.append(_row(ran, found, limits, required=processor in processors))
    alike, notes = _judge(first, settings, found, maker)
    return VerifyReport(
        model,
        reference_name or found.reference,
        seed,
        found.cases,
        tuple(rows),
        alike,
        notes,
        skipped={} if signature else _skipped(first, settings, found),
        given=tuple(option.text for option in (*options, *whole)),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The cases, and what their outputs are from.

    Attributes:
        cases: With outputs, unless nothing runs the model.
        reference: What gave the outputs, for people; empty if a runtime did.
        baseline: The runtime that did.
        recorded: Whether they were recorded by an export.
        skipped: Why signatures were left out, by name.
        note: What the user should know.
    """

    cases: tuple[Case, ...]
    reference: str = ""
    baseline: str = ""
    recorded: bool = False
    skipped: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def of(cls, drawn: Drawn, *, reference: str = "", baseline: str = "", note: str = "") -> _Found:
        """What was drawn, and what answered."""
        return cls(drawn.cases, reference, baseline, skipped=drawn.skipped, note=note)


def _find_cases(
    model: Path,
    reference: str | Path | Runner | None,
    maker: CaseMaker,
    newest_first: Sequence[str],
    settings: Settings,
) -> _Found:
    if callable(reference):
        return _Found.of(maker.draw(reference), reference="the source")
    if reference is not None:
        source = Path(reference)
        if is_saved_model(source):
            check_alike(read_signatures(source, settings.tags), maker.signatures)
            with opened(find_model_file(source).parent, INSTALLED, settings) as runner:
                return _Found.of(maker.draw(runner), reference=str(reference))
        return _Found(_named(recorded_cases(source, maker), model, settings), str(reference))
    if not maker.is_given and (recorded := read_recorded(model / EVIDENCE)):
        return _Found(_named(recorded, model, settings), _EVIDENCE, recorded=True)
    baseline, drawn, reason = first_opened(model, newest_first, settings, maker)
    note = f"no runtime runs it, so that no inputs could be tried; {reason}" if reason else ""
    return _Found.of(drawn, baseline=baseline, note=note)


def _named(cases: Sequence[Case], model: Path, settings: Settings) -> tuple[Case, ...]:
    """Recorded cases with their signatures' own names, once it is sure that they are the model's."""
    known = read_signatures(model, settings.tags)
    named = []
    for case in cases:
        signature = find_signature(known, case.signature)
        for name in case.inputs:
            signature.input(name)
        for name in case.outputs:
            signature.output(name)
        named.append(Case(signature.name, case.inputs, case.outputs, case.what))
    return tuple(named)


def _row(ran: Ran, found: _Found, limits: Limits, *, required: bool) -> VerifyRow:
    if ran.status != RAN or not found.cases:
        return VerifyRow(ran, ran.status, required=required)
    if ran.processor == found.baseline:
        return VerifyRow(ran, BASELINE, required=required)
    results = compare_cases(found.cases, ran.outputs, limits)
    return VerifyRow(ran, PASSED if all(each.passed for each in results) else DIFFERS, results, required)


def compare_cases(
    cases: Sequence[Case], outputs: Sequence[Mapping[str, Array]], limits: Limits
) -> tuple[OutputResult, ...]:
    """Compares what cases gave with what they should.

    Args:
        cases: With what was expected; they must have been given all of it.
        outputs: What each gave.
        limits: What counts as the same.

    Returns:
        A result for each signature's output, in the order of the cases.
    """
    pairs: dict[tuple[str, str], list[tuple[Array, Array]]] = {}
    places: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for number, (case, came) in enumerate(zip(cases, outputs, strict=True)):
        for name, expected in case.outputs.items():
            key = (case.signature, name)
            pairs.setdefault(key, []).append((came[name], expected))
            places.setdefault(key, []).append((number, case.what))
    return tuple(compare_outputs(*key, each, limits, places[key]) for key, each in pairs.items())


def _skipped(model: Path, settings: Settings, found: _Found) -> dict[str, str]:
    """The signatures that nothing is said about, and why."""
    compared = {case.signature for case in found.cases}
    if not compared:
        return {}
    return {
        name: found.skipped.get(name) or f"give inputs for it, or --signature {name}"
        for name, signature in read_signatures(model, settings.tags).items()
        if name not in compared and is_predict(signature)
    }


def _judge(model: Path, settings: Settings, found: _Found, maker: CaseMaker) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The signatures whose outputs do not vary, and notes."""
    known: Mapping[str, Signature] = read_signatures(model, settings.tags)
    alike, notes = [], [found.note] if found.note else []
    for name in dict.fromkeys(case.signature for case in found.cases):
        cases = [case for case in found.cases if case.signature == name]
        if outputs_vary(cases, known[name]):
            continue
        if inputs_vary(cases, known[name]):
            alike.append(name)
        else:
            notes.append(f"{name}: all inputs are alike: whether the outputs follow them was not checked")
    if not found.reference and maker.signatures:
        notes.append("there is no reference: nothing is said about the model's source (--reference SOURCE)")
    return tuple(alike), tuple(notes)


def find_models(model: Path, processors: Sequence[Processor]) -> dict[str, Path]:
    """The SavedModel's folder for each processor.

    Args:
        model: A SavedModel's folder, or a folder with one for each processor, called as these are.
        processors: The processors; those without a model of their own are left out.

    Raises:
        ModelError: There is none.
        InputError: It has folders for some processors, and for none of those asked for.
    """
    own = {name: model / name for name in (*PROCESSORS, INSTALLED) if is_saved_model(model / name)}
    if is_saved_model(model) or not own:
        read_metagraphs(model)  # says what it is, if it is something else
        folder = find_model_file(model).parent
        return {each.name: folder for each in processors}
    wanted = {each.name: own[each.name] for each in processors if each.name in own}
    if not wanted:
        raise InputError(f"{model} holds models for {', '.join(own)}: none of them was asked for")
    return wanted


def _check_options(batch_sizes: Sequence[int], timeout_s: float, atol: float | None, rtol: float | None) -> None:
    if not timeout_s > 0:
        raise UsageError(f"a time-out of {timeout_s} s is not possible: expected more than 0")
    if any(size < 1 for size in batch_sizes):
        raise UsageError(f"batch sizes {list(batch_sizes)} are not possible: expected numbers from 1 on")
    check_tolerance("atol", atol)
    check_tolerance("rtol", rtol)
