"""``tfkit inspect`` as a whole process: against ``saved_model_cli``, and on a model of 1 GB against a small one.

Run by ``make bench``, or alone: ``python -m benchmarks.inspect_speed``. The two sides of a ratio take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tfkit.proto import message
from tfkit.proto.wire import write_varint

PAIRS = 7
LARGE_BYTES = 10**9
FASTER_THAN_CLI = 15.0
LARGE_TO_SMALL = 1.5

# A module with one signature, `predict_images`, as in the README.
_SAVE_MODEL = """
import sys
import tensorflow as tf

class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.hidden = tf.Variable(tf.random.stateless_normal([784, 128], seed=[1, 2]))
        self.last = tf.Variable(tf.random.stateless_normal([128, 10], seed=[3, 4]))

    @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")])
    def predict_images(self, images):
        return {"scores": tf.nn.softmax(tf.nn.relu(images @ self.hidden) @ self.last)}

model = Model()
tf.saved_model.save(model, sys.argv[1], signatures={"predict_images": model.predict_images})
"""


def run() -> list[dict[str, Any]]:
    """Measures both ratios; each row has ``name``, ``value``, ``unit``, ``ratio``, ``target`` and ``ok``."""
    scripts = Path(sys.executable).parent
    inspect = [str(scripts / "tfkit"), "inspect"]
    with tempfile.TemporaryDirectory() as name:
        small, large = str(Path(name, "small")), str(Path(name, "large"))
        subprocess.run([sys.executable, "-c", _SAVE_MODEL, small], check=True, capture_output=True)
        write_large_model(Path(small), Path(large))
        show_all = [str(scripts / "saved_model_cli"), "show", "--all", "--dir", small]
        cli_s, small_s = _time_in_turn(show_all, [*inspect, small])
        base_s, large_s = _time_in_turn([*inspect, small], [*inspect, large])
    faster, slower = cli_s / small_s, large_s / base_s
    return [
        _row("saved_model_cli show --all", cli_s),
        _row("tfkit inspect", small_s, faster, f"at least {FASTER_THAN_CLI:g} times faster", faster >= FASTER_THAN_CLI),
        _row("tfkit inspect, 1 GB", large_s, slower, f"at most {LARGE_TO_SMALL:g} times", slower <= LARGE_TO_SMALL),
    ]


def write_large_model(small: Path, large: Path) -> None:
    """Writes a model like ``small`` with one more constant of 1 GB in its graph; on disk its zeros are a hole.

    Protobuf merges a field that occurs twice: the constant stands in a second ``graph_def``, before the first.
    """
    (metagraph,) = message("tensorflow.SavedModel").FromString((small / "saved_model.pb").read_bytes()).meta_graphs
    rest = metagraph.SerializeToString()
    node = message("tensorflow.NodeDef")(name="large", op="Const").SerializeToString()
    head, tail = b"", b""
    # From the inside out, the number of the field that holds all so far, and what stands before and after it:
    # TensorProto.tensor_content, AttrValue.tensor, value and entry of NodeDef.attr, GraphDef.node,
    # MetaGraphDef.graph_def, SavedModel.meta_graphs.
    for number, before, after in (
        (4, b"", b""),
        (8, b"", b""),
        (2, b"\x0a\x05value", b""),
        (5, node, b""),
        (1, b"", b""),
        (2, b"", rest),
        (2, b"\x08\x01", b""),
    ):
        size = len(head) + LARGE_BYTES + len(tail)
        head = before + write_varint(number << 3 | 2) + write_varint(size) + head
        tail += after
    large.mkdir()
    with (large / "saved_model.pb").open("wb") as file:
        file.write(head)
        file.seek(LARGE_BYTES, os.SEEK_CUR)
        file.write(tail)


def _time_in_turn(first: Sequence[str], second: Sequence[str]) -> tuple[float, float]:
    """The median seconds of two commands that take turns, after one run of each to fill caches."""
    # Compiled modules are kept, as on a user's machine, even where the environment says otherwise.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(PAIRS + 1):
        for command, times in zip((first, second), seconds, strict=True):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            times.append(time.perf_counter() - started)
    return median(seconds[0][1:]), median(seconds[1][1:])


def _row(name: str, seconds: float, ratio: float = 1.0, target: str = "", ok: bool = True) -> dict[str, Any]:
    return {"name": name, "value": seconds, "unit": "s", "ratio": ratio, "target": target, "ok": ok}


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:<28}{row['value']:8.3f} {row['unit']}{row['ratio']:8.2f}  {row['target']:<26}", end="")
        print("ok" if row["ok"] else "MISSED")
