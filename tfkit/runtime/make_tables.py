"""Reads the op and kernel tables out of the real libraries: ``python -m tfkit.runtime.make_tables``.

Every processor must be installed (``tfkit runtime install --all``), but the one that is derived. Libraries of the same
version give the same file, byte for byte. What is kept of a library's word:

- every op, the internal ones that start with ``_`` included; of its definition what ``saved_model.proto`` has;
- kernels of the devices CPU, GPU, XLA_CPU and DEFAULT; of GPU in GPU builds only, since the others have no such device.
  Those of XLA_GPU and TPUs are left out;
- no kernel with a label: only nodes with the attribute ``_kernel`` get one, which TensorFlow sets while it optimises;
- of a kernel's dtypes only those that the op's definition allows: others exist, but no node can ask for them;
- no kernel that is registered twice: TensorFlow refuses a node that fits two (bfloat16 ``Less`` in 1.12 and 1.14).

Priorities decide which kernel is taken, not whether there is one, and are left out as well.
"""

from __future__ import annotations

import gzip
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tfkit import proto
from tfkit.errors import TfkitError
from tfkit.processors import tables
from tfkit.processors.catalogue import all_processors
from tfkit.processors.ops import Device, Kernel, Scalar, plain_value
from tfkit.runtime import Runtime

