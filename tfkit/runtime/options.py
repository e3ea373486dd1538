"""What a runtime is told: which TensorFlow, on which device, with how many threads and how much of a card's memory."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from tfkit.errors import UsageError
from tfkit.processors.catalogue import INSTALLED
from tfkit.proto.wire import write_varint

MOST_THREADS = 1024
"""More than that is a mistake, and at 2**31 TensorFlow aborts."""

_DEVICE = re.compile(r"auto|cpu|gpu|gpu:[0-9]{1,4}")


def is_device(text: str) -> bool:
    """Whether it is ``auto``, ``cpu``, ``gpu`` or ``gpu:N``."""
    return bool(_DEVICE.fullmatch(text))


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How TensorFlow is loaded and how it runs its sessions.

    Attributes:
        processor: Whose TensorFlow: a processor's name, or ``installed``.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        intra_op_threads: Threads inside one operation; 0 lets TensorFlow take one a core.
        inter_op_threads: Threads that run independent operations side by side; 0 lets TensorFlow choose, -1 runs the
            whole step on the calling thread, which is quickest for small models and for many callers. TensorFlow 1.12
            takes threads of its own all the same.
        gpu_memory_fraction: The share of a card's memory that TensorFlow may take; 0 for no limit.
        gpu_memory_growth: Take memory as it is needed, and leave the rest to others.
        op_libraries: Shared libraries with custom operations, loaded before any model.
    """

    processor: str = INSTALLED
    device: str = "auto"
    intra_op_threads: int = 0
    inter_op_threads: int = -1
    gpu_memory_fraction: float = 0.0
    gpu_memory_growth: bool = True
    op_libraries: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Checks what the types do not say; raises ``UsageError``."""
        if not is_device(self.device):
            raise UsageError(f"device {self.device!r}: expected auto, cpu, gpu or gpu:N")
        if not 0 <= self.gpu_memory_fraction <= 1:
            raise UsageError(f"GPU memory fraction {self.gpu_memory_fraction}: expected 0 to 1")
        for name, least in (("intra_op_threads", 0), ("inter_op_threads", -1)):
            if not least <= getattr(self, name) <= MOST_THREADS:
                raise UsageError(f"{name} {getattr(self, name)}: expected {least} to {MOST_THREADS}")

    @property
    def wants_gpu(self) -> bool:
        """Whether nothing but a GPU will do."""
        return self.device.startswith("gpu")

    def config(self, *, may_run_on_caller: bool = True) -> bytes:
        """The serialized ``ConfigProto`` (tensorflow/core/protobuf/config.proto).

        Args:
            may_run_on_caller: Whether TensorFlow knows ``inter_op_threads`` -1; 1.12 aborts at it.
        """
        out = b""
        if self.device == "cpu":
            out += _message(1, _message(1, b"GPU") + b"\x10\x00")  # device_count {"GPU": 0}
        if self.intra_op_threads:
            out += b"\x10" + write_varint(self.intra_op_threads)
        if self.inter_op_threads > 0 or (self.inter_op_threads and may_run_on_caller):
            out += b"\x28" + write_varint(self.inter_op_threads)
        out += _message(6, self._gpu_options())
        if not self.wants_gpu:
            out += b"\x38\x01"  # allow_soft_placement: a graph may name a device that is not here
        return out

    def _gpu_options(self) -> bytes:
        out = b""
        if self.gpu_memory_fraction:
            out += b"\x09" + struct.pack("<d", self.gpu_memory_fraction)  # per_process_gpu_memory_fraction
        if self.gpu_memory_growth:
            out += b"\x20\x01"  # allow_growth
        if self.device.startswith("gpu:"):
            out += _message(5, self.device[4:].encode())  # visible_device_list
        return out


def _message(number: int, payload: bytes) -> bytes:
    return write_varint(number << 3 | 2) + write_varint(len(payload)) + payload
