"""``tfkit serve`` in the TensorFlow of each of EAS's CPU processors and in the installed one, all with the digits MLP.

The model is written for every TensorFlow since 1.12. The processors take turns; a ratio is to the installed TensorFlow:
the median of the rounds' ratios. What is not installed is installed first, and that is not measured.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.load import Generator, Plan
from benchmarks.plain_digits import write
from benchmarks.report import row
from benchmarks.servers import CONNECTIONS, PATH, SAMPLES, digits_workload, running, running_all, take_turns
from benchmarks.serving import MEMORY_LOAD_S, TFKIT, Start
from tfkit.processors.catalogue import INSTALLED, all_processors
from tfkit.processors.install import install_runtime
from tfkit.processors.libraries import find_library

STARTS = 5
ROUNDS = 5
START_SHARE = 1.5


def run() -> list[dict[str, Any]]:
    """Measures; each row has ``name``, ``value``, ``unit``, ``ratio``, ``target`` and ``ok``."""
    names = [
        processor.name for processor in all_processors() if processor.device == "cpu" or processor.name == INSTALLED
    ]
    for name in names:
        if name != INSTALLED:
            install_runtime(name)
    with tempfile.TemporaryDirectory() as folder, Generator() as generator:
        model = write(SAMPLES / "digits_mlp.keras", Path(folder) / "digits")
        workload = digits_workload(model)
        commands = {name: _command(model, name) for name in names}

        def start(name: str) -> Start:
            with running(commands[name], workload) as server:
                generator.run(Plan(server.port, PATH, workload, 16, MEMORY_LOAD_S))
                return Start(server.start_s, server.memory_bytes())

        for name in names:
            _read_library(name)
        starts = [{name: start(name) for name in names} for _ in range(STARTS)]
        with running_all(commands, workload) as servers:
            rounds = [take_turns(servers, workload, generator) for _ in range(ROUNDS)]
    rows = []
    for name in names:
        seconds = median(each[name].seconds for each in starts)
        share = median(each[name].seconds / each[INSTALLED].seconds for each in starts)
        rows.append(row(f"{name}: process start to first right answer", seconds, "s", share, at_most=START_SHARE))
        rows.append(row(f"{name}: resident memory", median(each[name].memory_bytes for each in starts) / 1e6, "MB"))
        for connections in CONNECTIONS:
            rate = median(each[name, connections].requests_per_s for each in rounds)
            times = median(
                each[name, connections].requests_per_s / each[INSTALLED, connections].requests_per_s for each in rounds
            )
            rows.append(row(f"{name}: {connections} connection{'s' * (connections > 1)}", rate, "requests/s", times))
    return rows


def _command(model: Path, processor: str) -> list[str]:
    return [TFKIT, "serve", str(model), "--name", "digits", "--port", "{port}", "--processor", processor]


def _read_library(processor: str) -> None:
    """Reads a library once, so that no start pays for the disk: the seven together may not have been in memory."""
    paths = find_library(processor)
    for path in (paths.framework, paths.c_api):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


if __name__ == "__main__":
    from benchmarks.report import print_rows

    print_rows(run())
