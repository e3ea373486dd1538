"""``tfkit predict`` as a person and as a program use it, against a real ``tfkit serve``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.client.scripted import Say, ScriptedService
from tests.served_models import echo_model
from tests.serving import Server, free_port
from tfkit.eas.messages import PredictRequest, decode_request, encode_request, encode_response

TOKEN = "Token+of/the=service"


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    with Server(echo_model(), "--name", "echo", token=TOKEN) as server:
        yield server


@pytest.fixture
def predict(service: Server, tmp_path: Path) -> Any:
    """Runs ``tfkit predict URL`` with the token in a file."""
    token = tmp_path / "token.txt"
    token.write_text(f"{TOKEN}\n")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return run_predict(service.url, "--token-file", str(token), *options)

    return run


def run_predict(url: str, *options: str, columns: int = 80, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key != "TFKIT_TOKEN"}
    return subprocess.run(
        [sys.executable, "-m", "tfkit.cli", "predict", url, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**inherited, "COLUMNS": str(columns), **environment},
    )


class TestTable:
    def test_every_output_has_a_table_and_scores_their_highest(self, predict: Any) -> None:
        done = predict("--input", "x=[[1, 2], [4.5, 3]]")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
        assert ["doubled", "float32[2,", "2]"] in lines
        assert ["row", "argmax", "values"] in lines
        assert ["0", "1", "(4)", "2,", "4"] in lines
        assert ["1", "0", "(9)", "9,", "6"] in lines
        assert ["total", "float32[2]"] in lines
        assert ["1", "7.5"] in lines

    def test_many_rows_are_cut_and_counted(self, predict: Any) -> None:
        done = predict("--input", "x=random", "--batch-size", "25", "--fetch", "total")
        assert done.returncode == 0, done.stderr
        assert "... 5 more rows" in done.stdout
        assert "doubled" not in done.stdout

    def test_wide_rows_are_cut_to_the_terminal(self, service: Server, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.linspace(0, 1, 500, dtype=np.float32).reshape(1, -1))
        options = ("--signature", "echo_DT_FLOAT", "--input", f"x=@{tmp_path / 'x.npy'}")
        for columns in (60, 120):
            done = run_predict(service.url, *options, columns=columns, TFKIT_TOKEN=TOKEN)
            assert done.returncode == 0, done.stderr
            assert all(len(line) <= columns for line in done.stdout.splitlines())
            assert " more" in done.stdout
            assert "499 (1)" in done.stdout

    def test_texts_are_quoted_and_bytes_escaped(self, predict: Any) -> None:
        value = 'x=["é", {"b64": "/wA="}]'
        done = predict("--input", value, "--signature", "echo_DT_STRING")
        assert done.returncode == 0, done.stderr
        assert "'é'" in done.stdout
        assert r"\xff" in done.stdout


class TestInputs:
    def test_literal_takes_the_dtype_of_the_structure(self, predict: Any) -> None:
        done = predict("--input", "x=[1, 2]", "--json")
        assert json.loads(done.stdout) == {
            "outputs": {
                "doubled": {"dtype": "DT_FLOAT", "shape": [1, 2], "values": [[2.0, 4.0]]},
                "total": {"dtype": "DT_FLOAT", "shape": [1], "values": [3.0]},
            }
        }

    def test_all_rows_of_a_file_are_sent_in_one_request(self, predict: Any, tmp_path: Path) -> None:
        rows = np.arange(200, dtype=np.float64).reshape(100, 2)
        np.save(tmp_path / "rows.npy", rows)
        for options, expected in (((), 100), (("--batch-size", "3"), 3)):
            done = predict("--input", f"x=@{tmp_path / 'rows.npy'}", "--json", *options)
            total = json.loads(done.stdout)["outputs"]["total"]["values"]
            assert total == rows.sum(axis=1)[:expected].tolist()

    def test_sample_request_keeps_its_signature_and_outputs(self, predict: Any, tmp_path: Path) -> None:
        request = PredictRequest({"x": np.array([[1, 2]], np.float32)}, "serving_default", ("total",))
        (tmp_path / "request.bin").write_bytes(encode_request(request))
        done = predict("--input", f"@{tmp_path / 'request.bin'}", "--json")
        assert list(json.loads(done.stdout)["outputs"]) == ["total"]

    def test_signature_that_is_not_described_takes_the_dtypes_given(self, predict: Any) -> None:
        done = predict("--signature", "echo_DT_UINT8", "--input", "x:uint8=[7]", "--json")
        assert json.loads(done.stdout)["outputs"]["y"] == {"dtype": "DT_UINT8", "shape": [1], "values": [7]}
        assert "does not describe signature 'echo_DT_UINT8': sending x uint8" in done.stderr

    def test_refusal_of_guessed_dtypes_says_how_to_fix_them(self, predict: Any) -> None:
        done = predict("--signature", "echo_DT_FLOAT", "--input", "x=[1]")
        assert done.returncode == 3, done.stderr
        assert "NAME:DTYPE=... fixes one, as 'x:float32=[1]'" in done.stderr.splitlines()[-1]

    def test_dtypes_that_were_fixed_are_not_called_a_guess(self, predict: Any) -> None:
        done = predict("--signature", "echo_DT_FLOAT", "--input", "x:int32=[1]")
        assert done.returncode == 3, done.stderr
        assert "sending x int32\n" in done.stderr
        assert "NAME:DTYPE" not in done.stderr

    def test_service_of_a_frozen_graph_is_asked_with_fetch(self) -> None:
        refused = Say(400, b"a frozen graph has no outputs of its own: name those you want in output_filter")
        with ScriptedService(Say(400, b"no signature"), refused) as service:
            done = run_predict(service.url, "--input", "x=[1]")
        assert done.returncode == 3, done.stderr
        assert "--fetch OUTPUT" in done.stderr.splitlines()[-1]

    @pytest.mark.parametrize("timeout", ["nan", "inf", "0"])
    def test_timeout_that_is_no_time_is_refused(self, timeout: str) -> None:
        done = run_predict("http://127.0.0.1:1/api/predict/x", "--timeout", timeout, "--input", "x=[1]")
        assert done.returncode == 2, done.stderr
        assert f"timeout {float(timeout)} is not possible" in done.stderr

    def test_service_that_cannot_describe_itself_takes_the_dtypes_given(self) -> None:
        """As one of a frozen graph does."""
        answer = encode_response({"y": np.array([1], np.int64)})
        with ScriptedService(Say(400, b"no signature"), Say(body=answer)) as service:
            done = run_predict(service.url, "--input", "x:int64=[1]", "--fetch", "y", "--json")
        assert done.returncode == 0, done.stderr
        assert "does not describe what it takes" in done.stderr
        request = decode_request(service.heard[1].body)
        assert request.inputs["x"].dtype == np.int64
        assert request.output_filter == ("y",)


class TestOutput:
    def test_arrays_are_written_to_a_file(self, predict: Any, tmp_path: Path) -> None:
        target = tmp_path / "answer.npz"
        done = predict("--input", "x=[1, 2]", "--output", str(target))
        assert done.returncode == 0, done.stderr
        assert str(target) in done.stderr
        with np.load(target) as saved:
            assert saved["doubled"].tolist() == [[2, 4]]
        again = predict("--input", "x=[1, 2]", "--output", str(target))
        assert again.returncode == 2
        assert "--force" in again.stderr
        assert predict("--input", "x=[1, 2]", "--output", str(target), "--force").returncode == 0

    def test_target_is_checked_before_the_service_is_asked(self, tmp_path: Path) -> None:
        with ScriptedService(Say(500)) as service:
            done = run_predict(service.url, "--input", "x=[1]", "--output", str(tmp_path / "none" / "answer.npz"))
        assert done.returncode == 3
        assert not service.heard


class TestToken:
    @pytest.mark.parametrize("options", [(), ("--signed",)])
    def test_token_comes_from_the_environment_as_well(self, service: Server, options: tuple[str, ...]) -> None:
        done = run_predict(service.url, "--input", "x=[1, 2]", *options, TFKIT_TOKEN=TOKEN)
        assert done.returncode == 0, done.stderr

    def test_wrong_token_is_told_and_not_shown(self, service: Server) -> None:
        done = run_predict(service.url, "--input", "x=[1, 2]", TFKIT_TOKEN="wr0ng", TFKIT_DEBUG="1")
        assert done.returncode == 3
        assert "answered 401" in done.stderr
        assert "wr0ng" not in done.stdout + done.stderr

    def test_signing_without_a_token_is_a_wrong_use(self, service: Server) -> None:
        assert run_predict(service.url, "--signed", "--input", "x=[1, 2]").returncode == 2


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--input", "y=[1, 2]"), 3, "has no input 'y'\nKnown: x."),
        ((), 3, "needs input 'x'"),
        (("--input", "x=[1, 2, 3]"), 3, "float32[?, 2]"),
        (("--input", "x=@none.npy"), 3, "none.npy"),
        (("--input", "x"), 2, "NAME="),
        (("--input", "x=[1, 2]", "--fetch", "totl"), 3, "Did you mean 'total'?"),
        (("--input", "x=[1, 2]", "--compression", "rar"), 2, "gzip"),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(predict: Any, options: list[str], code: int, said: str) -> None:
    done = predict(*options)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_service_that_is_not_there_is_exit_code_4() -> None:
    done = run_predict(f"http://127.0.0.1:{free_port()}/api/predict/x", "--input", "x=[1]")
    assert done.returncode == 4
    assert "Connection refused" in done.stderr


def test_service_that_failed_is_exit_code_5() -> None:
    with ScriptedService(Say(500, b"out of memory")) as service:
        done = run_predict(service.url, "--input", "x=[1]")
    assert done.returncode == 5
    assert "out of memory" in done.stderr


def test_neither_tensorflow_nor_the_server_is_imported(service: Server) -> None:
    script = (
        "import sys; from tfkit.cli.app import build_app; build_app('predict')(sys.argv[1:], standalone_mode=False); "
    )
    script += "print(sorted({'tensorflow', 'keras', 'tfkit.serve', 'google.protobuf'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", service.url, "--input", "x=[1, 2]", "--json"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TFKIT_TOKEN": TOKEN},
    )
    assert done.stdout.splitlines()[-1] == "[]"
