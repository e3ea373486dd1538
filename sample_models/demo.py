"""The main job on real digits, command by command: ``make demo``, or ``python sample_models/demo.py``.

Exports the MLP, inspects it, makes its warm-up file, serves it, asks it about 360 digits that it has not seen, and
counts how many it gets right. Everything is written into ``build/demo/``.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent
MODEL = "build/demo/digits"
WARM_UP = "build/demo/warm_up_test.bin"
TOKEN = "build/demo/token.txt"
SCORES = "build/demo/scores.npz"
PORT = 8500

EXPORT = (
    f"tfkit export sample_models/digits_mlp.keras --output {MODEL} --signature predict_images "
    "--rename keras_tensor=images --rename dense_2=scores"
)
INSPECT = f"tfkit inspect {MODEL}"
WARMUP_GEN = f"tfkit warmup-gen {MODEL} --input images=@sample_models/digits_test.npy --batch-size 1 --output {WARM_UP}"
SERVE = f"tfkit serve {MODEL} --name digits --token-file {TOKEN} --warm-up {WARM_UP} --port {PORT}"
PREDICT = (
    f"tfkit predict http://127.0.0.1:{PORT}/api/predict/digits --token-file {TOKEN} "
    f"--input images=@sample_models/digits_test.npy --output {SCORES}"
)
COMMANDS = (EXPORT, INSPECT, WARMUP_GEN, SERVE, PREDICT)


def arguments(command: str, port: int) -> list[str]:
    """The command as this Python runs it, on a port that is free."""
    words = shlex.split(command.replace(str(PORT), str(port)))
    return [sys.executable, "-m", "tfkit.cli", *words[1:]]


def show(command: str) -> None:
    print(f"\n$ {command}", flush=True)


def run(command: str, port: int) -> None:
    show(command)
    subprocess.run(arguments(command, port), cwd=ROOT, check=True)


def free_port() -> int:
    """The port of the commands as shown, or another one if something else has it."""
    for port in (PORT, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as probe:
                return int(probe.getsockname()[1])
        except OSError:
            continue
    raise SystemExit("no free port")


def wait_until_ready(port: int, service: subprocess.Popen[bytes]) -> None:
    """Waits for the service; ends the demo if it does not start."""
    deadline = time.monotonic() + 60
    while service.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")
                if b" 200 " in connection.recv(64):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit("the service did not start")


def accuracy() -> float:
    """The share of the digits that the served model got right."""
    with np.load(ROOT / SCORES) as scores:
        answers = scores["scores"].argmax(axis=1)
    return float(np.mean(answers == np.load(HERE / "digits_test_labels.npy")))


def main() -> None:
    """Runs the demo; ends with exit code 1 if the accuracy is not the recorded one."""
    (ROOT / "build" / "demo").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(ROOT / MODEL, ignore_errors=True)
    for made in (WARM_UP, SCORES):
        (ROOT / made).unlink(missing_ok=True)
    (ROOT / TOKEN).write_text(secrets.token_hex(16) + "\n")
    port = free_port()
    run(EXPORT, port)
    run(INSPECT, port)
    run(WARMUP_GEN, port)
    show(f"{SERVE} &".replace(str(PORT), str(port)))
    service = subprocess.Popen(arguments(SERVE, port), cwd=ROOT)
    try:
        wait_until_ready(port, service)
        run(PREDICT.replace(str(PORT), str(port)), port)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
    right = accuracy()
    recorded = json.loads((HERE / "accuracies.json").read_text())["digits_mlp"]
    print(f"\nThe service was warm before its first request, and got {right:.2%} of 360 unseen digits right.")
    if abs(right - recorded) > 1e-6:
        sys.exit(f"expected {recorded:.2%}, as recorded in sample_models/accuracies.json")


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", str(shutil.get_terminal_size((110, 24)).columns))
    main()
