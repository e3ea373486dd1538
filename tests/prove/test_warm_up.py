"""What a warm-up does for the first requests of real services, and the proof of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tfkit
from tests.compat.crafted import FLOAT, Crafted
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MessageError, SignatureError, UsageError
from tfkit.prove.page import render_page
from tfkit.prove.report import ProcessorProof, RequestProof, WarmupProof
from tfkit.warmup.folder import write_manifest
from tfkit.warmup.form import RequestForm

OPS = 3000  # TensorFlow optimises and places them at the first run, for 50 times as long as a run takes
X = {"x": np.ones((1, 2), np.float32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proof")


@pytest.fixture(scope="module")
def heavy(folder: Path) -> Path:
    """A model whose first run takes long."""
    made = Crafted(2)
    names = ["x"]
    for number in range(OPS):
        names.append(made.node(f"n{number}", "Sin" if number % 2 else "Tanh", names[-1:], T=FLOAT))
    made.signature(end=names[-1], middle=names[OPS // 2])
    return made.write(folder / "heavy")


@pytest.fixture(scope="module")
def light(folder: Path) -> Path:
    """A model whose first run is over at once."""
    made = Crafted(2)
    made.signature(end=made.node("y", "Neg", ["x"], T=FLOAT), middle=made.node("z", "Abs", ["x"], T=FLOAT))
    return made.write(folder / "light")


def write(path: Path, *fetches: str, rows: int = 1) -> Path:
    path.write_bytes(encode_request(PredictRequest({"x": np.ones((rows, 2), np.float32)}, "", fetches)))
    return path


def test_a_warm_up_takes_what_the_first_request_would_have_waited_for(heavy: Path, folder: Path) -> None:
    warm_up = write(folder / "all.bin")
    proof = tfkit.prove_warmup(heavy, warm_up, runs=2, rounds=10)
    (request,) = proof.processors[0].requests
    assert request.result == "effective"
    assert request.covered_by == "all.bin"
    assert request.cold_first_ms > 3 * request.warm_first_ms
    assert proof.passed
    assert [len(each) for each in (*request.cold_ms, *request.warm_ms)] == [10] * 4
    assert "<svg" in render_page(proof)
    assert "<svg" in proof._repr_html_()
    json.dumps(proof.as_dict())


def test_other_outputs_are_not_warm(heavy: Path, folder: Path) -> None:
    warm_up, asked = write(folder / "middle.bin", "middle"), write(folder / "end.bin", "end")
    proof = tfkit.prove_warmup(heavy, [warm_up], requests=asked, runs=1, rounds=6)
    (request,) = proof.processors[0].requests
    assert request.result == "not covered"
    assert request.differences == ("outputs end, not middle",)
    assert not proof.passed
    assert "end.bin" in proof.verdict
    assert request.warm_first_ms > 3 * request.later_ms  # TensorFlow prepares itself anew


def test_a_request_for_all_outputs_is_covered_by_one_that_names_them_all(light: Path, folder: Path) -> None:
    proof = tfkit.prove_warmup(
        light, write(folder / "named.bin", "middle", "end"), requests=[write(folder / "any.bin")] * 2, runs=1, rounds=8
    )
    (request,) = proof.processors[0].requests
    assert request.covered_by == "named.bin"
    assert request.later_ms < 50


def test_what_cannot_be_started_is_told_and_fails(light: Path, folder: Path) -> None:
    proof = tfkit.prove_warmup(light, write(folder / "unknown.bin", "no_such_output"), runs=1, rounds=6)
    assert "unknown.bin: " in proof.processors[0].problem
    assert "no_such_output" in proof.processors[0].problem
    assert not proof.passed


@pytest.mark.parametrize(("options", "code"), [((), 3), (("--device", "gpu"), 4)])
def test_where_nothing_is_measured_what_kept_it_from_that_is_the_exit_code(
    light: Path, folder: Path, options: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    done = prove(light, "--warm-up", write(folder / "unknown.bin", "no_such_output"), *options, "--runs", 1)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("installed: "), "there is no table without rows"


def test_a_model_that_does_not_load_is_a_verdict(folder: Path) -> None:
    made = Crafted(2)
    made.signature(y=made.node("y", "NoSuchOp", ["x"], T=FLOAT))
    done = prove(made.write(folder / "unloadable"), "--warm-up", write(folder / "any.bin"), "--runs", 1)
    assert done.returncode == 1, done.stderr
    assert "FAILED: not proved on installed" in done.stdout


def test_a_processor_that_is_named_must_be_there(
    light: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path))
    warm_up = write(folder / "any.bin")
    named = tfkit.prove_warmup(light, warm_up, processors=["installed", "tensorflow_cpu_1.15"], runs=1, rounds=6)
    assert (named.passed, named.verdict) == (False, "not proved on tensorflow_cpu_1.15")
    nothing = tfkit.prove_warmup(light, warm_up, processors=["tensorflow_cpu_*"], runs=1, rounds=6)
    assert not nothing.passed
    assert "nothing was measured" in nothing.verdict
    pattern = tfkit.prove_warmup(light, warm_up, processors=["installed", "tensorflow_cpu_*"], runs=1, rounds=6)
    assert pattern.passed
    assert [each.processor for each in pattern.measured] == ["installed"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"runs": 0}, UsageError, "at least 1 run"),
        ({"rounds": 5}, UsageError, "more than 5 rounds"),
        ({"warm_up": []}, UsageError, "no warm-up file"),
        ({"warm_up": "missing.bin"}, InputError, "missing.bin does not exist"),
        ({"device": "tpu"}, UsageError, "'tpu': expected auto, cpu"),
        ({"processors": ["tensorflow_cpu_1.16"]}, UsageError, "tensorflow_cpu_1.16"),
        ({"tags": ["other"]}, tfkit.ModelError, "other"),
    ],
)
def test_wrong_arguments(light: Path, folder: Path, change: dict, error: type[Exception], words: str) -> None:
    arguments = {"model": light, "warm_up": write(folder / "any.bin")} | change
    with pytest.raises(error, match=words):
        tfkit.prove_warmup(**arguments)


def test_files_that_are_not_one_request(light: Path, tmp_path: Path) -> None:
    """An empty record as well: the warm-up's own requests are not what production asks."""
    warm_up = write(tmp_path / "one.bin")
    (tmp_path / "twice.bin").write_bytes(warm_up.read_bytes() * 2)
    (tmp_path / "text.bin").write_text('{"inputs": {"x": [1]}}')
    with pytest.raises(MessageError, match=r"twice\.bin holds two requests: input 'x' comes a second time"):
        tfkit.prove_warmup(light, tmp_path / "twice.bin")
    with pytest.raises(MessageError, match=r"text\.bin is JSON text") as caught:
        tfkit.prove_warmup(light, warm_up, requests=tmp_path / "text.bin")
    assert "warmup-gen MODEL --input @FILE.json" in caught.value.hint
    (tmp_path / "empty").mkdir()
    write_manifest(tmp_path / "empty", [])
    with pytest.raises(InputError, match="empty holds no requests"):
        tfkit.prove_warmup(light, warm_up, requests=tmp_path / "empty")


