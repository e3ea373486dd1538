"""The message codec: floats whatever their number, packed varints against protobuf, writing against a memcpy.

Run by ``make bench``, or alone: ``python -m benchmarks.codec``, with ``--json`` for a program. The two sides of a ratio
take turns; what is compared with protobuf is the whole way from the message's bytes to an array. From 7.34 protobuf
hands numpy its packed values as one buffer; before, it made a Python number of each, which takes some ten times longer.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.report import print_rows, row
from tfkit.arrays import Array
from tfkit.eas.messages import PredictRequest, decode_request, encode_request, encode_response
from tfkit.proto import message

ROUNDS = 9
ROUND_S = 0.02
COUNT = 1_000_000

# Ten thousand times as many floats need two bytes more for each of three sizes.
FLAT_AT_MOST = 2.0
PACKED_FASTER = 3.0
MEMCPY_AT_MOST = 3.0


def run() -> list[dict[str, Any]]:
    """Measures; each row has ``name``, ``value``, ``unit``, ``ratio``, ``target`` and ``ok``."""
    return [*_usual_messages(), *_floats(), *_packed(), *_writing()]


def _usual_messages() -> list[dict[str, Any]]:
    image, scores = np.zeros((1, 784), np.float32), np.zeros((1, 10), np.float32)
    request = encode_request(PredictRequest({"images": image}, "predict_images"))
    (read_s,) = _times(partial(decode_request, request))
    (write_s,) = _times(partial(encode_response, {"scores": scores}))
    return [
        row("read a request of 784 floats", read_s * 1e6, "us"),
        row("write an answer of 10 floats", write_s * 1e6, "us"),
    ]


def _floats() -> list[dict[str, Any]]:
    """The time to read floats, by their number, as a ratio to the fewest."""
    counts = [10**exponent for exponent in range(2, 7)]
    messages = [_request(np.zeros(count, np.float32)) for count in counts]
    times = _times(*(partial(decode_request, data) for data in messages))
    return [
        row(f"read {count} floats", seconds * 1e6, "us", seconds / times[0], at_most=FLAT_AT_MOST)
        for count, seconds in zip(counts, times, strict=True)
    ]


def _packed() -> list[dict[str, Any]]:
    """Packed varints, as a ratio of protobuf's time to ours."""
    random = np.random.default_rng(0)
    arrays: dict[str, tuple[str, Array]] = {
        "bool": ("bool_val", random.integers(0, 2, COUNT).astype(np.bool_)),
        "int32 below 128": ("int_val", random.integers(0, 128, COUNT, np.int32)),
        "int64 below 128": ("int64_val", random.integers(0, 128, COUNT)),
        "int32 below 2**20": ("int_val", random.integers(0, 1 << 20, COUNT, np.int32)),
        "int64 below 2**20": ("int64_val", random.integers(0, 1 << 20, COUNT)),
        "int32 negative": ("int_val", -random.integers(1, 1 << 30, COUNT, np.int32)),
        "int64 below 2**63": ("int64_val", random.integers(0, 1 << 63, COUNT, np.int64)),
    }
    rows = []
    for name, (field, array) in arrays.items():
        data = _request(array)
        theirs_s, ours_s = _times(partial(_read_with_protobuf, data, field), partial(decode_request, data))
        label = f"read {name}: protobuf {version('protobuf')} and np.array"
        rows.append(row(label, theirs_s * 1e3, "ms"))
        rows.append(row(f"read {name}: tfkit", ours_s * 1e3, "ms", theirs_s / ours_s, at_least=PACKED_FASTER))
    return rows


def _read_with_protobuf(data: bytes, field: str) -> Array:
    array = message("PredictRequest").FromString(data).inputs["x"]
    return np.array(getattr(array, field)).reshape(array.array_shape.dim)


def _writing() -> list[dict[str, Any]]:
    """Writing floats, as a ratio to a copy of their bytes."""
    rows = []
    for count in (10_000, COUNT):
        array = np.zeros(count, np.float32)
        copy_s, write_s = _times(array.tobytes, partial(encode_response, {"y": array}))
        rows.append(row(f"copy {count} floats", copy_s * 1e6, "us"))
        rows.append(row(f"write {count} floats", write_s * 1e6, "us", write_s / copy_s, at_most=MEMCPY_AT_MOST))
    return rows


def _request(array: Array) -> bytes:
    return encode_request(PredictRequest({"x": array}))


def _times(*calls: Callable[[], object]) -> list[float]:
    """Seconds that each call takes: the best of several rounds, in which the calls take turns."""
    best = [_once(call, 1) for call in calls]
    repeats = [max(1, int(ROUND_S / seconds)) for seconds in best]
    for _ in range(ROUNDS):
        best = [min(least, _once(call, many)) for least, call, many in zip(best, calls, repeats, strict=True)]
    return best


def _once(call: Callable[[], object], many: int) -> float:
    start = time.perf_counter()
    for _ in range(many):
        call()
    return (time.perf_counter() - start) / many


def main() -> list[dict[str, Any]]:
    """Prints the table, or with ``--json`` the rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec", description="Measures the message codec.")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args()
    rows = run()
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        print_rows(rows)
    return rows


if __name__ == "__main__":
    main()
