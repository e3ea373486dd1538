"""Exports a model for several processors at once: a folder each, equal files linked, and a manifest of how it went."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tfkit import __version__
from tfkit.compat.compare import Limits
from tfkit.compat.tolerance import check_tolerance
from tfkit.eas.structure import structure
from tfkit.errors import LoweringError, MissingError, TensorFlowError, TfkitError, UsageError, VerdictError
from tfkit.export.making import Prepared, prepared
from tfkit.export.proving import proving_processor
from tfkit.export.report import ExportReport, Source
from tfkit.export.selfcheck import Given
from tfkit.export.sources.base import SourceOptions
from tfkit.export.sources.opening import open_source
from tfkit.export.target import MODEL_FILES, check_target, folder_size, link_equal, staged_folder
from tfkit.inputs.opening import read_bytes
from tfkit.lower.target import DTYPE_ADVICE
from tfkit.processors.catalogue import PROCESSORS, select_processors
from tfkit.tensors import Signature

MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 64 << 20
ROW_COLUMNS = ("processor", "exported", "rewritten", "largest error")


@dataclass(frozen=True, slots=True)
class ProcessorExport:
    """How an export for one processor went.

    Attributes:
        processor: The processor.
        report: What was made; ``None`` if nothing could be.
        error: Why not; ``None`` if it was.
    """

    processor: str
    report: ExportReport | None
    error: TfkitError | None = None

    @property
    def problem(self) -> str:
        """Why it could not be made, as text; empty if it was."""
        return "" if self.error is None else self.error.message

    def row(self) -> tuple[str, str, str, str]:
        """Its row of ``ROW_COLUMNS``."""
        if self.report is None:
            return self.processor, "no", "", ""
        errors = [output.max_abs_error for each in self.report.signatures for output in each.check.outputs]
        lowering = self.report.lowering
        changed = str(sum(lowering.applied.values())) if lowering is not None else ""
        return self.processor, "yes", changed, f"{max(errors):.2g}" if errors else "not compared"

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the folder is called as the processor is."""
        if self.report is None:
            return {"processor": self.processor, "path": None, "problem": self.problem}
        lowering = self.report.lowering
        return {
            "processor": self.processor,
            "path": self.processor,
            "problem": "",
            "verify": self.report.check.as_dict(),
            "others": {each.signature.name: each.check.as_dict() for each in self.report.signatures[1:]},
            "lowering": None if lowering is None else asdict(lowering),
        }


