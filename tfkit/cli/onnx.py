"""The part of ``tfkit export`` that is for ``--format onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfkit.cli.output import note, print_json, print_table, print_text
from tfkit.errors import UsageError

if TYPE_CHECKING:
    from tfkit.export import OnnxReport

FORMATS = ("savedmodel", "onnx")


def check_format(written: str, output: Path, opset: int | None, others: dict[str, bool]) -> None:
    """Checks that the options go with the format.

    Args:
        written: The format.
        output: What to write.
        opset: The opset, if one is named.
        others: Options that are for SavedModels, and whether they are given.

    Raises:
        UsageError: They do not, or there is no such format.
    """
    if written not in FORMATS:
        raise UsageError(f"--format {written!r} is not known: expected {' or '.join(FORMATS)}")
    if written == "onnx":
        for option, given in others.items():
            if given:
                raise UsageError(f"{option} means nothing with --format onnx: ONNX models run in no TensorFlow")
    elif opset is not None:
        raise UsageError("--opset is for ONNX models", hint="Add --format onnx.")
    elif output.suffix == ".onnx":
        raise UsageError(
            f"{output} is called as an ONNX model is, and would be a SavedModel's folder", hint="Add --format onnx."
        )


def export(source: Path, output: Path, opset: int | None, options: dict[str, Any]) -> OnnxReport:
    """Exports a model as an ONNX model."""
    from tfkit.export import export_onnx

    return export_onnx(source, output, opset=opset, **{key: each for key, each in options.items() if key != "freeze"})


def tell(report: OnnxReport, *, as_json: bool) -> None:
    """Tells what an export did."""
    for each in report.notes:
        note(f"note: {each}")
    if as_json:
        print_json(report.as_dict())
        return
    errors = {check.name: check for check in report.check.outputs}
    rows = [["input", spec.name, str(spec), ""] for spec in report.signature.inputs]
    for spec in report.signature.outputs:
        check = errors.get(spec.name)
        rows.append(["output", spec.name, str(spec), f"{check.max_abs_error:.2g}" if check else "not compared"])
    print_text(f"{report.path}: signature {report.signature.name}, opset {report.opset}, {report.nodes} operations")
    print_table(["", "name", "dtype and shape", "largest error"], rows)
    if report.rewritten:
        print_text(
            f"rewritten before: {', '.join(f'{op} ({count})' for op, count in sorted(report.rewritten.items()))}"
        )
    if report.check.skipped:
        print_text(f"not verified ({report.check.skipped})")
    else:
        sizes = list(dict.fromkeys(report.check.batch_sizes))
        told = f"batch size{'s' if len(sizes) > 1 else ''} {' and '.join(map(str, sizes))}"
        print_text(f"verified against {report.source.name} at {told} in {report.check.tensorflow}")
    print_text(f"{report.size_bytes / 1e6:.2f} MB in {report.elapsed_s:.1f} s")