def test_an_unknown_signature(light: Path, folder: Path) -> None:
    path = folder / "signature.bin"
    path.write_bytes(encode_request(PredictRequest(X, "no_such")))
    with pytest.raises(SignatureError, match="no_such"):
        tfkit.prove_warmup(light, path)


def prove(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tfkit.cli", "warmup-prove", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command(light: Path, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = prove(light, "--warm-up", write(folder / "any.bin"), "--runs", 1, "--rounds", 6, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "passed: every request is covered" in done.stdout
    assert "<svg" in page.read_text()
    assert prove(light, "--warm-up", folder / "any.bin", "--html", page).returncode == 2  # it is there already
    done = prove(
        light,
        "--warm-up",
        folder / "any.bin",
        "--warm-up",
        write(folder / "end.bin", "end"),
        "--request",
        write(folder / "two.bin", rows=2),
        "--runs",
        1,
        "--rounds",
        6,
        "--json",
    )
    assert done.returncode == 1
    assert "note: 2 warm-up files: an EAS service replays one, TensorFlow Serving any number" in done.stderr
    (request,) = json.loads(done.stdout)["processors"][0]["requests"]
    assert request["differences"] == ["input x float32[2, 2], not x float32[1, 2]"]


def measured(cold_first_ms: float, warm_first_ms: float, later_ms: float = 10.0) -> RequestProof:
    rest = (later_ms,) * 9
    form = RequestForm.of(PredictRequest(X))
    return RequestProof("r.bin", form, "w.bin", (), ((cold_first_ms, *rest),) * 3, ((warm_first_ms, *rest),) * 3)


@pytest.mark.parametrize(
    ("cold_first_ms", "warm_first_ms", "result"),
    [
        (500, 11, "effective"),
        (500, 90, "effective"),
        (500, 300, "no effect"),
        (12, 11, "not needed"),
        (12, 90, "not needed"),
    ],
)
def test_what_counts_as_effective(cold_first_ms: float, warm_first_ms: float, result: str) -> None:
    request = measured(cold_first_ms, warm_first_ms)
    proof = WarmupProof(Path("m"), (Path("w.bin"),), 3, 5000, (ProcessorProof("installed", (request,)),))
    assert request.result == result
    assert proof.passed == (result != "no effect")


def test_a_cold_request_that_outruns_the_service(light: Path) -> None:
    proofs = (ProcessorProof("installed", (measured(6000, 11),)),)
    assert WarmupProof(light, (), 3, 5000, proofs).too_late() == ("installed",)
    assert WarmupProof(light, (), 3, 7000, proofs).too_late() == ()
