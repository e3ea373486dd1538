"""``tfkit.serve_model``: a service from Python."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tfkit
from tests.serve.asking import ONE
from tests.served_models import echo_model, faulty_model


def test_a_service_is_a_context_manager(tmp_path: Path) -> None:
    warm_up = tmp_path / "warm_up_test.bin"
    warm_up.write_bytes(ONE)
    with tfkit.serve_model(echo_model(), name="echo", token="secret", warm_up=warm_up, keepalive=2000) as service:
        assert service.url.endswith("/api/predict/echo")
        assert "secret" not in repr(service)
        outputs = service.predict({"x": np.array([[1, 2]], np.float32)}, outputs=["total"])
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
