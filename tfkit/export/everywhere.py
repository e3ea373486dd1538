"""Exports a model for several processors at once: a folder each, equal files linked, and a manifest of how it went."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tfkit.compat.half import half_dtype
from tfkit.compat.recorded import EVIDENCE, Case, read_recorded
from tfkit.compat.written import read_written
from tfkit.errors import LoweringError, MissingError, TensorFlowError, UsageError, VerdictError
from tfkit.export.evidence import write_report
from tfkit.export.pipeline import export_model
from tfkit.export.proving import proving_processor
from tfkit.export.report import ExportReport, SelfCheck
from tfkit.export.selfcheck import Limits, check_export
from tfkit.export.target import check_target, plain_folder, staged_folder
from tfkit.lower.model import LoweringReport, lower_model
from tfkit.processors.catalogue import PROCESSORS, find_processor
from tfkit.savedmodel.files import link_or_copy
from tfkit.savedmodel.reader import find_signature, read_signatures

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class ProcessorExport:
    """How an export for one processor went.

    Attributes:
        processor: The processor.
        path: The SavedModel's folder; ``None`` if there is none.
        lowering: What was rewritten.
        check: The comparison with the source.
        problem: Why there is no SavedModel; empty if there is.
    """

    processor: str
    path: Path | None
    lowering: LoweringReport | None = None
    check: SelfCheck | None = None
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "path": None if self.path is None else str(self.path)}


@dataclass(frozen=True, slots=True)
class EverywhereReport:
    """What ``export_everywhere`` did.

    Attributes:
        path: The folder that holds the processors' folders.
        source: The export for the installed TensorFlow, which the others were made of.
        exports: One a processor.
    """

    path: Path
    source: ExportReport
    exports: tuple[ProcessorExport, ...]

    @property
    def failed(self) -> tuple[ProcessorExport, ...]:
        """Those that could not be made."""
        return tuple(each for each in self.exports if each.problem)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, and for the manifest."""
        return {"source": self.source.record(), "processors": [each.as_dict() for each in self.exports]}


def export_everywhere(
    model: Any,
    output: str | os.PathLike[str],
    *,
    processors: Sequence[str] = PROCESSORS,
    force: bool = False,
    verify: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
    **options: Any,
) -> EverywhereReport:
    """Exports a model for several processors: ``output/PROCESSOR`` each, and ``output/manifest.json``.

    A processor that the model cannot be made to run on has no folder, and says why in the manifest.

    Args:
        model: As for ``export_model``.
        output: The folder to write.
        processors: Which; all of EAS by default.
        force: Replace what such an export wrote there before.
        verify: Run each in its processor's TensorFlow and compare it with the source.
        atol: As for ``export_model``.
        rtol: As for ``export_model``.
        **options: Others of ``export_model``.

    Raises:
        TfkitError: As ``export_model`` does; ``MissingError`` if a runtime that is needed is not installed.
    """
    if not processors:
        raise UsageError("no processor is named to export for")
    proving = {each: proving_processor(find_processor(each).name) if verify else "" for each in processors}
    target = check_target(Path(output), force=force, marker=MANIFEST)
    with staged_folder(target, force=force) as staged, plain_folder(staged) as folder:
        plain = folder / "model"
        source = export_model(model, plain, verify=verify, atol=atol, rtol=rtol, **options)
        samples = read_recorded(plain / EVIDENCE)
        limits = Limits(atol, rtol, half_dtype(read_written(plain)))
        exports = []
        for processor, runtime in proving.items():
            made = _export_one(plain, staged / processor, processor, runtime, samples, limits, source)
            exports.append(replace(made, path=None if made.path is None else Path(output) / processor))
        source = replace(source, path=Path(output))
        report = EverywhereReport(Path(output), source, tuple(exports))
        if len(report.failed) == len(exports):
            raise LoweringError(f"the model runs on none of the processors: {exports[0].problem}")
        text = json.dumps(report.as_dict(), indent=4, sort_keys=True, ensure_ascii=False)
        (staged / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return report


def _export_one(
    plain: Path,
    folder: Path,
    processor: str,
    runtime: str,
    samples: Sequence[Case],
    limits: Limits,
    source: ExportReport,
) -> ProcessorExport:
    folder.mkdir()
    try:
        lowering = lower_model(plain, folder, processor)
        check = _check(folder, runtime, samples, limits, source) if runtime else SelfCheck(skipped="--no-verify")
    except (LoweringError, VerdictError, TensorFlowError, MissingError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        return ProcessorExport(processor, None, problem=error.message)
    for name in source.evidence:
        link_or_copy(plain / name, folder / name)
    write_report(folder, replace(source, check=check, lowering=lowering).record())
    return ProcessorExport(processor, folder, lowering, check)


def _check(folder: Path, runtime: str, samples: Sequence[Case], limits: Limits, source: ExportReport) -> SelfCheck:
    """Compares what was written with the source on the main signature's samples."""
    name = source.signature.name
    signature = find_signature(read_signatures(folder), name)
    of_main = tuple(sample for sample in samples if sample.signature == name)
    return check_export(folder, signature, of_main, limits, seed=source.check.seed, processor=runtime)
