"""How reports show themselves in a notebook: whatever things are called, it stays text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from tfkit.bundle.report import FAILED, BundleCheck, BundledFile, BundleReport, BundleStep
from tfkit.compat.tolerance import Tolerance
from tfkit.eas.messages import PredictRequest
from tfkit.errors import TfkitError
from tfkit.export.everywhere import EverywhereReport, ProcessorExport
from tfkit.export.report import ExportedSignature, ExportReport, OutputCheck, SelfCheck, Source
from tfkit.html import page
from tfkit.prove.report import ProcessorProof, RequestProof, WarmupProof
from tfkit.recipe.page import render_page
from tfkit.recipe.run import RecipeReport, StepReport
from tfkit.tensors import DType, Signature, TensorSpec
from tfkit.warmup.form import RequestForm
from tfkit.warmup.report import WarmupFile, WarmupReport

BAD = "<script>x</script>&\"'"
PATH = Path(BAD)


class Shown(Protocol):
    def _repr_html_(self) -> str: ...


def spec() -> TensorSpec:
    return TensorSpec(BAD, DType.FLOAT, (None, 2), f"{BAD}:0")


def exported() -> ExportReport:
    signature = Signature(BAD, (spec(),), (spec(),))
    check = SelfCheck(batch_sizes=(1,), outputs=(OutputCheck(BAD, 0.0, Tolerance(0, 0)),))
    made = (ExportedSignature(signature, check),)
    return ExportReport(PATH, made, Source("keras", BAD), {}, (), (BAD,), {})


def proved() -> WarmupProof:
    form = RequestForm.of(PredictRequest({BAD: np.zeros((1, 2), np.float32)}, BAD))
    request = RequestProof(BAD, form, "", (BAD,), ((9.0,) * 9,), ((9.0,) * 9,))
    processors = (ProcessorProof(BAD, (request,)), ProcessorProof(BAD, problem=BAD, hint=BAD))
    return WarmupProof(PATH, (PATH,), 1, 5000, processors, datetime(2020, 1, 1, tzinfo=UTC))


REPORTS: dict[str, Shown] = {
    "signature": exported().signature,
    "export": exported(),
    "exports": EverywhereReport(
        PATH,
        Source("keras", BAD),
        (),
        (),
        (ProcessorExport(BAD, exported()), ProcessorExport(BAD, None, TfkitError(BAD))),
    ),
    "warm-up": WarmupReport(PATH, (WarmupFile(PATH, BAD, (BAD,), (), 1, BAD),), (BAD,)),
    "proof": proved(),
    "bundle": BundleReport(PATH, BAD, BAD, BAD, BAD, BAD, (BundledFile(BAD, 1, BAD),), (BAD,)),
    "bundle check": BundleCheck(PATH, BAD, BAD, (BundleStep(BAD, FAILED, (BAD,)),), notes=(BAD,)),
    "recipe": RecipeReport(PATH, BAD, PATH, (StepReport(BAD, "failed", BAD, exit_code=1),)),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_report_shows_names_as_text(report: Shown) -> None:
    shown = report._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;x&lt;/script&gt;&amp;" in shown
    assert shown.startswith('<div class="tfkit"><style>')
    assert shown.endswith("</div>")


def test_pages_show_names_as_text() -> None:
    report = REPORTS["recipe"]
    assert isinstance(report, RecipeReport)
    assert "<script" not in render_page(report)
    assert "<script" not in page(BAD, ())