_DEVICES: Mapping[str, Device | Literal["any"]] = {"CPU": "cpu", "GPU": "gpu", "XLA_CPU": "xla_cpu", "DEFAULT": "any"}
# A library that does not load without CUDA 9, and so is not read: the build whose ops and CPU kernels it shares, and
# the one whose GPU kernels come nearest to its own: of 2744 combinations of values that it has kernels for, 19 are
# missed and 131 are too many (counted against the library itself, loaded beside empty CUDA libraries).
_DERIVED = {"tensorflow_gpu_1.12": ("tensorflow_cpu_1.12", "tensorflow_gpu_1.14")}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is kept of what one library says.

    Attributes:
        processor: The processor's name.
        tensorflow: The library's version.
        gpu: Whether it is a build for GPUs.
        ops: The ``OpDef`` messages by name.
        kernels: By the op's name.
        derived_from: The processor that the GPU kernels were taken from; empty if they are its own.
    """

    processor: str
    tensorflow: str
    gpu: bool
    ops: Mapping[str, Any]
    kernels: Mapping[str, Sequence[Kernel]]
    derived_from: str = ""


def make_tables(output: Path) -> list[Reading]:
    """Reads all processors and writes their tables to ``output``.

    Raises:
        MissingError: A processor is not installed.
    """
    readings: dict[str, Reading] = {}
    for processor in all_processors():
        if processor.name not in _DERIVED:
            with Runtime(processor.name, device="cpu") as runtime:
                readings[processor.name] = read_lists(
                    processor.name, runtime.version, processor.device == "gpu", runtime.op_list(), runtime.kernel_list()
                )
    for name, (ops_of, kernels_of) in _DERIVED.items():
        readings[name] = derive(name, readings[ops_of], readings[kernels_of])
    in_order = [readings[processor.name] for processor in all_processors()]
    packed = gzip.compress(pack(in_order), 9, mtime=0)
    beside = output.with_name(f"{output.name}.part")
    beside.write_bytes(packed)
    beside.replace(output)
    return in_order


def read_lists(processor: str, tensorflow: str, gpu: bool, op_list: bytes, kernel_list: bytes) -> Reading:
    """Takes what is kept from a serialized ``OpList`` and ``KernelList``."""
    ops = {op.name: _strip(op) for op in proto.message("tensorflow.OpList").FromString(op_list).op}
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for message in proto.message("tensorflow.KernelList").FromString(kernel_list).kernel:
        device = _DEVICES.get(message.device_type)
        if message.op in ops and device is not None and not message.label and (gpu or device != "gpu"):
            found[message.op].append(message)
    kernels = {name: merge(clip(_once(these), ops[name])) for name, these in found.items()}
    return Reading(processor, tensorflow, gpu, ops, kernels)


def derive(processor: str, ops_of: Reading, kernels_of: Reading) -> Reading:
    """Stands in for a library that cannot be read: the ops of one, with the GPU kernels that another has for them."""
    kernels = {}
    for name, op in ops_of.ops.items():
        on_gpu = (kernel for kernel in kernels_of.kernels.get(name, ()) if kernel.device == "gpu")
        kernels[name] = merge((*ops_of.kernels.get(name, ()), *clip(on_gpu, op)))
    return Reading(processor, ops_of.tensorflow, True, ops_of.ops, kernels, kernels_of.processor)


def clip(kernels: Iterable[Kernel], op: Any) -> Iterator[Kernel]:
    """Limits kernels to the attributes that the op has and to the values that it allows; drops what is left empty."""
    allowed = {attr.name: plain_value(attr.allowed_values) for attr in op.attr}
    for kernel in kernels:
        limits = []
        for name, values in kernel.constraints:
            these = allowed.get(name, ())
            limits.append((name, values.intersection(these) if isinstance(these, tuple) else values))
        if all(values for _, values in limits):
            yield Kernel(kernel.device, tuple(limits), kernel.host_memory)


def merge(kernels: Iterable[Kernel]) -> tuple[Kernel, ...]:
    """Puts kernels together that differ in the values of one attribute only; in an order that their values decide."""
    merged = set(kernels)
    for name in sorted({name for kernel in merged for name, _ in kernel.constraints}):
        groups: defaultdict[Kernel, set[Scalar]] = defaultdict(set)
        for kernel in merged:
            rest = tuple((each, frozenset() if each == name else values) for each, values in kernel.constraints)
            groups[Kernel(kernel.device, rest, kernel.host_memory)].update(dict(kernel.constraints).get(name, ()))
        merged = {
            Kernel(
                kernel.device,
                tuple((each, frozenset(values) if each == name else held) for each, held in kernel.constraints),
                kernel.host_memory,
            )
            for kernel, values in groups.items()
        }
    return tuple(sorted(merged, key=_order))


def pack(readings: Sequence[Reading]) -> bytes:
    """The serialized ``OpTables``: each thing once, with the set of those that say it."""
    packed = proto.message("tensorflow.OpTables")()
    for each in readings:
        packed.processor.add(
            name=each.processor, tensorflow=each.tensorflow, gpu=each.gpu, derived_from=each.derived_from
        )
    for name in sorted({name for each in readings for name in each.ops}):
        entry = packed.op.add(name=name)
        definitions: Counter[bytes] = Counter()
        kernels: Counter[Kernel] = Counter()
        for position, each in enumerate(readings):
            if name in each.ops:
                definitions[each.ops[name].SerializeToString(deterministic=True)] += 1 << position
                kernels.update(dict.fromkeys(each.kernels.get(name, ()), 1 << position))
        for op, processors in definitions.items():
            entry.definition.add(processors=processors).op.MergeFromString(op)
        for kernel in sorted(kernels, key=_order):
            _add_kernel(entry, kernel, kernels[kernel])
    data: bytes = packed.SerializeToString(deterministic=True)
    return data


def _add_kernel(entry: Any, kernel: Kernel, processors: int) -> None:
    added = entry.kernel.add(processors=processors, device=kernel.device, host_memory=kernel.host_memory)
    for name, values in kernel.constraints:
        added.constraint.add(
            attribute=name,
            number=sorted(int(value) for value in values if isinstance(value, int)),
            text=sorted(value for value in values if isinstance(value, str)),
        )


def _strip(op: Any) -> Any:
    op.ClearField("name")
    op.DiscardUnknownFields()
    for each in (*op.input_arg, *op.output_arg, *op.attr):
        each.ClearField("description")
    return op


def _once(messages: list[Any]) -> Iterator[Kernel]:
    """The kernels of one op, without those that TensorFlow could not choose between."""
    count = Counter((_as_kernel(each, host_memory=False), each.priority) for each in messages)
    for message in messages:
        if count[_as_kernel(message, host_memory=False), message.priority] == 1:
            yield _as_kernel(message)


def _as_kernel(message: Any, *, host_memory: bool = True) -> Kernel:
    constraints = []
    for each in message.constraint:
        values = plain_value(each.allowed_values)
        constraints.append((each.name, frozenset(values if isinstance(values, tuple) else ())))
    return Kernel(
        _DEVICES[message.device_type],
        tuple(sorted(constraints, key=lambda each: each[0])),
        tuple(sorted(message.host_memory_arg)) if host_memory else (),
    )


def _order(kernel: Kernel) -> tuple[Any, ...]:
    limits = [(name, sorted(map(str, values))) for name, values in kernel.constraints]
    return kernel.device, limits, kernel.host_memory


def main() -> None:
    """Makes the tables that tfkit ships and says what is in them."""
    output = Path(tables.__file__).with_name(tables.FILE)
    try:
        readings = make_tables(output)
    except TfkitError as error:
        raise SystemExit(str(error)) from None
    for each in readings:
        origin = f"  GPU kernels of {each.derived_from}" if each.derived_from else ""
        kernels = sum(map(len, each.kernels.values()))
        sys.stdout.write(f"{each.processor:20} {each.tensorflow:8} {len(each.ops):5} ops {kernels:5} kernels{origin}\n")
    sys.stdout.write(f"wrote {output}: {output.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
