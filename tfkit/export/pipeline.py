"""The whole export: read the source, trace it, write it, run it, compare, keep the evidence, rename."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfkit import __version__
from tfkit.arrays import Array
from tfkit.errors import UsageError
from tfkit.export.evidence import write_evidence, write_report
from tfkit.export.frameworks import Frameworks, import_frameworks
from tfkit.export.keras_file import KerasFile, read_keras_file
from tfkit.export.keras_model import KerasModel, load_model
from tfkit.export.lowered import move_into, plain_folder, proving_processor
from tfkit.export.names import check_signature_name
from tfkit.export.report import ExportReport, SelfCheck, Source
from tfkit.export.saved_model_source import SavedModelSource, is_saved_model
from tfkit.export.savedmodel import TracedModel
from tfkit.export.selfcheck import Limits, Sample, SourceRuns, check_export
from tfkit.export.target import check_target, staged_folder
from tfkit.graph.domains import input_domains, taken_as_integers
from tfkit.inputs import InputOption, parse_inputs
from tfkit.inputs.samples import SampleMaker
from tfkit.lower.model import lower_model
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.tensors import DEFAULT_SIGNATURE, SERVE_TAG, Signature


def export_model(
    model: Any,
    output: str | os.PathLike[str],
    *,
    processor: str = INSTALLED,
    signature: str | None = None,
    rename: Mapping[str, str] | None = None,
    tags: Sequence[str] = (SERVE_TAG,),
    force: bool = False,
    verify: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
    inputs: Sequence[str] | Mapping[str, Any] = (),
    seed: int = 0,
) -> ExportReport:
    """Exports a model as a SavedModel that runs on a processor, and proves that it gives the same answers.

    The SavedModel is written beside ``output``, for an older TensorFlow with what that one has, run through its own C
    library at two batch sizes and compared with the source itself; only then does it get its name. After an error,
    nothing is left behind.

    A live subclassed model does not say its inputs' dtypes. Without arrays in ``inputs`` they are taken as floats, with
    a warning; a model that makes whole numbers of them, as an embedding does, is refused.

    Args:
        model: A ``.keras`` file's path, a live Keras 3 model, or a SavedModel's folder.
        output: The folder to write; its parents are made.
        processor: What it shall run on: one of EAS's processors, or ``installed``.
        signature: The signature's name, ``serving_default`` by default; of a SavedModel the one to keep, all by
            default.
        rename: New names of a Keras model's inputs and outputs by those of the model.
        tags: The tag set of a SavedModel.
        force: Replace a SavedModel that is there.
        verify: Run and compare; ``False`` for models that sample at random. The report records it.
        atol: Largest absolute difference of floating-point outputs; by default what their type and size allow.
        rtol: Largest difference relative to the source's value.
        inputs: What to compare on: arrays by the signature's input names, or ``--input`` options such as
            ``images=@test.npy``. What is left out is random. Arrays also tell what a subclassed model takes; name them
            as the model does then.
        seed: Seed of random inputs.

    Returns:
        The signature, the largest difference found, and what else there is to know.

    Raises:
        ModelError: The source is no model, is damaged, or needs code that is not here.
        LoweringError: The processor's TensorFlow lacks what the model uses, and no rule writes it otherwise.
        SignatureError: A rename or an input does not fit the model.
        InputError: Something is at ``output`` already.
        VerdictError: The exported model differs from the source, or comparing them would prove nothing.
        TensorFlowError: TensorFlow does not run what was written.
        MissingError: TensorFlow, Keras or the processor's runtime is not here, or there is no permission or space.
        UsageError: The options make no sense, Keras runs on another backend, or arrays must say an input's dtype.

    Example:
        >>> report = tfkit.export_model(model, "build/digits", processor="tensorflow_cpu_1.15")  # doctest: +SKIP
    """
    started = time.monotonic()
    if signature is not None:
        check_signature_name(signature)
    job = _Job(
        processor=find_processor(processor).name,
        proving=proving_processor(processor) if verify else "",
        limits=Limits(_tolerance("atol", atol), _tolerance("rtol", rtol)),
        given=_Inputs.read(inputs, seed),
    )
    path = Path(model) if isinstance(model, str | os.PathLike) else None
    saved = SavedModelSource.read(path, tags, signature) if path is not None and is_saved_model(path) else None
    if saved is not None and rename:
        raise UsageError("a SavedModel's inputs and outputs keep their names: --rename is for Keras models")
    file = read_keras_file(path) if path is not None and saved is None else None
    target = check_target(Path(output), force=force)
    with staged_folder(target, force=force) as staged:
        if saved is not None:
            report = _export_saved_model(saved, staged, job)
        else:
            report = _export_keras(file, model, staged, signature or DEFAULT_SIGNATURE, rename or {}, job)
        report = replace(report, path=Path(output))
        write_report(staged, report.record())
        size = sum(each.stat().st_size for each in staged.rglob("*") if each.is_file())
    return replace(report, size_bytes=size, elapsed_s=time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done, whatever the source.

    Attributes:
        processor: What the model shall run on.
        proving: The processor in whose TensorFlow it is compared; empty if it is not.
        limits: What counts as the same.
        given: What the user gave to compare on.
    """

    processor: str
    proving: str
    limits: Limits
    given: _Inputs

    def compare(
        self, folder: Path, signature: Signature, samples: tuple[Sample, ...], limits: Limits | None = None
    ) -> SelfCheck:
        """Runs what was written on a signature's samples, and compares."""
        seed = self.given.seed
        return check_export(folder, signature, samples, limits or self.limits, seed=seed, processor=self.proving)


