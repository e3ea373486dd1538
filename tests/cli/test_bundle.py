"""``tfkit bundle`` and ``tfkit bundle-check`` as processes: what they print, their JSON, their exit codes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle.conftest import PROCESSOR, write_model
from tests.runtimes import installed_runtime


def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "TFKIT_TOKEN"} | {"COLUMNS": "160"}
    command = [sys.executable, "-m", "tfkit.cli", *map(str, words)]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, capture_output=True, text=True, timeout=120, check=False, env=env, **options
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("cli") / "doubled")


@pytest.fixture(scope="module")
def warm_up(model: Path) -> Path:
    """What an export keeps can warm a service up."""
    return model / "assets.extra" / "tfkit" / "1.request.bin"


@pytest.fixture(scope="module")
def done(model: Path, warm_up: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A bundle, and what was printed when it was made."""
    installed_runtime(PROCESSOR)
    folder = model.parent / "bundle"
    options = ("--processor", PROCESSOR, "--warm-up", warm_up, "--output", folder, "--cpu", "4", "--memory", "8000")
    return folder, run("bundle", model, *options, "--set", "rpc.keepalive=1000", "--set", "rpc.decompressor=gzip")


@pytest.mark.network
def test_a_bundle_is_told_and_its_service_json_says_what_was_asked_for(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, made = done
    assert made.returncode == 0, made.stderr
    lines = [" ".join(line.split()) for line in made.stdout.splitlines() if line.strip()]
    assert lines[0] == f"{folder}: doubled on {PROCESSOR}"
    assert lines[-1] == f"proved in {PROCESSOR}: equal to the source's recorded outputs, within what is allowed"
    assert any(line.startswith("model.tar.gz ") for line in lines)
    assert any(line.startswith("evidence/ ") and line.endswith("3 files") for line in lines)
    assert made.stderr == f"running in {PROCESSOR}\nwriting model.tar.gz\n"
    assert json.loads((folder / "service.json").read_text())["metadata"] == {
        "instance": 1,
        "cpu": 4,
        "memory": 8000,
        "rpc": {"keepalive": 1000, "decompressor": "gzip"},
    }


@pytest.mark.network
def test_a_sound_bundle_passes(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    checked = run("bundle-check", done[0] / "service.json")
    assert checked.returncode == 0, checked.stderr
    assert [line.split()[:2] for line in checked.stdout.splitlines() if "passed " in line] == [
        [name, "passed"] for name in ("files", "settings", "model", "service", "answers")
    ]
    verdict = f"passed: starts in {PROCESSOR}, and gives the recorded answers: 3 requests, 1 output"
    assert checked.stdout.splitlines()[-1] == verdict


@pytest.mark.network
def test_one_that_was_touched_fails(done: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(done[0], folder)
    (folder / "model.tar.gz").write_bytes(b"nonsense")
    checked = run("bundle-check", folder, "--json")
    assert checked.returncode == 1
    report = json.loads(checked.stdout)
    assert sorted(report) == [
        "folder", "notes", "outputs", "passed", "processor", "proved_in", "steps", "verdict",
    ]  # fmt: skip
    assert report["passed"] is False
    assert report["verdict"] == "files: model.tar.gz was changed: its checksum is another"
    assert [(step["name"], step["status"]) for step in report["steps"]] == [
        ("files", "failed"),
        ("settings", "passed"),
        ("model", "failed"),
        ("service", "not run"),
        ("answers", "not run"),
    ]
    assert "FAILED: files: model.tar.gz was changed" in run("bundle-check", folder).stdout


def test_json_says_what_was_bundled(model: Path, warm_up: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    options = ("-p", PROCESSOR, "--warm-up", warm_up, "-o", "bundle", "--no-verify", "--name", "digits")
    more = ("--set", "rpc.keepalve=1", "--token-file", "token", "--json")
    made = run("bundle", model, *options, *more, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    assert sorted(report) == ["files", "folder", "layout", "name", "notes", "processor", "proved_in", "verdict"]
    assert (report["name"], report["layout"], report["proved_in"]) == ("digits", "eas", None)
    assert report["verdict"] == "not verified: nothing ran it"
    assert {name: type(value) for name, value in report["files"][0].items()} == {
        "name": str,
        "size_bytes": int,
        "sha256": str,
    }
    assert report["folder"] == "bundle"
    assert "note: metadata.rpc.keepalve is no key that tfkit knows: kept; did you mean metadata.rpc.keep" in made.stderr
    assert "note: service.json holds the token" in made.stderr
    assert "secret" not in made.stdout + made.stderr


def test_a_missing_warm_up_file_has_to_be_meant(model: Path, warm_up: Path, tmp_path: Path) -> None:
    options = ("-p", PROCESSOR, "-o", tmp_path / "bundle", "--no-verify")
    refused = run("bundle", model, *options)
    assert refused.returncode == 2
    assert "there is no warm-up file\ntfkit warmup-gen" in refused.stderr
    assert run("bundle", model, *options, "--no-warm-up", "--warm-up", warm_up).returncode == 2
    meant = run("bundle", model, *options, "--no-warm-up")
    assert meant.returncode == 0
    assert "note: there is no warm-up file: the first requests find a cold service" in meant.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--set", "rpc.keepalive=fast"), 2, 'rpc.keepalive is "fast": expected a whole number from 1 on'),
        (("--set", "nonsense"), 2, "expected KEY=VALUE"),
        (("--set", "cpu=1", "--set", "cpu=2"), 2, "given twice"),
        (("--set", f"labels={'[' * 3000}{']' * 3000}"), 2, "nested too deeply"),
        (("--instance", "0"), 2, "metadata.instance is 0: expected a whole number from 1 on"),
        (("--layout", "triton"), 2, "Known: eas, tf-serving."),
        (("--warm-up", "gone.bin"), 3, "gone.bin does not exist"),
    ],
)
def test_what_makes_no_sense_is_named(
    model: Path, warm_up: Path, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    warm = () if "--warm-up" in words else ("--warm-up", warm_up)
    refused = run("bundle", model, "-p", PROCESSOR, "-o", tmp_path / "bundle", "--no-verify", *warm, *words)
    assert refused.returncode == code, refused.stderr
    assert told in refused.stderr
    assert not (tmp_path / "bundle").exists()


def test_a_full_disk_is_named_and_nothing_is_left(warm_up: Path, tmp_path: Path) -> None:
    """A limit on file sizes stands for the full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    model = write_model(tmp_path / "model")
    (model / "assets").mkdir()
    (model / "assets" / "noise").write_bytes(os.urandom(200_000))
    options = ("-p", PROCESSOR, "--warm-up", warm_up, "-o", tmp_path / "new" / "bundle", "--no-verify")
    failed = run("bundle", model, *options, preexec_fn=limit)
    assert failed.returncode == 4
    assert "bundle cannot be written: File too large" in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_is_no_bundle_is_refused(model: Path) -> None:
    refused = run("bundle-check", model)
    assert refused.returncode == 3
    assert "is no bundle" in refused.stderr
