"""``tfkit.make_bundle``: what is in a bundle, and when there is none."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tfkit
from tests.bundle.conftest import PROCESSOR, request, write_model
from tests.compat.crafted import FLOAT, Crafted
from tests.old_tensorflow.recorded import FIXTURES
from tfkit.compat.recorded import EVIDENCE
from tfkit.eas.messages import PredictRequest, decode_response, encode_request
from tfkit.errors import InputError, MissingError, SignatureError, UsageError, VerdictError
from tfkit.graph.attributes import float_value
from tfkit.inputs.tfrecord import read_records
from tfkit.warmup.convert import convert_warmup
from tfkit.warmup.tf_serving import WARMUP_FILE, decode_log

Make = Callable[..., Path]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name not in ("model", "warm_up.bin")]


@pytest.mark.network
def test_it_holds_what_is_uploaded_and_what_proves_it(made: Path, warm_up: Path) -> None:
    assert files(made) == [
        "SHA256SUMS", "bundle.json", "evidence/check.json", "evidence/verify.json", "evidence/warm_up_1.response.bin",
        "model.tar.gz", "service.json", "warm_up_test.bin",
    ]  # fmt: skip
    assert json.loads((made / "service.json").read_text()) == {
        "name": "doubled",
        "processor": PROCESSOR,
        "model_path": "model.tar.gz",
        "warm_up_data_path": "warm_up_test.bin",
        "metadata": {"instance": 1, "cpu": 1},
    }
    assert (made / "warm_up_test.bin").read_bytes() == warm_up.read_bytes()
    answer = decode_response((made / "evidence" / "warm_up_1.response.bin").read_bytes())
    assert answer.outputs["y"].tolist() == [[1, 0.5, 0.25]]
    verified = json.loads((made / "evidence" / "verify.json").read_text())
    assert (verified["model"], verified["passed"]) == ("model.tar.gz", True)
    assert verified["verdict"] == "equal to the source's recorded outputs, within what is allowed"
    checked = json.loads((made / "evidence" / "check.json").read_text())
    assert [(row["processor"], row["verdict"]) for row in checked["processors"]] == [(PROCESSOR, "runs")]


@pytest.mark.network
def test_the_same_model_gives_the_same_bytes_elsewhere_and_later(
    made: Path, model: Path, warm_up: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.copyfile(warm_up, tmp_path / "w.bin")
    options = {"processor": PROCESSOR, "name": "doubled"}
    tfkit.make_bundle(tmp_path / "copy", tmp_path / "x" / "y", warm_up=tmp_path / "w.bin", **options)  # type: ignore[arg-type]
    assert contents(tmp_path / "x" / "y") == contents(made)


@pytest.mark.network
def test_without_a_source_s_answers_it_holds_those_of_another_runtime(
    made: Path, warm_up: Path, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model", answers=None)
    report = tfkit.make_bundle(model, tmp_path / "bundle", processor=PROCESSOR, warm_up=warm_up)
    assert report.name == "model"
    assert report.verdict == "consistent between runtimes"
    assert {"evidence/1.request.bin", "evidence/1.response.bin"} <= set(files(tmp_path / "bundle"))


@pytest.mark.network
def test_a_model_that_differs_from_its_source_is_not_bundled(made: Path, warm_up: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", factor=2.5)
    with pytest.raises(VerdictError, match=f"{PROCESSOR} differs"):
        tfkit.make_bundle(model, tmp_path / "bundle", processor=PROCESSOR, warm_up=warm_up)
    assert left(tmp_path) == []
    report = tfkit.make_bundle(model, tmp_path / "bundle", processor=PROCESSOR, warm_up=warm_up, verify=False)
    assert (report.proved_in, report.verdict) == ("", "not verified: nothing ran it")
    assert "not verified" in report._repr_html_()
    report = tfkit.make_bundle(model, tmp_path / "allowed", processor=PROCESSOR, warm_up=warm_up, atol=3.0)
    assert report.proved_in == PROCESSOR
    assert tfkit.check_bundle(tmp_path / "allowed").passed, "the bundle keeps what was allowed"


def test_a_model_that_has_to_be_lowered_is_not_bundled(warm_up: Path, tmp_path: Path) -> None:
    made = Crafted(3)
    made.signature(y=made.node("y", "LeakyRelu", ["x"], T=FLOAT, alpha=float_value(0.1)))
    model = made.write(tmp_path / "model")
    options = {"processor": "tensorflow_cpu_1.12", "warm_up": warm_up}
    with pytest.raises(VerdictError, match="only after lowering") as caught:
        tfkit.make_bundle(model, tmp_path / "bundle", **options)  # type: ignore[arg-type]
    assert f"tfkit export {model} --processor tensorflow_cpu_1.12" in caught.value.hint
    report = tfkit.make_bundle(model, tmp_path / "bundle", verify=False, **options)  # type: ignore[arg-type]
    assert any("only after lowering" in note for note in report.notes), "it is a note then"


@pytest.mark.network
def test_a_frozen_graph_for_a_gpu_is_proved_without_one(made: Path, tmp_path: Path) -> None:
    graph = next(each for each in FIXTURES if each.processor == PROCESSOR).model.parent / "frozen.pb"
    warm_up = tmp_path / "w.bin"
    warm_up.write_bytes(encode_request(PredictRequest({"features": np.ones((1, 4), np.float32)}, "", ("scores",))))
    report = tfkit.make_bundle(graph, tmp_path / "bundle", processor="tensorflow_gpu_1.15", warm_up=warm_up)
    assert report.name == "frozen"
    assert json.loads((tmp_path / "bundle" / "service.json").read_text())["metadata"]["gpu"] == 1
    assert report.verdict.startswith(f"runs in {report.proved_in}, with nothing to compare")
    if report.proved_in == PROCESSOR:
        assert report.notes == (f"proved in {PROCESSOR}: the same TensorFlow, without a GPU",)
    with pytest.raises(InputError, match="TensorFlow Serving does not take"):
        tfkit.make_bundle(graph, tmp_path / "other", processor=PROCESSOR, warm_up=warm_up, layout="tf-serving")


def test_an_archive_s_url_and_a_token_are_written_when_they_are_given(make: Make) -> None:
    folder = make(base_url="oss://bucket/models/", token="secret", settings={"cpu": 4})
    service = json.loads((folder / "service.json").read_text())
    assert service["model_path"] == "oss://bucket/models/model.tar.gz"
    assert service["warm_up_data_path"] == "oss://bucket/models/warm_up_test.bin"
    assert (service["token"], service["metadata"]["cpu"]) == ("secret", 4)
    assert stat.S_IMODE((folder / "service.json").stat().st_mode) == 0o600
    others = [content for name, content in contents(folder).items() if name != "service.json"]
    assert not any(b"secret" in content for content in others)


@pytest.mark.parametrize(
    ("name", "layout", "notes"),
    [
        ("doubled_2", "eas", 0),
        ("Doubled", "eas", 1),
        ("doubled-2", "eas", 1),
        ("ab", "eas", 1),
        ("a" * 64, "eas", 1),
        ("doubled-2", "tf-serving", 0),
    ],
)
def test_a_name_that_eas_may_refuse_is_noted(make: Make, name: str, layout: str, notes: int) -> None:
    told = json.loads((make(name=name, layout=layout) / "bundle.json").read_text())["notes"]
    assert [note.startswith(f"EAS may refuse the name {name!r}") for note in told] == [True] * notes


def test_a_key_that_nobody_knows_is_kept_and_noted(make: Make) -> None:
    folder = make(settings={"rpc.keep_alive": 5, "autoscaler.min": 1})
    service = json.loads((folder / "service.json").read_text())
    assert (service["metadata"]["rpc"], service["autoscaler"]) == ({"keep_alive": 5}, {"min": 1})
    assert json.loads((folder / "bundle.json").read_text())["notes"] == [
        "metadata.rpc.keep_alive is no key that tfkit knows: kept; did you mean metadata.rpc.keepalive?"
    ]


def test_the_report_names_the_folder_as_it_was_given(
    model: Path, warm_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"processor": PROCESSOR, "warm_up": warm_up, "verify": False}
    assert tfkit.make_bundle(model, "out/bundle", **options).folder == Path("out/bundle")  # type: ignore[arg-type]
    assert (tmp_path / "out" / "bundle" / "service.json").is_file()


def test_without_a_warm_up_file_the_bundle_says_so(make: Make) -> None:
    folder = make(warm_up=())
    assert "warm_up_data_path" not in (folder / "service.json").read_text()
    assert "there is no warm-up file" in (folder / "bundle.json").read_text()


def test_a_layout_for_tensorflow_serving(make: Make, model: Path, warm_up: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(request(np.zeros((8, 3), np.float32)))
    folder = make(layout="tf-serving", model_version=7, warm_up=[warm_up, other])
    assert not (folder / "service.json").exists()
    place = folder / "doubled" / "7"
    assert set(files(place)) == {*files(model), str(WARMUP_FILE)}
    requests = [decode_log(record)[1] for record in read_records(place / WARMUP_FILE)]
    assert [each.inputs["x"].shape for each in requests if each is not None] == [(1, 3), (8, 3)]


def test_the_model_s_own_warm_up_requests_are_none_of_the_bundle_s(warm_up: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    convert_warmup([warm_up], model, to="tf-serving")
    own, options = (model / WARMUP_FILE).read_bytes(), {"processor": PROCESSOR, "layout": "tf-serving", "verify": False}
    (tmp_path / "other.bin").write_bytes(request(np.zeros((8, 3), np.float32)))
    for files, is_there in (((), False), (tmp_path / "other.bin", True)):
        tfkit.make_bundle(model, tmp_path / "bundle", warm_up=files, force=True, **options)  # type: ignore[arg-type]
        records = tmp_path / "bundle" / "model" / "1" / WARMUP_FILE
        assert records.is_file() == is_there
        assert records.parent.is_dir(), "with what else the model has there"
    assert records.read_bytes() != own


def test_of_models_for_several_processors_the_right_one_is_taken(warm_up: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "all" / PROCESSOR)
    write_model(tmp_path / "all" / "tensorflow_cpu_2.7", factor=3.0)
    report = tfkit.make_bundle(
        tmp_path / "all", tmp_path / "bundle", processor=PROCESSOR, warm_up=warm_up, verify=False
    )
    alone = tfkit.make_bundle(
        tmp_path / "all" / PROCESSOR, tmp_path / "alone", processor=PROCESSOR, warm_up=warm_up, verify=False
    )
    assert [each.sha256 for each in report.files if each.name == "model.tar.gz"] == [
        each.sha256 for each in alone.files if each.name == "model.tar.gz"
    ]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"processor": "tensorflow_cpu_1.16"}, "no processor is named"),
        ({"processor": "installed"}, "EAS has no processor 'installed'"),
        ({"name": "a/b"}, "cannot be a service's name"),
        ({"layout": "triton"}, "no layout is called 'triton'"),
        ({"layout": "tf-serving", "name": "evidence"}, "something else in the bundle"),
        ({"layout": "tf-serving", "settings": {"cpu": 2}}, "takes no service JSON"),
        ({"layout": "tf-serving", "token": "secret"}, "takes no service JSON"),
        ({"base_url": "bucket/path"}, "no URL to upload to"),
        ({"warm_up": ["a.bin", "b.bin"]}, "2 warm-up files"),
        ({"model_version": 0}, "version 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Make, options: dict[str, object], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        make(**options)


@pytest.mark.parametrize(
    ("inputs", "signature", "fetch", "problem"),
    [
        ({"x": np.zeros((1, 2), np.float32)}, "serving_default", (), r"has shape \[1, 2\]"),
        ({"x": np.zeros((1, 3), np.float64)}, "serving_default", (), "has dtype float64"),
        ({"z": np.zeros((1, 3), np.float32)}, "serving_default", (), "'z'"),
        ({}, "serving_default", (), "input 'x' is missing"),
        ({"x": np.zeros((1, 3), np.float32)}, "other", (), "no signature 'other'"),
        ({"x": np.zeros((1, 3), np.float32)}, "", ("z",), "'z'"),
    ],
)
def test_a_warm_up_request_must_fit(
    make: Make, tmp_path: Path, inputs: dict[str, np.ndarray], signature: str, fetch: tuple[str, ...], problem: str
) -> None:
    warm_up = tmp_path / "misfit.bin"
    warm_up.write_bytes(encode_request(PredictRequest(inputs, signature, fetch)))
    with pytest.raises(SignatureError, match=rf"misfit\.bin does not fit the model: .*{problem}"):
        make(warm_up=warm_up)


def test_what_lint_warns_of_is_noted(make: Make, tmp_path: Path) -> None:
    warm_up = tmp_path / "hot.bin"
    warm_up.write_bytes(request(np.full((1, 3), np.nan, np.float32)))
    folder = make(warm_up=warm_up)
    (note,) = json.loads((folder / "bundle.json").read_text())["notes"]
    assert note.startswith("warm-up: ")
    assert "NaN" in note


def test_what_is_there_is_kept_unless_it_is_a_bundle_to_be_replaced(make: Make, tmp_path: Path) -> None:
    folder = make()
    with pytest.raises(UsageError, match="exists already"):
        make()
    before = contents(folder)
    with pytest.raises(UsageError):
        make(force=True, settings={"cpu": 0})
    assert contents(folder) == before
    make(force=True, settings={"cpu": 3})
    assert contents(folder) != before
    shutil.rmtree(folder)
    write_model(folder)
    with pytest.raises(InputError, match="is no bundle: it is never replaced"):
        make(force=True)
    shutil.rmtree(folder)
    folder.write_text("a file")
    with pytest.raises(InputError, match="is a file"):
        make(force=True)
    assert left(tmp_path) == ["made"]


def test_a_bundle_inside_of_the_model_is_refused(warm_up: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    with pytest.raises(InputError, match="inside of the model"):
        tfkit.make_bundle(model, model / "bundle", processor=PROCESSOR, warm_up=warm_up, verify=False)
    assert not (model / "bundle").exists()


def test_what_cannot_be_read_leaves_nothing(
    visible_path: Path, warm_up: Path, unprivileged: Callable[[], object]
) -> None:
    model = write_model(visible_path / "model")
    (model / EVIDENCE / "2.response.bin").chmod(0)
    shutil.copyfile(warm_up, visible_path / "warm_up.bin")
    visible_path.chmod(0o777)
    options = {"processor": PROCESSOR, "warm_up": visible_path / "warm_up.bin", "verify": False}
    with unprivileged(), pytest.raises(MissingError, match=r"2\.response\.bin may not be read"):  # type: ignore[attr-defined]
        tfkit.make_bundle(model, visible_path / "bundle", **options)  # type: ignore[arg-type]
    assert left(visible_path) == []
