"""What ``import tfkit`` gives, and what it does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tfkit
from tfkit.bundle.report import BundleCheck, BundleReport, BundleStep
from tfkit.compat.check import CheckReport, Row
from tfkit.compat.report import VerifyReport, VerifyRow
from tfkit.compat.running import Ran
from tfkit.prove.report import ProcessorProof, WarmupProof
from tfkit.recipe.run import RecipeReport, StepReport

HEAVY = ("tensorflow", "keras", "numpy", "tf2onnx", "google.protobuf")


def test_every_public_name_is_there_and_nothing_else() -> None:
    assert sorted(tfkit.__all__) == sorted(tfkit._MODULE_OF)
    for name in tfkit.__all__:
        assert getattr(tfkit, name).__name__ == name
    assert sorted(tfkit.__all__) == [name for name in dir(tfkit) if not name.startswith("__")]
    with pytest.raises(AttributeError, match="no_such_name"):
        tfkit.no_such_name  # noqa: B018


def test_no_public_function_shares_a_package_s_name() -> None:
    packages = {path.parent.name for path in Path(tfkit.__file__).parent.glob("*/__init__.py")}
    assert not packages & set(tfkit.__all__)


def test_every_error_of_tfkit_has_a_public_name() -> None:
    from tfkit import errors

    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.TfkitError) and not name.startswith("_")
    }
    assert classes <= set(tfkit.__all__)


_MODEL = Path("build/digits")


@pytest.mark.parametrize(
    ("report", "shown"),
    [
        (
            CheckReport(
                _MODEL, ("serve",), "2.7.0", (), 9, (Row("tensorflow_cpu_1.15", "1.15", "runs", (), (), ()),), ()
            ),
            "<CheckReport build/digits: tensorflow_cpu_1.15 runs>",
        ),
        (
            VerifyReport(_MODEL, "two.keras", 0, (), (VerifyRow(Ran("installed"), "passed"),)),
            "<VerifyReport build/digits: passed: equal to two.keras, within what is allowed>",
        ),
        (
            WarmupProof(_MODEL, (), 3, 5000, (ProcessorProof("installed", problem="it does not start"),)),
            "<WarmupProof build/digits: FAILED: not proved on installed>",
        ),
        (
            RecipeReport(Path("digits.toml"), "digits", _MODEL, (StepReport("export", "done"),)),
            "<RecipeReport digits.toml: export done>",
        ),
        (
            BundleReport(_MODEL, "eas", "digits", "tensorflow_cpu_1.15", "", "not verified: nothing ran it", (), ()),
            "<BundleReport build/digits: digits on tensorflow_cpu_1.15, not verified: nothing ran it>",
        ),
        (
            BundleCheck(_MODEL, "", "", (BundleStep("service", "failed", ("it does not start\nInstall it.",)),)),
            "<BundleCheck build/digits: FAILED: service: it does not start>",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_report_shows_its_verdict_in_a_line_whatever_it_holds(report: object, shown: str) -> None:
    assert repr(report) == shown


@pytest.mark.parametrize("code", ["import tfkit", "import tfkit; tfkit.TfkitError; tfkit.Signature"])
def test_importing_tfkit_loads_nothing_heavy(code: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in loaded if name.startswith(HEAVY)]
