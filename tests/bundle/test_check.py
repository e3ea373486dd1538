"""``tfkit.check_bundle``: a sound bundle passes in a real server, and whatever was done to one is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfkit
from tests.bundle.conftest import PROCESSOR, request, write_model
from tests.compat.crafted import FLOAT, Crafted
from tests.serving import Server
from tfkit import proto
from tfkit.bundle.archive import model_entries, write_archive
from tfkit.bundle.sums import write_sums
from tfkit.client import Client
from tfkit.errors import InputError, MissingError, UsageError
from tfkit.inputs.tfrecord import read_records, write_records
from tfkit.warmup.tf_serving import WARMUP_FILE

pytestmark = pytest.mark.network


def statuses(bundle: Path) -> dict[str, str]:
    return {step.name: step.status for step in tfkit.check_bundle(bundle).steps}


def problems(bundle: Path, step: str) -> str:
    report = tfkit.check_bundle(bundle)
    assert not report.passed
    return "\n".join(next(each.details for each in report.steps if each.name == step and each.status == "failed"))


def edit(bundle: Path, changes: Mapping[str, Any]) -> None:
    """Changes the service JSON, as people do, and the checksums with it."""
    path = bundle / "service.json"
    service = {name: value for name, value in (json.loads(path.read_text()) | changes).items() if value is not None}
    path.write_text(json.dumps(service))
    write_sums(bundle)


def test_a_sound_bundle_passes(made: Path) -> None:
    for path in (made, made / "service.json"):
        report = tfkit.check_bundle(path)
        assert report.passed, report.verdict
        assert report.verdict == f"starts in {PROCESSOR}, and gives the recorded answers: 3 requests, 1 output"
        assert [step.status for step in report.steps] == ["passed"] * 5
        assert (report.processor, report.proved_in, report.notes) == (PROCESSOR, PROCESSOR, ())
        assert [output.values for output in report.outputs] == [12]


def test_its_service_json_is_served_as_it_is(made: Path) -> None:
    with Server(made / "service.json") as server, Client(server.url) as client:
        assert server.name == "doubled"
        assert client.predict({"x": [[1, 2, 3]]})["y"].tolist() == [[2, 4, 6]]


def test_one_with_settings_a_token_and_an_address_passes(model: Path, warm_up: Path, tmp_path: Path) -> None:
    tfkit.make_bundle(
        model,
        tmp_path / "bundle",
        processor=PROCESSOR,
        warm_up=warm_up,
        base_url="https://host/models",
        token="secret",
        name="Doubled",
        settings={"rpc.decompressor": "zlib", "rpc.rate_limit": 1, "rpc.keepalive": 20_000, "rpc.io_thread": {"a": 1}},
    )
    report = tfkit.check_bundle(tmp_path / "bundle")
    assert report.passed, report.verdict
    assert report.notes == (
        "EAS may refuse the name 'Doubled': it takes 3 to 63 lower-case letters, digits and '_'",
        "metadata.rpc.io_thread is no key that tfkit knows: kept; did you mean metadata.rpc.io_threads?",
    )


def test_one_for_tensorflow_serving_passes(model: Path, warm_up: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(request(np.ones((2, 3), np.float32)))
    folder = tmp_path / "bundle"
    tfkit.make_bundle(model, folder, processor=PROCESSOR, name="doubled", warm_up=[warm_up, other], layout="tf-serving")
    report = tfkit.check_bundle(folder)
    assert report.passed, report.verdict
    assert "4 requests" in report.verdict
    (folder / "doubled" / "1" / WARMUP_FILE).write_bytes(b"not a record at all")
    assert "was changed" in problems(folder, "files")
    assert "TFRecord" in problems(folder, "model")


def test_logs_that_are_no_requests_are_skipped_as_a_service_does(model: Path, warm_up: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    tfkit.make_bundle(model, folder, processor=PROCESSOR, name="doubled", warm_up=warm_up, layout="tf-serving")
    records = folder / "doubled" / "1" / WARMUP_FILE
    log = proto.message("tensorflow.serving.PredictionLog")()
    log.classify_log.SetInParent()
    logs = [log.SerializeToString(), *read_records(records)]
    with records.open("wb") as stream:
        write_records(stream, logs)
    write_sums(folder)
    report = tfkit.check_bundle(folder)
    assert report.passed, report.verdict
    assert report.steps[2].details == (
        "a SavedModel, 1 signature; 1 warm-up request",
        "1 record skipped: a classify_log, which only TensorFlow Serving answers",
    )
    assert "3 requests" in report.verdict


def test_without_recorded_answers_it_only_answers(model: Path, warm_up: Path, tmp_path: Path) -> None:
    plain = write_model(tmp_path / "model", answers=None)
    for number, files in enumerate([warm_up, ()]):
        folder = tmp_path / f"bundle_{number}"
        tfkit.make_bundle(plain, folder, processor=PROCESSOR, warm_up=files, verify=False)
    assert tfkit.check_bundle(tmp_path / "bundle_0").verdict.endswith(
        "answers 1 request, with nothing recorded to compare"
    )
    assert tfkit.check_bundle(tmp_path / "bundle_1").verdict.endswith("is asked nothing, as it holds no requests")


def test_numbers_that_differ_are_named(bundle: Path, tmp_path: Path) -> None:
    """The archive of another model, with the recorded answers of this one."""
    other = write_model(tmp_path / "other", factor=2.5, answers=2.0)
    (bundle / "model.tar.gz").unlink()
    write_archive(model_entries(other), bundle / "model.tar.gz")
    write_sums(bundle)
    report = tfkit.check_bundle(bundle)
    assert statuses(bundle) | {"answers": "failed"} == statuses(bundle)
    assert "output 'y' of 'serving_default': 12 of 12 values differ" in report.verdict
    assert "FAILED: answers: output &#x27;y&#x27;" in report._repr_html_()
    assert "worst in recorded 1 at [1, 2]: came 15.0, expected 12.0" in report.verdict


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"processor": None}, "processor is missing"),
        ({"processor": "tensorflow_cpu_1.16"}, "no processor is named 'tensorflow_cpu_1.16'"),
        ({"processor": "tensorflow_cpu_2.7"}, f"the bundle was made, and its model proved, for '{PROCESSOR}'"),
        ({"model_path": "other.tar.gz"}, "there is no other.tar.gz in the bundle"),
        ({"model_path": "../model.tar.gz"}, "expected a file of the bundle"),
        ({"warm_up_data_path": "oss://bucket/gone.bin"}, "there is no gone.bin in the bundle"),
        ({"metadata": {"instance": "2"}}, 'metadata.instance is "2": expected a whole number'),
        ({"name": 5}, "name is 5: expected text"),
        ({"name": "../doubled"}, "name is '../doubled': expected letters"),
    ],
)
def test_a_service_json_that_would_not_deploy_is_named(bundle: Path, changes: dict[str, Any], problem: str) -> None:
    edit(bundle, changes)
    assert problem in problems(bundle, "settings")
    assert statuses(bundle)["service"] == "not run"


def test_a_service_json_with_comments_is_named(bundle: Path) -> None:
    path = bundle / "service.json"
    path.write_text("// comment\n" + path.read_text())
    assert "service.json was changed" in problems(bundle, "files")
    assert "is no strict JSON" in problems(bundle, "settings")


def _cut_archive(bundle: Path) -> None:
    data = (bundle / "model.tar.gz").read_bytes()
    (bundle / "model.tar.gz").write_bytes(data[: len(data) // 2])


def _empty_archive(bundle: Path) -> None:
    (bundle / "empty").mkdir()
    (bundle / "model.tar.gz").unlink()
    write_archive(model_entries(bundle / "empty"), bundle / "model.tar.gz")
    (bundle / "empty").rmdir()


def _other_warm_up(bundle: Path) -> None:
    (bundle / "warm_up_test.bin").write_bytes(request(np.zeros((1, 4), np.float32)))


def _damaged_warm_up(bundle: Path) -> None:
    (bundle / "warm_up_test.bin").write_bytes(b"\xff\xff")


@pytest.mark.parametrize(
    ("tamper", "file", "problem"),
    [
        (_cut_archive, "model.tar.gz", "is damaged or cut off"),
        (_empty_archive, "model.tar.gz", "model.tar.gz holds no SavedModel"),
        (_other_warm_up, "warm_up_test.bin", "does not fit the model: input 'x' has shape [1, 4]"),
        (_damaged_warm_up, "warm_up_test.bin", "warm_up_test.bin holds no PredictRequest"),
    ],
)
def test_files_that_were_touched_are_named(
    bundle: Path, tamper: Callable[[Path], None], file: str, problem: str
) -> None:
    tamper(bundle)
    report = tfkit.check_bundle(bundle)
    details = {step.name: (step.status, step.details) for step in report.steps}
    assert details["files"] == ("failed", (f"{file} was changed: its checksum is another",))
    assert details["settings"][0] == "passed"
    assert problem in details["model"][1][0]
    assert details["service"][0] == "not run"


def test_files_that_came_or_went_are_named(bundle: Path) -> None:
    (bundle / "evidence" / "verify.json").unlink()
    (bundle / "notes.txt").write_text("")
    report = tfkit.check_bundle(bundle)
    assert report.steps[0].details == ("notes.txt is not in SHA256SUMS", "evidence/verify.json is missing")
    assert [step.status for step in report.steps] == ["failed", "passed", "passed", "passed", "passed"]
    assert report.verdict == "files: notes.txt is not in SHA256SUMS (and 1 more)"


def test_a_recorded_answer_that_is_damaged_is_named(bundle: Path) -> None:
    (bundle / "evidence" / "warm_up_1.response.bin").write_bytes(b"\xff")
    write_sums(bundle)
    assert "warm_up_1.response.bin" in problems(bundle, "answers")


def test_a_service_that_does_not_start_is_told(bundle: Path) -> None:
    edit(bundle, {"metadata": {"rpc": {"decompressor": "gzip", "worker_threads": 10**9}}})
    assert "worker_threads" in problems(bundle, "service")


def test_a_model_that_does_not_load_is_told_by_the_bundle_s_own_names(bundle: Path, tmp_path: Path) -> None:
    made = Crafted(3)
    made.signature(y=made.node("y", "NoSuchOp", ["x"], T=FLOAT))
    write_archive(model_entries(made.write(tmp_path / "other")), tmp_path / "model.tar.gz")
    (tmp_path / "model.tar.gz").replace(bundle / "model.tar.gz")
    write_sums(bundle)
    told = problems(bundle, "service")
    assert f"{bundle / 'model.tar.gz'}" in told
    assert f"bundle that anew into {bundle}" in told
    assert "tfkit-" not in told, "what was unpacked is gone"


def test_what_is_no_bundle_is_refused(made: Path, model: Path, tmp_path: Path) -> None:
    for path in (model, tmp_path, made / "model.tar.gz"):
        with pytest.raises(InputError, match="is no bundle"):
            tfkit.check_bundle(path)


@pytest.mark.parametrize("options", [{"device": "tpu"}, {"timeout_s": 0}, {"timeout_s": float("nan")}])
def test_wrong_options_are_no_verdict_on_the_bundle(made: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected"):
        tfkit.check_bundle(made, **options)


def test_a_bundle_without_its_parts_is_told(bundle: Path) -> None:
    (bundle / "service.json").unlink()
    assert "service.json is missing" in problems(bundle, "settings")
    (bundle / "bundle.json").write_text("{")
    assert "service.json is missing" in problems(bundle, "settings")


def test_without_its_processor_there_is_no_verdict(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path))
    with pytest.raises(MissingError, match=f"{PROCESSOR} is not installed") as caught:
        tfkit.check_bundle(made)
    assert f"tfkit runtime install {PROCESSOR}" in caught.value.hint


def test_a_bundle_for_a_gpu_says_where_it_was_proved(bundle: Path) -> None:
    manifest = bundle / "bundle.json"
    manifest.write_text(manifest.read_text().replace(PROCESSOR, "tensorflow_gpu_1.15"))
    edit(bundle, {"processor": "tensorflow_gpu_1.15"})
    report = tfkit.check_bundle(bundle)
    assert report.passed, report.verdict
    assert report.processor == "tensorflow_gpu_1.15"
    if report.proved_in == PROCESSOR:
        assert report.notes == (f"proved in {PROCESSOR}: the same TensorFlow, without a GPU",)
    shutil.rmtree(bundle)
