"""``tfkit.serve_model``: a service from Python."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from typer.core import TyperGroup
from typer.main import get_command

import tfkit
from tests.serve.asking import ONE, rounds
from tests.served_models import echo_model, faulty_model, slow_model
from tfkit.cli.app import build_app


def test_a_service_is_a_context_manager(tmp_path: Path) -> None:
    warm_up = tmp_path / "warm_up_test.bin"
    warm_up.write_bytes(ONE)
    with tfkit.serve_model(echo_model(), name="echo", token="secret", warm_up=warm_up, keepalive=2000) as service:
        assert service.url.endswith("/api/predict/echo")
        assert "secret" not in repr(service)
        outputs = service.predict({"x": np.array([[1, 2]], np.float32)}, fetch=["total"])
        assert {name: value.tolist() for name, value in outputs.items()} == {"total": [3]}
        assert service.structure().input("x").shape == (None, 2)
        assert "ready at" in service.log
        pid = service._process.pid  # to see that it ends
    assert not Path(f"/proc/{pid}").exists()


def test_a_service_that_does_not_start_raises_what_went_wrong(tmp_path: Path) -> None:
    with pytest.raises(tfkit.InputError, match="nowhere"):
        tfkit.serve_model(tmp_path / "nowhere")
    with pytest.raises(tfkit.UsageError, match="gpu:N"):
        tfkit.serve_model(echo_model(), device="tpu")
    with pytest.raises(tfkit.MissingError, match="gpu:63"):
        tfkit.serve_model(echo_model(), device="gpu:63")


def test_unknown_options_are_told_with_the_nearest_one() -> None:
    for name, near in (("keepalive_ms", "keepalive"), ("worker_thread", "worker_threads"), ("tokens", "token")):
        with pytest.raises(tfkit.UsageError, match=f"serve_model has no option '{name}'") as caught:
            tfkit.serve_model(echo_model(), **{name: "1"})
        assert f"Did you mean '{near}'" in caught.value.hint


def test_every_option_of_the_command_can_be_given() -> None:
    """But for those that ``serve_model`` gives itself, or that show something instead of serving."""
    own = {"model", "port", "device", "token_file", "as_json", "stop_on_eof", "dump_config", "help"}
    group = get_command(build_app("serve"))
    assert isinstance(group, TyperGroup)
    names = {str(each.name) for each in group.commands["serve"].params} - own
    with pytest.raises(tfkit.ModelError, match="nowhere"):
        tfkit.serve_model("nowhere", **dict.fromkeys(names - {"warm_up"}), warm_up=())


def test_a_value_of_the_wrong_type_is_told_in_one_line() -> None:
    with pytest.raises(tfkit.UsageError) as caught:
        tfkit.serve_model(echo_model(), worker_threads="many")
    assert str(caught.value).startswith("Invalid value for '--worker-threads': ")
    assert "\n" not in str(caught.value)


def test_errors_keep_their_class_and_their_hint_apart(tmp_path: Path) -> None:
    (tmp_path / "echo").symlink_to(echo_model())
    with pytest.raises(tfkit.ModelError) as caught:
        tfkit.serve_model(tmp_path / "ech")
    assert caught.value.message == f"there is no file or folder {tmp_path / 'ech'}"
    assert caught.value.hint == "Did you mean 'echo'? Known: echo."
    with pytest.raises(tfkit.MissingError) as missing:
        tfkit.serve_model(echo_model(), device="gpu:63")
    assert "gpu:63" in missing.value.message
    assert missing.value.hint
    assert missing.value.hint not in missing.value.message


def test_a_service_that_is_killed_while_it_starts_is_a_crash(tmp_path: Path) -> None:
    warm_up = tmp_path / "warm_up_test.bin"
    warm_up.write_bytes(rounds(20_000))
    model = slow_model()

    def kill() -> None:
        deadline = time.monotonic() + 30
        while not (
            ours := [child for child in psutil.Process().children() if str(warm_up) in " ".join(child.cmdline())]
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ours[0].kill()

    with ThreadPoolExecutor() as threads:
        killed = threads.submit(kill)
        with pytest.raises(tfkit.RuntimeCrashError, match="ended by signal 9"):
            tfkit.serve_model(model, warm_up=warm_up)
        killed.result()


def test_a_service_json_is_served_and_its_token_known(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text(json.dumps({"name": "of_file", "token": "secret", "model_path": str(echo_model())}))
    with tfkit.serve_model(path, processor="installed", keepalive=4000, gpu_memory_growth=False) as service:
        assert service.url.endswith("/api/predict/of_file")
        assert service.predict({"x": np.array([[1, 2]], np.float32)})["total"].tolist() == [3]
    with tfkit.serve_model(path, token="other", name="of_argument") as service:
        assert service.url.endswith("/api/predict/of_argument")
        assert service.structure().input("x").shape == (None, 2)
    with pytest.raises(tfkit.UsageError, match="no processor is named 'pmml'"):
        tfkit.serve_model(path, processor="pmml")


def test_a_model_that_prints_does_not_get_in_the_way() -> None:
    with tfkit.serve_model(faulty_model()) as service:
        for _ in range(100):
            text = service.predict({"mode": np.array(7, np.int32)}, signature="print")["text"]
        assert text.item() == b"7"
        assert "printed by the model" in service.log


def test_a_service_ends_with_the_process_that_started_it() -> None:
    code = f"import os, tfkit; service = tfkit.serve_model({str(echo_model())!r}); "
    code += "print(service._process.pid, flush=True); os._exit(1)"
    owner = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    deadline = time.monotonic() + 15
    while Path(f"/proc/{owner.stdout.strip()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
