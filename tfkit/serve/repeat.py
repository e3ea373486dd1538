"""A short way for requests that differ from an earlier one in the values of their floats alone.

Most traffic is like that: the same client, the same signature, the same shapes, other numbers. All but the values of
such a request has been decoded and checked before, byte for byte; the values go from the request into TensorFlow, and
from TensorFlow into the answer, as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.eas.messages import MEMORY_DTYPES, PredictRequest, float_output
from tfkit.errors import MessageError
from tfkit.runtime.function import Function
from tfkit.runtime.values import Feeder, read_bytes
from tfkit.tensors import DType
from tfkit.warmup.form import RequestForm

# Above this the copies cost more than what is saved.
LARGEST_BYTES = 64 * 1024
_LARGEST_ANSWER_BYTES = 2**31 - 1
_MEMORY_CODES = frozenset(map(int, MEMORY_DTYPES))


@dataclass(frozen=True, slots=True)
class _Values:
    """Where the values of an input stand in the request."""

    start: int
    end: int
    dtype: DType
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Answers the requests that are like an earlier one but for their values.

    Attributes:
        function: What runs.
        fixed: What must be the same: where, and which bytes.
        values: Where the values stand, in the order of the signature's inputs.
        outputs: Name and dtype of what is computed.
        form: The form that all these requests have, where they are recorded.
    """

    function: Function
    fixed: tuple[tuple[int, bytes], ...]
    values: tuple[_Values, ...]
    outputs: tuple[tuple[str, DType], ...]
    form: RequestForm | None

    @classmethod
    def of(cls, body: bytes, request: PredictRequest, function: Function, form: RequestForm | None) -> Self | None:
        """What answers the like of a request that was answered before; ``None`` where more than floats is in it."""
        if len(body) > LARGEST_BYTES or function.echoed or not set(function.output_dtypes) <= _MEMORY_CODES:
            return None
        values = []
        for spec in function.signature.inputs:
            found = _find_values(body, request.inputs[spec.name])
            if found is None:
                return None
            values.append(found)
        fixed, at = [], 0
        for start, end in sorted((each.start, each.end) for each in values):
            fixed.append((at, body[at:start]))
            at = end
        fixed.append((at, body[at:]))
        names = (spec.name for spec in function.outputs)
        outputs = tuple((name, DType(code)) for name, code in zip(names, function.output_dtypes, strict=True))
        return cls(function, tuple(fixed), tuple(values), outputs, form)

    def matches(self, body: bytes) -> bool:
        """Whether a request of the same length differs in values only."""
        for at, same in self.fixed:  # noqa: SIM110  # a generator costs more, on every request
            if not body.startswith(same, at):
                return False
        return True

    def answer(self, body: bytes) -> bytes:
        """The serialized answer; raises ``TensorFlowError`` if the run fails."""
        feeder = Feeder(self.function.library)
        try:
            for each in self.values:
                feeder.add_bytes(body[each.start : each.end], each.dtype, each.shape)
            results = self.function.run(feeder.pointers, read_bytes)
        finally:
            feeder.free()
        parts = [
            float_output(name, dtype, shape, data)
            for (name, dtype), (shape, data) in zip(self.outputs, results, strict=True)
        ]
        answer = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(answer) > _LARGEST_ANSWER_BYTES:
            raise MessageError("the answer has 2 GiB or more, which no message can hold")
        return answer


def _find_values(body: bytes, array: Array) -> _Values | None:
    """Where an array that looks at the request's own bytes looks; ``None`` for any other."""
    dtype = dtype_of(array)
    start = array.ctypes.data - np.frombuffer(body, np.uint8).ctypes.data
    end = start + array.nbytes
    looks_at_body = array.size > 0 and 0 <= start <= end <= len(body) and body[start:end] == array.tobytes()
    return _Values(start, end, dtype, array.shape) if looks_at_body and dtype in MEMORY_DTYPES else None
