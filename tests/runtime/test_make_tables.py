"""Making the op and kernel tables: what is kept of a library's word, and how it is put together."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfkit import proto
from tfkit.errors import MissingError
from tfkit.processors.ops import Kernel
from tfkit.processors.tables import read_tables
from tfkit.runtime.make_tables import Reading, derive, make_tables, merge, pack, read_lists
from tfkit.tensors import DType

FLOAT, DOUBLE, INT32, HALF = int(DType.FLOAT), int(DType.DOUBLE), int(DType.INT32), int(DType.HALF)


def op_list(*ops: dict[str, Any]) -> bytes:
    data: bytes = proto.message("tensorflow.OpList")(op=ops).SerializeToString()
    return data


def op(name: str, *allowed: int, attribute: str = "T") -> dict[str, Any]:
    attr: dict[str, Any] = {"name": attribute, "type": "type", "description": "What it is."}
    if allowed:
        attr["allowed_values"] = {"list": {"type": allowed}}
    return {"name": name, "attr": [attr]}


def kernel(op: str, device: str, *types: int, **fields: Any) -> dict[str, Any]:
    constraint = [{"name": "T", "allowed_values": {"list": {"type": [each]}}} for each in types]
    return {"op": op, "device_type": device, "constraint": constraint, **fields}


def read(ops: bytes, *kernels: dict[str, Any], gpu: bool = False, name: str = "some") -> Reading:
    return read_lists(
        name, "1.0.0", gpu, ops, proto.message("tensorflow.KernelList")(kernel=kernels).SerializeToString()
    )


def fits(*types: int, device: Any = "cpu") -> Kernel:
    return Kernel(device, (("T", frozenset(types)),))


def test_kernels_that_differ_in_one_attribute_stand_together() -> None:
    reading = read(
        op_list(op("Abs")), kernel("Abs", "CPU", FLOAT), kernel("Abs", "CPU", DOUBLE), kernel("Abs", "DEFAULT")
    )
    assert reading.kernels["Abs"] == (Kernel("any"), fits(FLOAT, DOUBLE))


def test_devices_that_a_build_cannot_have_are_left_out() -> None:
    kernels = [kernel("Abs", device, FLOAT) for device in ("CPU", "GPU", "XLA_CPU", "XLA_GPU", "XLA_CPU_JIT", "TPU")]
    devices = {each.device for each in read(op_list(op("Abs")), *kernels).kernels["Abs"]}
    assert devices == {"cpu", "xla_cpu"}
    devices = {each.device for each in read(op_list(op("Abs")), *kernels, gpu=True).kernels["Abs"]}
    assert devices == {"cpu", "gpu", "xla_cpu"}


def test_kernels_with_a_label_are_left_out() -> None:
    reading = read(op_list(op("Abs")), kernel("Abs", "CPU", FLOAT, label="eigen"), kernel("Abs", "CPU", HALF))
    assert reading.kernels["Abs"] == (fits(HALF),)


def test_what_is_registered_twice_at_one_priority_is_no_kernel() -> None:
    twice = [kernel("Less", "CPU", FLOAT), kernel("Less", "CPU", FLOAT, host_memory_arg=["x"])]
    assert read(op_list(op("Less")), *twice, kernel("Less", "CPU", HALF)).kernels["Less"] == (fits(HALF),)
    ranked = [kernel("Less", "CPU", FLOAT), kernel("Less", "CPU", FLOAT, priority=1)]
    assert read(op_list(op("Less")), *ranked).kernels["Less"] == (fits(FLOAT),)


def test_dtypes_and_attributes_that_the_op_does_not_have_are_left_out() -> None:
    ops = op_list(op("Abs", FLOAT, DOUBLE), op("Old", attribute="Other"))
    both = {"name": "T", "allowed_values": {"list": {"type": [FLOAT, HALF]}}}
    reading = read(
        ops,
        {"op": "Abs", "device_type": "CPU", "constraint": [both]},
        kernel("Abs", "CPU", HALF),
        kernel("Old", "CPU", FLOAT),
    )
    assert reading.kernels == {"Abs": (fits(FLOAT),), "Old": ()}


def test_a_library_that_cannot_be_read_gets_anothers_gpu_kernels_as_far_as_its_ops_go() -> None:
    own = read(op_list(op("Abs", FLOAT, HALF)), kernel("Abs", "CPU", FLOAT), name="cpu_1")
    newer = read(
        op_list(op("Abs"), op("New")),
        *(kernel(name, device, each) for name in ("Abs", "New") for device in ("CPU", "GPU") for each in (HALF, INT32)),
        gpu=True,
        name="gpu_2",
    )
    derived = derive("gpu_1", own, newer)
    assert derived.kernels == {"Abs": (fits(FLOAT), fits(HALF, device="gpu"))}
    assert (derived.processor, derived.tensorflow, derived.gpu) == ("gpu_1", own.tensorflow, True)
    assert derived.derived_from == "gpu_2"


CONSTRAINTS = st.dictionaries(st.sampled_from("ABC"), st.frozensets(st.integers(1, 3), min_size=1), max_size=3)
KERNELS = st.builds(
    lambda device, constraints, host: Kernel(device, tuple(sorted(constraints.items())), host),
    st.sampled_from(["cpu", "gpu"]),
    CONSTRAINTS,
    st.sampled_from([(), ("x",)]),
)


def nodes_of(kernels: tuple[Kernel, ...] | list[Kernel]) -> set[Any]:
    """Everything that some of the kernels take, value by value."""
    return {
        (kernel.device, kernel.host_memory, tuple(name for name, _ in kernel.constraints), values)
        for kernel in kernels
        for values in product(*(these for _, these in kernel.constraints))
    }


@given(st.lists(KERNELS, max_size=12))
def test_merged_kernels_take_what_the_single_ones_took_and_nothing_else(kernels: list[Kernel]) -> None:
    merged = merge(kernels)
    assert nodes_of(merged) == nodes_of(kernels)
    assert len(merged) <= len(set(kernels))
    assert merged == merge(reversed(kernels))


def test_tables_hold_what_was_read_each_thing_once() -> None:
    first = read(op_list(op("Abs"), op("Old")), kernel("Abs", "CPU", FLOAT), name="first")
    second = read(
        op_list(op("Abs"), op("New", FLOAT)), kernel("Abs", "CPU", FLOAT), kernel("New", "CPU"), name="second"
    )
    packed = pack([first, second])
    assert packed.count(b"Abs") == 1
    assert b"What it is" not in packed, "texts are left out"
    tables = read_tables(packed)
    assert {name: list(table) for name, table in tables.items()} == {"first": ["Abs", "Old"], "second": ["Abs", "New"]}
    assert tables["first"].kernels("Abs") == tables["second"].kernels("Abs") == (fits(FLOAT),)
    assert tables["second"].kernels("New") == (Kernel("cpu"),)
    new = tables["second"].op("New")
    assert new is not None
    assert new.attributes["T"].allowed == {FLOAT}


def test_the_order_in_which_a_library_lists_things_does_not_matter() -> None:
    kernels = [kernel("Abs", device, each) for device in ("CPU", "GPU", "DEFAULT") for each in (FLOAT, HALF, INT32)]
    ops = [op("Abs"), op("Neg", FLOAT)]
    one = pack([read(op_list(*ops), *kernels, gpu=True)])
    other = pack([read(op_list(*reversed(ops)), *reversed(kernels), gpu=True)])
    assert one == other


def test_a_processor_that_is_not_installed_stops_it_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "home"))
    with pytest.raises(MissingError, match=r"tensorflow_cpu_1\.12"):
        make_tables(tmp_path / "tables.pb.gz")
    assert not list(tmp_path.glob("tables*"))
