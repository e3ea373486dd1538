"""Lowering for TensorFlow 1.15: ResNet50, and graphs made large by their nodes or by their constants.

The time is compared with protobuf's own parsing and serializing of the same file, in the same process and round. Memory
is what the process takes at its peak beyond what it had before, against the size of the file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.load import in_own_process
from benchmarks.report import row
from tfkit import proto
from tfkit.lower.model import lower_model

PROCESSOR = "tensorflow_cpu_1.15"
ROUNDS = 5
NODES = 50_000
RESNET_S = 0.5
TIMES_PROTOBUF = 30.0
NODES_MEMORY_TIMES, NODES_MEMORY_BYTES = 20, 100 << 20
CONSTANTS_MEMORY_TIMES = 4.0
_EXPORT = (
    "import sys, keras; keras.applications.ResNet50(weights=None).export(sys.argv[1], verbose=False)"
)  # fmt: skip


def run() -> list[dict[str, Any]]:
    """Measures; each row has ``name``, ``value``, ``unit``, ``ratio``, ``target`` and ``ok``."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        resnet = Path(folder) / "resnet"
        subprocess.run([sys.executable, "-c", _EXPORT, str(resnet)], check=True, capture_output=True)
        seconds, _, _ = in_own_process(measure, resnet)
        rows.append(row("ResNet50", seconds, "s", seconds / RESNET_S, at_most=1.0))
        for name, write in (("nodes", write_nodes), ("constants", write_constants)):
            model = Path(folder) / name
            model.mkdir()
            write(model)
            size = (model / "saved_model.pb").stat().st_size
            seconds, times, memory = in_own_process(measure, model)
            about = f"{NODES:,} nodes" if name == "nodes" else "400 MB of constants"
            limit = NODES_MEMORY_TIMES * size + NODES_MEMORY_BYTES if name == "nodes" else CONSTANTS_MEMORY_TIMES * size
            bound = TIMES_PROTOBUF if name == "nodes" else None
            rows.append(row(f"{about} ({size / 1e6:.0f} MB), of protobuf", seconds, "s", times, at_most=bound))
            rows.append(row(f"{about}, peak memory of the limit", memory / 1e6, "MB", memory / limit, at_most=1.0))
    return rows


def measure(model: Path) -> tuple[float, float, float]:
    """Seconds to lower, as a multiple of protobuf's time, and the peak of memory in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        # Tables and rules are read once in a process.
        (Path(folder) / "first").mkdir()
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far, which a fork has from its parent
        before = _peak_bytes()
        lower_model(model, Path(folder) / "first", PROCESSOR)
        memory = _peak_bytes() - before
        seconds, ratios = [], []
        for turn in range(ROUNDS):
            output = Path(folder) / str(turn)
            output.mkdir()
            began = time.perf_counter()
            lower_model(model, output, PROCESSOR)
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
            data = (model / "saved_model.pb").read_bytes()
            proto.message("tensorflow.SavedModel").FromString(data).SerializeToString()
            ratios.append(seconds[-1] / (time.perf_counter() - began))
        return median(seconds), median(ratios), memory


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def write_nodes(folder: Path) -> None:
    """A long chain of small nodes."""
    model, nodes = _start()
    last = "x"
    for index in range(NODES):
        op, inputs = (("Tanh", [last]), ("Mul", [last, "x"]))[index % 2]
        node = nodes.add(name=f"block_{index // 100}/layer_{index}/{op}", op=op, input=inputs)
        node.attr["T"].type = 1
        node.attr["_output_shapes"].list.shape.add().dim.add(size=-1)
        last = node.name
    _finish(model, last, folder)


def write_constants(folder: Path) -> None:
    """A few nodes with much in them."""
    model, nodes = _start()
    last = "x"
    for index in range(8):
        constant = nodes.add(name=f"weights_{index}", op="Const")
        constant.attr["dtype"].type = 1
        tensor = constant.attr["value"].tensor
        tensor.dtype, tensor.tensor_content = 1, np.full(12_500_000, index, np.float32).tobytes()
        tensor.tensor_shape.dim.add(size=12_500_000)
        node = nodes.add(name=f"sum_{index}", op="Add", input=[last, constant.name])
        node.attr["T"].type = 1
        last = node.name
    _finish(model, last, folder)


def _start() -> tuple[Any, Any]:
    model = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = model.meta_graphs.add()
    metagraph.meta_info_def.tags.append("serve")
    metagraph.graph_def.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    return model, metagraph.graph_def.node


def _finish(model: Any, last: str, folder: Path) -> None:
    signature = model.meta_graphs[0].signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for place, name, tensor in ((signature.inputs, "x", "x:0"), (signature.outputs, "y", f"{last}:0")):
        place[name].name, place[name].dtype = tensor, 1
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    from benchmarks.report import print_rows

    print_rows(run())