@dataclass(frozen=True, slots=True)
class EverywhereReport:
    """What ``export_everywhere`` did.

    Attributes:
        path: The folder that holds the processors' folders.
        source: What was exported.
        signatures: Its signatures, as they are in each folder.
        notes: What the user should know.
        exports: One a processor.
        size_bytes: What all files take, linked ones once.
        elapsed_s: Time it took.
    """

    path: Path
    source: Source
    signatures: tuple[Signature, ...]
    notes: tuple[str, ...]
    exports: tuple[ProcessorExport, ...]
    size_bytes: int = 0
    elapsed_s: float = 0.0

    @property
    def failed(self) -> tuple[ProcessorExport, ...]:
        """Those that could not be made."""
        return tuple(each for each in self.exports if each.report is None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "elapsed_s": round(self.elapsed_s, 3),
            **self.record(),
        }

    def record(self) -> dict[str, Any]:
        """What the manifest says: the report without times and places; paths are inside of the folder."""
        return {
            "tfkit": __version__,
            "source": asdict(self.source),
            "signatures": [structure(each) for each in self.signatures],
            "notes": list(self.notes),
            "processors": [each.as_dict() for each in self.exports],
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from html import escape

        from tfkit.html import fragment, table

        problems = "".join(f"<p>{escape(f'{each.processor}: {each.problem}')}</p>" for each in self.failed)
        return fragment(
            (f"<p>{escape(str(self.path))}</p>", table(ROW_COLUMNS, map(ProcessorExport.row, self.exports)), problems)
        )


def export_everywhere(
    model: Any,
    output: str | os.PathLike[str],
    *,
    processors: Sequence[str] = PROCESSORS,
    freeze: bool = False,
    force: bool = False,
    verify: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
    inputs: Sequence[str] | Mapping[str, Any] = (),
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> EverywhereReport:
    """Exports a model for several processors: ``output/PROCESSOR`` each, and ``output/manifest.json``.

    The source is read and asked once. A processor that the model cannot be made to run on has no folder, and the
    manifest says why.

    Args:
        model: As for ``export_model``.
        output: The folder to write.
        processors: Their names, or patterns as the shell has them; all of EAS by default.
        freeze: As for ``export_model``.
        force: Replace what such an export wrote there before.
        verify: Run each in its processor's TensorFlow and compare it with the source.
        atol: As for ``export_model``.
        rtol: As for ``export_model``.
        inputs: As for ``export_model``.
        seed: As for ``export_model``.
        progress: Told the name of each processor before it is made.
        **options: What ``export_model`` takes to say what the source is.

    Raises:
        TfkitError: As ``export_model`` does; ``MissingError`` if a runtime that is needed is not installed.
        LoweringError: It can be made to run on none of them.
    """
    started = time.monotonic()
    if not processors:
        raise UsageError("no processor is named to export for")
    names = [each.name for each in select_processors(processors)]
    proving = {name: proving_processor(name) if verify else "" for name in names}
    given = Given.read(inputs, seed)
    limits = Limits(check_tolerance("atol", atol), check_tolerance("rtol", rtol))
    said = SourceOptions.read(given.arrays, **options)
    own = (MANIFEST,) if _is_manifest(Path(output) / MANIFEST) else ()
    target = check_target(Path(output), force=force, markers=(*MODEL_FILES, *own))
    source = open_source(model, said)
    with staged_folder(target, force=force) as staged:
        exports = []
        with prepared(source, staged, given, limits, freeze=freeze, verify=verify) as made:
            for name in names:
                if progress is not None:
                    progress(name)
                exports.append(_export_one(made, staged / name, name, proving[name], Path(output) / name))
            signatures = (made.plain.main, *made.plain.signatures.values())
            report = EverywhereReport(
                Path(output), made.source, tuple(dict.fromkeys(signatures)), made.notes, tuple(exports)
            )
        if len(report.failed) == len(exports):
            raise _no_processor(report)
        link_equal(staged)
        text = json.dumps(report.record(), indent=4, sort_keys=True, ensure_ascii=False)
        (staged / MANIFEST).write_text(text + "\n", encoding="utf-8")
        size = folder_size(staged)
    return replace(report, size_bytes=size, elapsed_s=time.monotonic() - started)


def _is_manifest(path: Path) -> bool:
    """Whether a file is the manifest of such an export: folders of warm-up requests have one of that name as well."""
    try:
        content = json.loads(read_bytes(path, _MAX_MANIFEST_BYTES))
    except (TfkitError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "processors" in content


def _export_one(made: Prepared, folder: Path, processor: str, proving: str, path: Path) -> ProcessorExport:
    folder.mkdir()
    try:
        report = made.make(folder, processor, proving)
    except (LoweringError, VerdictError, TensorFlowError, MissingError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        return ProcessorExport(processor, None, error)
    return ProcessorExport(processor, replace(report, path=path, size_bytes=folder_size(folder)))


def _no_processor(report: EverywhereReport) -> TfkitError:
    """The error for a model that no processor takes: that of one it was written for, else of the newest.

    The newest lacks least.
    """
    tried = [(each.processor, each.error) for each in report.exports if each.error is not None]
    processor, error = next((each for each in reversed(tried) if not isinstance(each[1], LoweringError)), tried[-1])
    if isinstance(error, LoweringError):
        return LoweringError(
            f"{report.source.name} can be made to run on none of the processors; on the newest of them, "
            f"{error.message}",
            hint=_lowering_hint(error, report.source),
        )
    # The model can be written for that one: what `tfkit check` says would be that it runs.
    text = f"{report.source.name} passes on none of the processors; on {processor}: {error.message}"
    if isinstance(error, TensorFlowError):
        return type(error)(text, code=error.code, hint=error.hint)
    return type(error)(text, hint=error.hint)


def _lowering_hint(error: LoweringError, source: Source) -> str:
    """What to do about a model that fits no processor; ``tfkit check`` takes SavedModels only."""
    if error.hint == DTYPE_ADVICE:
        return error.hint
    if source.kind == "SavedModel":
        return "`tfkit check` says of each why not."
    return "`tfkit check` says of each why not: it takes what `tfkit export` without --processor writes."
