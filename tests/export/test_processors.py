"""An export for a processor runs in that processor's own TensorFlow and gives the source's numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.export.odd_models import export_for
from tests.old_tensorflow.recorded import FIXTURES
from tests.runtimes import CPU_PROCESSORS, installed_runtime
from tfkit.errors import LoweringError, UsageError, VerdictError
from tfkit.export import export_everywhere, export_model
from tfkit.processors.catalogue import PROCESSORS
from tfkit.runtime import Runtime

SAMPLES = Path(__file__).parents[2] / "sample_models"
pytestmark = pytest.mark.network


def export(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tfkit.cli", "export", *words], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def accuracy(processor: str, model: Path) -> float:
    """How many of the sample digits the model knows, in the TensorFlow of a processor."""
    images, labels = (np.load(SAMPLES / f"{name}.npy") for name in ("digits_test", "digits_test_labels"))
    with Runtime(processor, device="cpu") as runtime:
        outputs = runtime.load(model).predict({"images": images}, signature="predict_images")
    return float(np.mean(next(iter(outputs.values())).argmax(1) == labels))


def test_a_keras_model_for_every_processor(tmp_path: Path) -> None:
    for processor in CPU_PROCESSORS:
        installed_runtime(processor)
    model = str(SAMPLES / "digits_cnn.keras")
    done = export(
        model, "--processor", "all", "--output", str(tmp_path / "all"), "--signature", "predict_images", "--json"
    )
    report = json.loads(done.stdout)
    assert [each["problem"] for each in report["processors"]] == [""] * 11
    manifest = json.loads((tmp_path / "all" / "manifest.json").read_text())
    assert {name: report[name] for name in manifest} == manifest, "places and times are told, not kept"
    proved = {each["path"]: each["verify"]["processor"] for each in manifest["processors"]}
    assert proved == {each: each.replace("_gpu_", "_cpu_") for each in PROCESSORS}, "no card is needed, and it is said"
    for processor in CPU_PROCESSORS:
        assert accuracy(processor, tmp_path / "all" / processor) > 0.9
    copies = [tmp_path / "all" / each["processor"] / "variables" / "variables.index" for each in report["processors"]]
    assert len({path.stat().st_ino for path in copies}) == 1, "equal files are linked"


def test_a_saved_model_of_a_newer_tensorflow(tmp_path: Path) -> None:
    installed_runtime("tensorflow_cpu_1.15")
    newest = FIXTURES[-1]
    done = export(str(newest.model), "--processor", "tensorflow_cpu_1.15", "--output", str(tmp_path / "old"), "--json")
    report = json.loads(done.stdout)
    assert (report["lowering"]["written_by"], report["lowering"]["tensorflow"]) == ("2.7.4", "1.15")
    with Runtime("tensorflow_cpu_1.15", device="cpu") as runtime:
        model = runtime.load(tmp_path / "old")
        for case in (each for each in newest.cases() if each.signature == "look_up"):
            outputs = model.predict(case.inputs, signature="look_up")
            assert {name: array.tolist() for name, array in outputs.items()} == {
                name: array.tolist() for name, array in case.outputs.items()
            }


def test_several_processors_and_patterns_get_a_folder_each(tmp_path: Path) -> None:
    for processor in ("tensorflow_cpu_1.15", "tensorflow_cpu_2.3", "tensorflow_cpu_2.4"):
        installed_runtime(processor)
    model, output = str(SAMPLES / "penguins.keras"), tmp_path / "some"
    done = export(model, "-p", "tensorflow_cpu_1.15", "-p", "tensorflow_cpu_2.[34]", "--output", str(output))
    assert sorted(path.name for path in output.iterdir()) == [
        "manifest.json", "tensorflow_cpu_1.15", "tensorflow_cpu_2.3", "tensorflow_cpu_2.4",
    ]  # fmt: skip
    assert f"{output}: 3 of 3 processors" in done.stdout
    assert "no processor is named 'tensorflow_cpu_3*'" in export(
        model, "-p", "tensorflow_cpu_3*", "-o", str(tmp_path / "none"), code=2
    ).stderr  # fmt: skip


def test_the_cpu_build_that_proved_a_gpu_export_is_named(tmp_path: Path) -> None:
    installed_runtime("tensorflow_cpu_2.7")
    model = str(SAMPLES / "digits_mlp.keras")
    done = export(model, "--processor", "tensorflow_gpu_2.7", "--output", str(tmp_path / "gpu"))
    assert "proved in tensorflow_cpu_2.7: tensorflow_gpu_2.7 itself was not run" in done.stdout


def test_each_signature_is_reported_with_its_comparison(tmp_path: Path) -> None:
    report = export_model(FIXTURES[0].model, tmp_path / "out")
    checks = {each.signature.name: each.check for each in report.signatures}
    assert report.signatures[0].signature.name == "serving_default"
    assert [output.name for output in checks["look_up"].outputs] == ["index", "known"]
    assert checks["crash"].skipped == "nothing to compare"
    assert any(note.startswith("signature 'crash' was not compared") for note in report.notes)


def test_what_runs_on_no_processor_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(
        LoweringError, match=r"(?s)addons can be made to run on none .* on the newest .*Addons>ParseTime"
    ):
        export_everywhere(
            FIXTURES[-1].addons, tmp_path / "no", processors=["tensorflow_cpu_2.4", "tensorflow_cpu_2.7"], verify=False
        )
    with pytest.raises(UsageError, match="no processor is named to export for"):
        export_everywhere(FIXTURES[-1].model, tmp_path / "no", processors=[])
    assert list(tmp_path.iterdir()) == []


def test_what_differs_on_every_processor_is_told_as_that(in_keras, tmp_path: Path) -> None:
    installed_runtime("tensorflow_cpu_2.7")
    with pytest.raises(VerdictError, match=r"passes on none .* on tensorflow_cpu_2\.7: output 'y' differs"):
        in_keras(export_for, ["tensorflow_cpu_2.7"], "other_in_a_graph", tmp_path / "no")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_for_an_old_tensorflow_is_named(tmp_path: Path) -> None:
    fixture = FIXTURES[-1]
    done = export(
        str(fixture.addons),
        "--processor",
        "tensorflow_cpu_2.7",
        "--output",
        str(tmp_path / "no"),
        "--no-verify",
        code=3,
    )
    assert "Addons>ParseTime" in done.stderr
    assert not (tmp_path / "no").exists()
