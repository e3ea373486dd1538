"""What a runtime is told reaches TensorFlow as the ConfigProto that its own documents describe."""

from __future__ import annotations

import struct

import pytest

from tfkit.errors import UsageError
from tfkit.proto import wire
from tfkit.runtime.options import RuntimeOptions

DEVICE_COUNT, INTRA_OP, INTER_OP, GPU_OPTIONS, SOFT_PLACEMENT = 1, 2, 5, 6, 7
MEMORY_FRACTION, ALLOW_GROWTH, VISIBLE_DEVICES = 1, 4, 5


def fields(data: bytes) -> dict[int, int | bytes]:
    """The fields of a message by their number: numbers as they are, all else as bytes."""
    return {
        field.number: wire.signed(field.value) if field.kind == wire.VARINT else data[field.start : field.end]
        for field in wire.fields(data)
    }


def test_threads() -> None:
    config = fields(RuntimeOptions(intra_op_threads=3, inter_op_threads=200).config())
    assert (config[INTRA_OP], config[INTER_OP]) == (3, 200)
    assert INTRA_OP not in fields(RuntimeOptions().config())
    assert fields(RuntimeOptions().config())[INTER_OP] == -1
    assert INTER_OP not in fields(RuntimeOptions().config(may_run_on_caller=False)), "TensorFlow 1.12 aborts at -1"
    assert fields(RuntimeOptions(inter_op_threads=2).config(may_run_on_caller=False))[INTER_OP] == 2


def test_a_gpu_that_is_asked_for_is_the_only_one_and_nothing_else_will_do() -> None:
    config = fields(RuntimeOptions(device="gpu:2").config())
    assert SOFT_PLACEMENT not in config
    assert fields(config[GPU_OPTIONS])[VISIBLE_DEVICES] == b"2"
    assert SOFT_PLACEMENT not in fields(RuntimeOptions(device="gpu").config())


def test_without_that_a_graph_may_name_a_device_that_is_not_here() -> None:
    for device in ("auto", "cpu"):
        assert fields(RuntimeOptions(device=device).config())[SOFT_PLACEMENT] == 1
    assert DEVICE_COUNT not in fields(RuntimeOptions().config())
    assert fields(fields(RuntimeOptions(device="cpu").config())[DEVICE_COUNT]) == {1: b"GPU", 2: 0}


def test_memory_of_a_card() -> None:
    options = fields(fields(RuntimeOptions(gpu_memory_fraction=0.25, gpu_memory_growth=False).config())[GPU_OPTIONS])
    assert options == {MEMORY_FRACTION: struct.pack("<d", 0.25)}
    assert fields(fields(RuntimeOptions().config())[GPU_OPTIONS]) == {ALLOW_GROWTH: 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "tpu"},
        {"device": "gpu:"},
        {"device": "gpu:\u0663"},
        {"gpu_memory_fraction": 1.5},
        {"intra_op_threads": -1},
        {"intra_op_threads": 2**32 - 1},
        {"inter_op_threads": -2},
        {"inter_op_threads": 1025},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(UsageError):
        RuntimeOptions(**wrong)
