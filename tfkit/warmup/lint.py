"""``lint_warmup``: whether warm-up files are requests that the model takes, and that production's are like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfkit.errors import InputError, MessageError, SignatureError, UsageError
from tfkit.inputs.opening import opened
from tfkit.warmup.coverage import Coverage, check_coverage, measure_coverage
from tfkit.warmup.files import DAMAGED, EMPTY, WRONG_FORMAT
from tfkit.warmup.findings import Finding, Severity, error, note
from tfkit.warmup.form import RequestForm
from tfkit.warmup.request_checks import DEFAULT_SIGNATURE, RequestChecker
from tfkit.warmup.sources import Format, Item, find_format, read_items
from tfkit.warmup.tf_serving import MAX_RECORDS
from tfkit.warmup.wire_checks import check_damaged, check_wire

__all__ = ["Finding", "LintReport", "LintedFile", "Severity", "lint_warmup"]

_GZIP_MAGIC = b"\x1f\x8b"
_NAMELESS = "Triton's samples name none: --signature says which they are for."


@dataclass(frozen=True, slots=True)
class LintedFile:
    """One of the files that were looked at.

    Attributes:
        path: The file or folder, as it was named.
        format: Its format.
        requests: How many requests in it can be read.
    """

    path: Path
    format: Format
    requests: int


@dataclass(frozen=True, slots=True)
class LintReport:
    """What there is to say about warm-up files.

    Attributes:
        model: The model.
        files: The files.
        findings: What was found, in the order of the files.
        coverage: What of recorded traffic the files cover; ``None`` if there is no record.
    """

    model: Path
    files: tuple[LintedFile, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage | None = None

    def count(self, severity: Severity) -> int:
        """How many findings are as bad as that."""
        return sum(each.severity is severity for each in self.findings)

    def passes(self, *, strict: bool = False) -> bool:
        """Whether there are no errors; ``strict``: and no warnings."""
        return not self.count(Severity.ERROR) and not (strict and self.count(Severity.WARNING))

    def as_dict(self) -> dict[str, Any]:
        """The report as ``tfkit warmup-lint --json`` prints it."""
        return {
            "model": str(self.model),
            "files": [
                {"path": str(each.path), "format": each.format.value, "requests": each.requests} for each in self.files
            ],
            "counts": {each.value: self.count(each) for each in Severity},
            "findings": [each.as_dict() for each in self.findings],
            "coverage": None if self.coverage is None else self.coverage.as_dict(),
        }


def lint_warmup(
    files: Sequence[str | Path], *, model: str | Path, signature: str = "", recorded: str | Path | None = None
) -> LintReport:
    """Says what is wrong with warm-up files, without running the model.

    Args:
        files: ``.bin`` and ``.txt`` files, folders of requests, TensorFlow Serving's warm-up files or SavedModels that
            hold one, folders of Triton models.
        model: The model that is to answer the requests: a SavedModel's folder, or a frozen graph's file.
        signature: The signature that the samples of Triton models are for, which name none; by default the model's
            default one.
        recorded: A folder of recorded requests: which of them do the files warm up?

    Raises:
        InputError: A file is not there, or the folder of recorded requests is damaged.
        ModelError: There is no model, or a damaged one.
        MissingError: A file may not be read.
        UsageError: No file is named, or a signature without a Triton model.

    Example:
        >>> report = lint_warmup(["warm_up_test.bin"], model="build/digits")  # doctest: +SKIP
        >>> [each.code for each in report.findings]                           # doctest: +SKIP
        ['all-outputs']
    """
    if not files:
        raise UsageError("nothing to check: name a warm-up file")
    model = Path(model)
    checker = RequestChecker(model)
    forms: Counter[RequestForm] = Counter()
    linted: list[LintedFile] = []
    findings: list[Finding] = []
    sources = [(path, find_format(path)[0]) for path in map(Path, files)]
    if signature and not any(format_ is Format.TRITON for _, format_ in sources):
        raise UsageError(
            f"signature {signature!r} has no use: each request says which it is for, except those of Triton's folders"
        )
    for path, format_ in sources:
        before = forms.total()
        findings += _lint_source(path, format_, model, checker, forms, signature)
        linted.append(LintedFile(path, format_, forms.total() - before))
    findings += _check_doubles(forms)
    coverage = None
    if recorded is not None:
        coverage = measure_coverage(Path(recorded), forms, checker)
        findings += check_coverage(coverage, forms, checker)
    return LintReport(model, tuple(linted), tuple(findings), coverage)


def _lint_source(
    path: Path, format_: Format, model: Path, checker: RequestChecker, forms: Counter[RequestForm], signature: str
) -> Iterator[Finding]:
    """What is wrong with a source; the forms of its requests are counted."""
    yield from (replace(each, file=str(path)) for each in _check_place(path, format_))
    items, count = read_items(path, model), 0
    while True:
        try:
            item = next(items, None)
        except (InputError, MessageError, SignatureError) as problem:
            yield error("unreadable", problem.message, problem.hint, file=str(path))
            return
        if item is None:
            break
        count += 1
        if format_ is Format.TRITON and item.request is not None:
            item = replace(item, request=replace(item.request, signature_name=signature))
        for each in _lint_item(item, checker):
            hint = _NAMELESS if format_ is Format.TRITON and each.code == DEFAULT_SIGNATURE else each.hint
            yield replace(each, file=str(item.file), place=item.place, hint=hint)
        if item.request is not None:
            forms[checker.complete(RequestForm.of(item.request))] += 1
    if not count:
        yield error(EMPTY, "there is no request in it", file=str(path))
    if format_ is Format.TF_SERVING and count > MAX_RECORDS:
        yield error(
            "too-many-records",
            f"{count} records: TensorFlow Serving loads no model with more than {MAX_RECORDS}",
            "One request of each form that production has is enough.",
            file=str(path),
        )


def _check_place(path: Path, format_: Format) -> Iterator[Finding]:
    """Whether a TFRecord file is called or packed as no service takes it."""
    if format_ is not Format.TF_SERVING or path.is_dir():
        return
    if path.suffix.lower() == ".bin":
        yield error(
            WRONG_FORMAT,
            "the file is a TFRecord, as TensorFlow Serving takes it: expected a serialized PredictRequest",
            f"Convert it: tfkit warmup-convert {path} --to {Format.EAS} --output FOLDER",
        )
    with opened(path) as stream:
        if stream.read(2) == _GZIP_MAGIC:
            yield error(WRONG_FORMAT, "the file is compressed: TensorFlow Serving reads it as it is", "Unpack it.")


def _lint_item(item: Item, checker: RequestChecker) -> Iterator[Finding]:
    if item.request is not None:
        if item.data:
            yield from check_wire(item.data)
        yield from checker.check(item.request)
    elif item.problem:
        damaged = list(check_damaged(item.data)) if item.code == DAMAGED else []
        yield from damaged or [error(item.code, item.problem, item.hint)]
    else:
        yield note("other-log", f"a {item.kind}, which is not checked: only a predict_log holds inputs by name")


def _check_doubles(forms: Counter[RequestForm]) -> Iterator[Finding]:
    for form, count in forms.items():
        if count > 1:
            yield note("same-form", f"{count} requests are of one form, of which one warms up the others: {form}")