def _export_keras(
    file: KerasFile | None, model: Any, staged: Path, signature: str, rename: Mapping[str, str], job: _Job
) -> ExportReport:
    frameworks = import_frameworks()
    live = load_model(frameworks, file) if file else model
    keras_model = KerasModel(frameworks, live, job.given.arrays)
    traced = TracedModel(frameworks, keras_model, rename)
    lowering = None
    with plain_folder(staged) as plain:
        traced.write(plain, signature)
        written = find_signature(read_signatures(plain), signature)
        if keras_model.assumed_dtype:
            _refuse_integers(plain, written, keras_model)
            warnings.warn("; ".join(keras_model.notes), stacklevel=3)
        if job.processor == INSTALLED:
            move_into(plain, staged)
        else:
            lowering = lower_model(plain, staged, job.processor)
    proof = _Proof(SelfCheck(skipped="--no-verify"))
    if job.proving:
        proof = _prove(staged, written, _Runner(keras_model, traced), job)
    evidence, left_out = write_evidence(staged, {signature: proof.samples})
    return ExportReport(
        path=staged,
        signature=written,
        source=_describe_source(frameworks, keras_model, file),
        renamed={old: new for old, new in (traced.input_names | traced.output_names).items() if old != new},
        check=proof.check,
        evidence=evidence,
        notes=tuple(note for note in (frameworks.note, *keras_model.notes, *proof.notes, left_out) if note),
        versions=_versions(frameworks),
        lowering=lowering,
    )


def _export_saved_model(source: SavedModelSource, staged: Path, job: _Job) -> ExportReport:
    lowering = lower_model(source.path, staged, job.processor, tags=source.tags, signatures=source.signatures)
    samples: dict[str, tuple[Sample, ...]] = {}
    check = SelfCheck(skipped="--no-verify")
    notes: tuple[str, ...] = ()
    if job.proving:
        samples, notes = source.draw(job.given.options, job.given.arrays, job.given.seed, job.limits)
        checks = {name: job.compare(staged, source.signatures[name], some) for name, some in samples.items()}
        check = checks[source.main.name]
    evidence, left_out = write_evidence(staged, samples)
    return ExportReport(
        path=staged,
        signature=source.main,
        source=source.describe(),
        renamed={},
        check=check,
        evidence=evidence,
        notes=tuple(note for note in (*notes, left_out) if note),
        versions={"tfkit": __version__},
        lowering=lowering,
    )


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What the user gave to compare on."""

    options: tuple[InputOption, ...]
    arrays: dict[str, Array]
    seed: int

    @classmethod
    def read(cls, inputs: Sequence[str] | Mapping[str, Any], seed: int) -> _Inputs:
        if isinstance(inputs, Mapping):
            return cls((), {name: np.asarray(value) for name, value in inputs.items()}, seed)
        return cls(parse_inputs(inputs), {}, seed)


@dataclass(frozen=True, slots=True)
class _Proof:
    """The outcome of the comparison, and what it was made on."""

    check: SelfCheck
    samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Runner:
    """The Keras model by the names of the signature."""

    model: KerasModel
    traced: TracedModel

    def __call__(self, arrays: dict[str, Array]) -> dict[str, Array]:
        outputs = self.model.predict([arrays[name] for name in self.traced.input_names.values()])
        return {self.traced.output_names[name]: array for name, array in outputs.items()}


def _refuse_integers(staged: Path, signature: Signature, model: KerasModel) -> None:
    """Refuses inputs that were assumed to be floats and that the graph makes whole numbers of."""
    for name in taken_as_integers(staged, signature):
        raise UsageError(
            f"input {name!r}: model {model.name!r} does not say its dtype, and makes whole numbers of it: "
            f"{model.assumed_dtype} would be a guess",
            hint="Say what the model takes with samples: tfkit.export_model(model, FOLDER, inputs={'x': array}).",
        )


def _prove(staged: Path, signature: Signature, source: _Runner, job: _Job) -> _Proof:
    """Runs the source and what was written on the same inputs, and compares."""
    names, given = source.traced.input_names, job.given
    maker = SampleMaker(
        signature,
        input_domains(staged, signature),
        options=given.options,
        arrays={names.get(name, name): array for name, array in given.arrays.items()},
        seed=given.seed,
    )
    limits = replace(job.limits, compute_dtype=source.model.compute_dtype)
    runs = SourceRuns(signature, source, maker, limits)
    with source.traced.state_kept():
        samples = runs.draw()
    return _Proof(job.compare(staged, signature, samples, limits), samples, runs.notes)


def _describe_source(frameworks: Frameworks, model: KerasModel, file: KerasFile | None) -> Source:
    if file is None:
        return Source("keras model", model.name, keras_version=frameworks.keras.__version__)
    return Source("keras file", file.path.name, file.sha256, file.keras_version)


def _versions(frameworks: Frameworks) -> dict[str, str]:
    return {"tfkit": __version__, "keras": frameworks.keras.__version__, "tensorflow": frameworks.tf.__version__}


def _tolerance(name: str, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{name} {value} is not possible: expected a number from 0 on")
    return value
