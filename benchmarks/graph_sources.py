"""Converting a TensorFlow 1 checkpoint with its training graph, and a frozen graph, without running them.

A checkpoint of 400 MB with a training graph of 200 layers, gradients and a saver (3,400 nodes), and a frozen graph of
100 MB. What it takes to copy the variables is taken off: a conversion links them where it can.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.load import in_own_process
from benchmarks.report import row
from tfkit import proto
from tfkit.export import export_model
from tfkit.proto.wire import write_varint

LAYERS, WIDTH = 200, 700
SLOTS = 12  # nodes of each layer that only training needs
CONSTANTS = 2
ROUNDS = 3
PROCESSORS = ("installed", "tensorflow_cpu_1.15")
MOST_S = 1.0


def run() -> list[dict[str, Any]]:
    """Measures; each row has ``name``, ``value``, ``unit``, ``ratio``, ``target`` and ``ok``."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (("checkpoint", write_checkpoint), ("frozen graph", write_frozen)):
            source = write(Path(folder))
            for processor in PROCESSORS:
                seconds, copying = in_own_process(measure, source, processor)
                title = f"{name} for {processor}, beyond copying ({copying:.2f} s)"
                rows.append(row(title, seconds, "s", (seconds - copying) / MOST_S, at_most=1.0))
    return rows


def measure(source: Path, processor: str) -> tuple[float, float]:
    """Seconds to convert, and to copy what there is."""
    seconds, copies = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            began = time.perf_counter()
            export_model(source, Path(folder) / "model", processor=processor, verify=False)
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
            for file in source.parent.glob(f"{source.stem}*"):
                shutil.copyfile(file, Path(folder) / file.name)
            copies.append(time.perf_counter() - began)
    return median(seconds), median(copies)


def write_checkpoint(folder: Path) -> Path:
    """A network in training: variables, gradients, slots, a saver."""
    message = proto.message("tensorflow.MetaGraphDef")()
    nodes = message.graph_def.node
    _add(nodes, "x", "Placeholder", dtype=1, shape=(-1, WIDTH))
    last, names = "x", [f"layer_{layer}/kernel" for layer in range(LAYERS)]
    _add_texts(nodes, "save/Const", [b"model"], scalar=True)
    _add_texts(nodes, "save/names", [name.encode() for name in names])
    _add_texts(nodes, "save/slices", [b""] * LAYERS)
    _add(nodes, "save/RestoreV2", "RestoreV2", ["save/Const", "save/names", "save/slices"])
    nodes[-1].attr["dtypes"].list.type.extend([1] * LAYERS)
    for layer, name in enumerate(names):
        _add(nodes, name, "VariableV2", dtype=1, shape=(WIDTH, WIDTH))
        _add(nodes, f"{name}/read", "Identity", [name], T=1)
        _add(nodes, f"layer_{layer}/MatMul", "MatMul", [last, f"{name}/read"], T=1)
        _add(nodes, f"layer_{layer}/Relu", "Relu", [f"layer_{layer}/MatMul"], T=1)
        _add(nodes, f"save/Assign_{layer}", "Assign", [name, f"save/RestoreV2:{layer}"], T=1)
        last = before = f"layer_{layer}/Relu"
        for slot in range(SLOTS):
            _add(nodes, f"gradients/layer_{layer}/{slot}", "Mul", [before, last], T=1)
            before = nodes[-1].name
    _add(nodes, "scores", "Softmax", [last], T=1)
    _add(nodes, "save/restore_all", "NoOp", [f"^save/Assign_{layer}" for layer in range(LAYERS)])
    message.saver_def.filename_tensor_name = "save/Const:0"
    message.saver_def.restore_op_name = "save/restore_all"
    (folder / "model.meta").write_bytes(message.SerializeToString())
    _write_variables(folder, sorted(names))
    return folder / "model.meta"


def _write_variables(folder: Path, names: list[str]) -> None:
    size = WIDTH * WIDTH * 4
    with (folder / "model.data-00000-of-00001").open("wb") as file:
        for _ in names:
            file.write(np.random.default_rng(0).bytes(size))
    sizes = b"".join(b"\x12" + write_varint(len(dim)) + dim for dim in [b"\x08" + write_varint(WIDTH)] * 2)
    entries = [(b"", b"\x08\x01")]  # one shard
    for at, name in enumerate(names):
        shape = b"\x12" + write_varint(len(sizes)) + sizes
        place = b"\x20" + write_varint(at * size) + b"\x28" + write_varint(size)
        entries.append((name.encode(), b"\x08\x01" + shape + place))
    data = _block(entries)
    index = _block([(b"~", write_varint(0) + write_varint(len(data) - 5))])
    meta = _block([])
    places = (len(data) + len(index), len(meta) - 5, len(data), len(index) - 5)
    footer = b"".join(map(write_varint, places)).ljust(40, b"\0") + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
    (folder / "model.index").write_bytes(data + index + meta + footer)


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A block of a sorted string table, without a checksum: nothing here verifies it."""
    rows = [write_varint(0) + write_varint(len(key)) + write_varint(len(value)) + key + value for key, value in entries]
    return b"".join(rows) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\0" * 5


def write_frozen(folder: Path) -> Path:
    """A few layers with much in them."""
    graph = proto.message("tensorflow.GraphDef")()
    graph.versions.producer = 134
    _add(graph.node, "x", "Placeholder", dtype=1, shape=(-1, 1))
    last = "x"
    for layer in range(CONSTANTS):
        constant = graph.node.add(name=f"weights_{layer}", op="Const")
        constant.attr["dtype"].type = 1
        tensor = constant.attr["value"].tensor
        tensor.dtype, tensor.tensor_content = 1, np.full(12_500_000, layer, np.float32).tobytes()
        tensor.tensor_shape.dim.add(size=12_500_000)
        _add(graph.node, f"sum_{layer}", "Add", [last, constant.name], T=1)
        last = f"sum_{layer}"
    _add(graph.node, "scores", "Identity", [last], T=1)
    (folder / "frozen.pb").write_bytes(graph.SerializeToString())
    return folder / "frozen.pb"


def _add(
    nodes: Any, name: str, op: str, inputs: list[str] | None = None, *, shape: tuple[int, ...] = (), **types: int
) -> None:
    node = nodes.add(name=name, op=op, input=inputs or [])
    for key, dtype in types.items():
        node.attr[key].type = dtype
    for size in shape:
        node.attr["shape"].shape.dim.add(size=size)


def _add_texts(nodes: Any, name: str, texts: list[bytes], *, scalar: bool = False) -> None:
    node = nodes.add(name=name, op="Const")
    node.attr["dtype"].type = 7
    tensor = node.attr["value"].tensor
    tensor.dtype = 7
    tensor.string_val.extend(texts)
    if not scalar:
        tensor.tensor_shape.dim.add(size=len(texts))


if __name__ == "__main__":
    from benchmarks.report import print_rows

    print_rows(run())
