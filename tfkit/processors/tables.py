"""Which ops, attributes and kernels each TensorFlow has, without that TensorFlow.

The tables were read out of the real libraries into ``op_tables.pb.gz``, by ``python -m tfkit.runtime.make_tables``;
each thing stands there once, with the set of the processors that have it.

>>> from tfkit.processors.tables import first_with, op_table
>>> from tfkit.tensors import DType
>>> table = op_table("tensorflow_cpu_1.12")
>>> table.knows("SelectV2"), table.knows("MatMul", "grad_a")
(False, False)
>>> table.has_kernel("AvgPool", types={"T": DType.BFLOAT16})
False
>>> first_with("SelectV2")
'1.14'
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from tfkit import proto
from tfkit.errors import UsageError, nearest
from tfkit.processors.ops import Argument, Attribute, Device, Kernel, Op, Value, check_device, plain_value

__all__ = ["FILE", "OpTable", "first_with", "op_table"]

FILE = "op_tables.pb.gz"
_NO_TYPES: Mapping[str, Value] = MappingProxyType({})


class OpTable:
    """What the TensorFlow of one processor knows.

    Ops that only other libraries bring (``tf.contrib``'s, TensorFlow Text's, a user's own) are not in it.

    Attributes:
        processor: The processor's name.
        tensorflow: The version that was read, such as ``1.15.5``.
        gpu: Whether it is a build for GPUs.
        derived_from: Where its own library could not be read: the processor whose GPU kernels stand for its own, as far
            as its ops allow them. Empty elsewhere.
    """

    def __init__(self, processor: Any, bit: int, ops: Mapping[str, Any]) -> None:
        self.processor: str = processor.name
        self.tensorflow: str = processor.tensorflow
        self.gpu: bool = processor.gpu
        self.derived_from: str = processor.derived_from
        self._bit = bit
        self._entries = ops
        self._ops: dict[str, Op | None] = {}

    @property
    def minor(self) -> str:
        """The TensorFlow it stands for, such as ``1.15``."""
        return ".".join(self.tensorflow.split(".")[:2])

    @property
    def derived(self) -> bool:
        """Whether its kernels are not its own library's word."""
        return bool(self.derived_from)

    def __iter__(self) -> Iterator[str]:
        """The names of its ops, in order."""
        for name, entry in self._entries.items():
            if any(definition.processors & self._bit for definition in entry.definition):
                yield name

    def op(self, name: str) -> Op | None:
        """An op as this TensorFlow knows it; ``None`` if it does not."""
        try:
            return self._ops[name]
        except KeyError:
            pass
        entry = self._entries.get(name)
        if entry is None:  # not kept: there are as many such names as a graph likes
            return None
        op = self._ops[name] = _read_op(entry, self._bit)
        return op

    def knows(self, op: str, attribute: str | None = None) -> bool:
        """Whether it has the op, and the op the attribute if one is named."""
        found = self.op(op)
        return found is not None and (attribute is None or attribute in found.attributes)

    def kernels(self, op: str) -> tuple[Kernel, ...]:
        """The kernels of an op; none if the op is unknown."""
        found = self.op(op)
        return () if found is None else found.kernels

    def has_kernel(self, op: str, device: Device = "cpu", types: Mapping[str, Value] = _NO_TYPES) -> bool:
        """Whether a node finds a kernel.

        As TensorFlow looks for one (``FindKernelRegistration`` of its ``op_kernel.cc``): all constraints of a kernel
        hold, an attribute that the node lacks has its default, and a kernel of the device ``DEFAULT`` serves where no
        other fits. A kernel can still refuse what no table holds, such as a grouped convolution on the CPU.

        Args:
            op: The node's op.
            device: Where it shall run. What has no kernel for the GPU runs on the CPU if the session may place it there
                (``allow_soft_placement``), and what has none for the CPU on ``xla_cpu``, up to 2.3.
            types: Its attributes, as ``Op.types_of`` finds them: dtypes, tuples of dtypes for a list, strings such as
                ``data_format``. One that is not given and has no default counts as fitting; one that the op does not
                have, as fitting nothing.

        Raises:
            ValueError: There is no such device, or a dtype is not given as a number.
        """
        check_device(device)
        if device == "gpu" and not self.gpu:
            return False
        found = self.op(op)
        return found is not None and found.has_kernel(device, types)

    def kernel_problem(self, op: str, device: Device = "cpu", types: Mapping[str, Value] = _NO_TYPES) -> str:
        """Why a node finds no kernel, for people; empty if it finds one. Arguments as in ``has_kernel``."""
        check_device(device)
        if device == "gpu" and not self.gpu:
            return f"{self.processor} has no GPU"
        found = self.op(op)
        if found is None:
            return f"TensorFlow {self.minor} does not know the op {op}"
        problem = found.kernel_problem(device, types)
        return f"TensorFlow {self.minor}: {problem}" if problem else ""


def op_table(processor: str) -> OpTable:
    """The table of a processor, or of the installed TensorFlow (``installed``).

    Raises:
        UsageError: There is no such processor.
    """
    tables = _all_tables()
    try:
        return tables[processor]
    except KeyError:
        raise UsageError(f"there is no table of processor {processor!r}", hint=nearest(processor, tables)) from None


def first_with(
    op: str, attribute: str | None = None, device: Device = "cpu", types: Mapping[str, Value] = _NO_TYPES
) -> str | None:
    """The first TensorFlow of a processor that has an op, such as ``1.15``; ``1.12`` is the oldest there is.

    Args:
        op: The op.
        attribute: An attribute that it shall have.
        device: Which builds are asked: those for the CPU, or those for GPUs; the installed TensorFlow is both.
        types: Attributes of a node for which it shall have a kernel on that device.

    Returns:
        ``None`` if not even the installed TensorFlow has it.

    Raises:
        ValueError: There is no such device, or a dtype is not given as a number.
    """
    check_device(device)
    for table in _all_tables().values():
        of_device = table.gpu == (device == "gpu") or table.processor == "installed"
        if of_device and table.knows(op, attribute) and (not types or table.has_kernel(op, device, types)):
            return table.minor
    return None


@cache
def _all_tables() -> dict[str, OpTable]:
    """The tables by processor, the older TensorFlow first."""
    data = gzip.decompress(resources.files(__package__).joinpath(FILE).read_bytes())
    return read_tables(data)


def read_tables(data: bytes) -> dict[str, OpTable]:
    """The tables in an ``OpTables`` message, by processor."""
    message = proto.message("tensorflow.OpTables").FromString(data)
    ops = {entry.name: entry for entry in message.op}
    return {each.name: OpTable(each, 1 << position, ops) for position, each in enumerate(message.processor)}


def _read_op(entry: Any, bit: int) -> Op | None:
    for definition in entry.definition:
        if definition.processors & bit:
            return _as_op(entry.name, definition.op, [each for each in entry.kernel if each.processors & bit])
    return None


def _as_op(name: str, definition: Any, kernels: list[Any]) -> Op:
    deprecated = definition.HasField("deprecation")
    deciding = {constraint.attribute: None for kernel in kernels for constraint in kernel.constraint}
    return Op(
        name=name,
        inputs=tuple(map(_as_argument, definition.input_arg)),
        outputs=tuple(map(_as_argument, definition.output_arg)),
        attributes=MappingProxyType({each.name: _as_attribute(each) for each in definition.attr}),
        kernels=tuple(map(_as_kernel, kernels)),
        deciding=tuple(deciding),
        stateful=definition.is_stateful,
        deprecated=definition.deprecation.version if deprecated else None,
        advice=definition.deprecation.explanation,
    )


def _as_argument(message: Any) -> Argument:
    return Argument(
        message.name, message.type, message.type_attr, message.number_attr, message.type_list_attr, message.is_ref
    )


def _as_attribute(message: Any) -> Attribute:
    allowed = plain_value(message.allowed_values)
    return Attribute(
        name=message.name,
        type=message.type,
        default=message.default_value if message.HasField("default_value") else None,
        allowed=frozenset(allowed if isinstance(allowed, tuple) else ()),
        minimum=message.minimum if message.has_minimum else None,
    )


def _as_kernel(message: Any) -> Kernel:
    constraints = ((each.attribute, frozenset((*each.number, *each.text))) for each in message.constraint)
    return Kernel(message.device, tuple(constraints), tuple(message.host_memory))
