"""The whole export to ONNX: the source becomes a SavedModel, that an ONNX model, which is run beside the source."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfkit.compat.compare import Limits
from tfkit.compat.half import half_dtype
from tfkit.compat.recorded import Case
from tfkit.compat.tolerance import check_tolerance
from tfkit.compat.written import read_written
from tfkit.errors import UsageError
from tfkit.export.onnx.check import check_onnx, check_valid
from tfkit.export.onnx.convert import Converter
from tfkit.export.onnx.files import check_file, publish, save_evidence, save_metadata, save_model
from tfkit.export.onnx.making import make_onnx, onnx_signature
from tfkit.export.onnx.report import OnnxReport
from tfkit.export.onnx.target import check_installed, check_opset
from tfkit.export.report import SelfCheck
from tfkit.export.selfcheck import Given
from tfkit.export.sources.base import PlainModel, SourceOptions
from tfkit.export.sources.opening import open_source
from tfkit.export.target import plain_folder, staged_folder
from tfkit.tensors import DEFAULT_SIGNATURE, Signature


def export_onnx(
    model: Any,
    output: str | os.PathLike[str],
    *,
    opset: int | None = None,
    force: bool = False,
    verify: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
    inputs: Sequence[str] | Mapping[str, Any] = (),
    seed: int = 0,
    **options: Any,
) -> OnnxReport:
    """Exports a model as an ONNX model, and proves that ONNX Runtime gives the same answers.

    The model becomes a SavedModel first, as ``export_model`` makes it. What tf2onnx does not convert is written with
    what it does; variables become constants. The result is checked by onnx, run in ONNX Runtime on what the source was
    asked, at two batch sizes, and compared with the source's own answers; only then does it get its name. After an
    error, nothing is left behind.

    Args:
        model: As for ``export_model``.
        output: The file to write; its parents are made. Weights of more than a gigabyte lie beside it, in
            ``OUTPUT.data``, and what it was compared on in ``OUTPUT.evidence``.
        opset: The ONNX opset to write; the newest that tf2onnx writes by default.
        force: Replace an ONNX model that is there.
        verify: Run and compare; ``False`` for models that sample at random. The report records it.
        atol: As for ``export_model``.
        rtol: As for ``export_model``.
        inputs: As for ``export_model``.
        seed: Seed of random inputs.
        **options: What ``export_model`` takes to say what the source is; of a model with several signatures
            ``signature`` says which.

    Returns:
        The signature, the largest difference found, what was rewritten, and what else there is to know.

    Raises:
        LoweringError: ONNX has no operation for something that the model does; all such operations are named.
        VerdictError: The ONNX model differs from the source, or comparing them would prove nothing.
        TensorFlowError: ONNX Runtime does not run what was written.
        UsageError: tf2onnx does not write such an opset, or nothing says which signature is wanted.
        TfkitError: As ``export_model`` does.

    Example:
        >>> report = tfkit.export_onnx(model, "build/digits.onnx")  # doctest: +SKIP
    """
    started = time.monotonic()
    opset = check_opset(opset)
    check_installed(verify=verify)
    given = Given.read(inputs, seed)
    limits = Limits(check_tolerance("atol", atol), check_tolerance("rtol", rtol))
    source = open_source(model, SourceOptions.read(given.arrays, **options))
    target = check_file(Path(output), force=force)
    with staged_folder(target, force=force, publish=publish) as staged, plain_folder(staged) as folder:
        plain, others = _choose(source.write(folder))
        limits = replace(limits, compute_dtype=half_dtype(read_written(plain.folder, plain.tags)))
        converter = Converter(opset)
        made = make_onnx(plain, converter, target.stem)
        path = save_model(made.model, staged, target.name)
        check_valid(path)
        samples, notes = plain.draw(given, limits) if verify else ({plain.main.name: ()}, ())
        written, cases, renamed = _as_written(plain.main, samples[plain.main.name])
        check = check_onnx(path, written, cases, limits, seed) if verify else SelfCheck("--no-verify")
        report = OnnxReport(
            path=Path(output),
            signature=written,
            source=source.describe(),
            opset=opset,
            nodes=made.nodes,
            rewritten=made.applied,
            check=check,
            evidence=(),
            notes=(*plain.notes, *notes, *others, *renamed),
            versions={**plain.versions, **converter.versions},
            renamed=plain.renamed,
        )
        save_metadata(made.model, path, report.record())
        evidence, left_out = save_evidence(staged, target.name, cases, written, report.record())
        size = sum(file.stat().st_size for file in staged.glob(f"{target.name}*") if file.is_file())
    notes = tuple(note for note in (*report.notes, left_out) if note)
    return replace(report, evidence=evidence, notes=notes, size_bytes=size, elapsed_s=time.monotonic() - started)


def _choose(plain: PlainModel) -> tuple[PlainModel, tuple[str, ...]]:
    """The same with the one signature that becomes the ONNX model, and a note where there are others."""
    names = list(plain.signatures)
    if len(names) > 1 and DEFAULT_SIGNATURE not in names:
        raise UsageError(
            f"an ONNX model has one signature, and the model has {len(names)}: {', '.join(sorted(names))}",
            hint="Choose one with --signature.",
        )
    others = sorted(name for name in names if name != plain.main.name)
    note = f"an ONNX model has one signature: of the others, --signature takes {', '.join(others)}"
    return replace(plain, signatures={plain.main.name: plain.main}), ((note,) if others else ())


def _as_written(signature: Signature, samples: Sequence[Case]) -> tuple[Signature, tuple[Case, ...], tuple[str, ...]]:
    """The ONNX model's signature, the samples by its names, and notes where an output got another name."""
    written = onnx_signature(signature)
    names = {old.name: new.name for old, new in zip(signature.outputs, written.outputs, strict=True)}
    notes = tuple(
        f"output {old!r} is called {new!r}: in ONNX no output is called as an input is"
        for old, new in names.items()
        if old != new
    )
    cases = tuple(
        replace(case, outputs={names[name]: array for name, array in case.outputs.items()}) for case in samples
    )
    return written, cases, notes
