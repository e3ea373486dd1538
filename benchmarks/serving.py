"""``tfkit serve`` against a FastAPI server, and against TensorFlow's C API in a bare loop, all with the digits MLP.

Start, memory, requests a second and latency. The servers take turns, and neither asks for a token; the bare loop runs
while both are idle. A ratio is to the FastAPI server unless a line says otherwise: the median of the rounds' ratios.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import bare_loop
from benchmarks.load import Generator, Load, Plan, Workload, in_own_process
from benchmarks.report import row
from benchmarks.servers import CONNECTIONS, PATH, SAMPLES, digits_workload, running, running_all, take_turns

ROUNDS = 9
STARTS = 3
BARE_LOOP_S = 0.6
MEMORY_LOAD_S = 0.5

START_FASTER = 4.0
MEMORY_SHARE = 2 / 3
THROUGHPUT = {1: 2.0, 16: 4.0}
SHARE_OF_BARE_LOOP = {1: 0.15, 16: 0.35}

TFKIT = str(Path(sys.executable).with_name("tfkit"))
OURS, THEIRS = "tfkit serve", "FastAPI + TensorFlow"


@dataclass(frozen=True, slots=True)
class Start:
    """How a server started: the time to its first right answer, and its memory once it has been under load."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Round:
    """One round under load: the bare loop's calls a second, and each server's load by its connections."""

    bare_per_s: float
    loads: dict[tuple[str, int], Load]


def run() -> list[dict[str, Any]]:
    """Measures; each row has ``name``, ``value``, ``unit``, ``ratio``, ``target`` and ``ok``."""
    with tempfile.TemporaryDirectory() as folder:
        model = export_digits(Path(folder))
        workload = digits_workload(model)
        commands = {
            OURS: [TFKIT, "serve", str(model), "--name", "digits", "--port", "{port}"],
            THEIRS: [sys.executable, "-m", "benchmarks.fastapi_server", str(model), "{port}"],
        }
        with Generator() as generator:
            starts = [
                {name: _start(command, workload, generator) for name, command in commands.items()}
                for _ in range(STARTS)
            ]
            with running_all(commands, workload) as servers:
                rounds = [
                    Round(_bare_calls_per_second(model), take_turns(servers, workload, generator))
                    for _ in range(ROUNDS)
                ]
    return [*_start_rows(starts), *_load_rows(rounds)]


def export_digits(folder: Path) -> Path:
    """The digits MLP as a SavedModel in a folder."""
    model = folder / "digits"
    source = SAMPLES / "digits_mlp.keras"
    subprocess.run([TFKIT, "export", str(source), "--output", str(model)], check=True, capture_output=True)
    return model


def _start(command: list[str], workload: Workload, generator: Generator) -> Start:
    with running(command, workload) as server:
        generator.run(Plan(server.port, PATH, workload, 16, MEMORY_LOAD_S))
        return Start(server.start_s, server.memory_bytes())


def _bare_calls_per_second(model: Path) -> float:
    row = np.load(SAMPLES / "digits_test.npy")[:1]
    return float(in_own_process(bare_loop.calls_per_second, model, row, BARE_LOOP_S))


def _start_rows(starts: list[dict[str, Start]]) -> list[dict[str, Any]]:
    seconds = {name: median(each[name].seconds for each in starts) for name in (OURS, THEIRS)}
    megabytes = {name: median(each[name].memory_bytes for each in starts) / 1e6 for name in (OURS, THEIRS)}
    faster = median(each[THEIRS].seconds / each[OURS].seconds for each in starts)
    share = median(each[OURS].memory_bytes / each[THEIRS].memory_bytes for each in starts)
    start, memory = "process start to first right answer", "resident memory after load"
    return [
        row(f"{start}: {THEIRS}", seconds[THEIRS], "s"),
        row(f"{start}: {OURS}", seconds[OURS], "s", faster, at_least=START_FASTER),
        row(f"{memory}: {THEIRS}", megabytes[THEIRS], "MB"),
        row(f"{memory}: {OURS}", megabytes[OURS], "MB", share, at_most=MEMORY_SHARE),
    ]


def _load_rows(rounds: list[Round]) -> list[dict[str, Any]]:
    bare = median(each.bare_per_s for each in rounds)
    rows = [row("bare C API loop, one caller", bare, "calls/s")]
    for connections in CONNECTIONS:
        where = f"{connections} connection{'s' * (connections > 1)}"
        ours = [each.loads[OURS, connections] for each in rounds]
        theirs = [each.loads[THEIRS, connections] for each in rounds]
        times = median(a.requests_per_s / b.requests_per_s for a, b in zip(ours, theirs, strict=True))
        share = median(load.requests_per_s / each.bare_per_s for load, each in zip(ours, rounds, strict=True))
        least, least_share = THROUGHPUT[connections], SHARE_OF_BARE_LOOP[connections]
        rate = median(load.requests_per_s for load in ours)
        rows += [
            row(f"{where}: {THEIRS}", median(load.requests_per_s for load in theirs), "requests/s"),
            row(f"{where}: {OURS}", rate, "requests/s", times, at_least=least),
            row(f"{where}: {OURS}, of the bare loop", rate, "requests/s", share, at_least=least_share),
            *_latency_rows(where, THEIRS, theirs, theirs),
            *_latency_rows(where, OURS, ours, theirs),
        ]
    return rows


def _latency_rows(where: str, name: str, loads: list[Load], base: list[Load]) -> list[dict[str, Any]]:
    rows = []
    quantiles: dict[str, Callable[[Load], float]] = {"p50": lambda load: load.p50_us, "p99": lambda load: load.p99_us}
    for quantile, read in quantiles.items():
        ratio = median(read(a) / read(b) for a, b in zip(loads, base, strict=True)) if loads is not base else None
        rows.append(row(f"{where}: {name}, {quantile}", median(map(read, loads)), "us", ratio))
    return rows


if __name__ == "__main__":
    from benchmarks.report import print_rows

    print_rows(run())
