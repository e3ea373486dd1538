"""One signature of a session, ready to be called, and the arguments of its runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from tfkit.arrays import Array, check_array
from tfkit.errors import SignatureError, nearest
from tfkit.runtime.library import Library
from tfkit.runtime.prototypes import TfOutput
from tfkit.runtime.values import Feeder, read_tensor
from tfkit.tensors import Signature, TensorSpec

if TYPE_CHECKING:
    from tfkit.runtime.session import Session

T = TypeVar("T")


class Call:
    """The arguments of one ``TF_SessionRun``, made once and used for one run at a time."""

    __slots__ = ("_library", "fed", "fed_count", "fetched", "fetched_count", "inputs", "outputs", "status")

    def __init__(self, library: Library, inputs: ctypes.Array[TfOutput], outputs: ctypes.Array[TfOutput]) -> None:
        self._library = library
        self.inputs, self.outputs = inputs, outputs
        self.fed_count, self.fetched_count = len(inputs), len(outputs)
        self.fed = (ctypes.c_void_p * len(inputs))()
        self.fetched = (ctypes.c_void_p * len(outputs))()
        self.status: int = library.quick.TF_NewStatus()

    def __del__(self) -> None:
        self._library.quick.TF_DeleteStatus(self.status)


class Function:
    """One signature of a session, with the outputs to fetch; any thread may call it.

    Attributes:
        signature: The signature.
        outputs: The outputs that are computed, in the order in which ``run`` gives them.
        output_dtypes: The dtypes that the graph gives them, as ``TF_DataType``.
        echoed: The outputs that are inputs, and which.
        library: The session's library.
    """

    def __init__(self, session: Session, signature: Signature, outputs: tuple[TensorSpec, ...]) -> None:
        self.signature = signature
        self.library = session.library
        self._session = session
        self._specs = signature.inputs
        # TensorFlow refuses to fetch what is fed: an output that is an input is answered here.
        fed = {spec.tensor: spec.name for spec in signature.inputs}
        self.echoed = {spec.name: fed[spec.tensor] for spec in outputs if spec.tensor in fed}
        self.outputs = computed = tuple(spec for spec in outputs if spec.tensor not in fed)
        self._inputs = (TfOutput * len(self._specs))(*map(session.resolve, self._specs))
        self._outputs = (TfOutput * len(computed))(*map(session.resolve, computed))
        self.output_dtypes = tuple(session.dtype_of(output) for output in self._outputs)
        # Calls that are not in use; as many are made as threads run at a time.
        self._calls: list[Call] = []

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the signature.

        Args:
            inputs: An array for each input, of its dtype, in a shape that fits.

        Raises:
            SignatureError: An input is missing, unknown, or of another dtype or shape.
            TensorFlowError: The run failed.
        """
        if len(inputs) != len(self._specs):
            self._refuse_unknown(inputs)
        feeder = Feeder(self.library)
        try:
            for spec in self._specs:
                array = inputs.get(spec.name)
                if array is None:
                    raise self._missing(spec, inputs)
                check_array(spec, array)
                feeder.add(array, spec.dtype)
            arrays = self.run(feeder.pointers, read_tensor) if self.outputs else []
            results = {spec.name: array for spec, array in zip(self.outputs, arrays, strict=True)}
        finally:
            feeder.free()
        for name, source in self.echoed.items():
            results[name] = inputs[source]
        return results

    def run(self, tensors: list[int], read: Callable[[Library, int], T]) -> list[T]:
        """Runs the signature on tensors that were made for its inputs, in the order of ``signature.inputs``.

        Args:
            tensors: ``TF_Tensor*`` for each input; they stay the caller's.
            read: Makes what is returned of each output (``outputs``); it must not keep the pointer.

        Raises:
            TensorFlowError: The run failed.
        """
        library = self.library
        try:
            call = self._calls.pop()
        except IndexError:  # all are in use
            call = Call(library, self._inputs, self._outputs)
        call.fed[:] = tensors  # type: ignore[assignment]  # ctypes takes addresses for pointers
        try:
            self._session.run(call)
            fetched: list[int] = call.fetched[:]  # type: ignore[assignment]
        finally:
            self._calls.append(call)
        try:
            return [read(library, pointer) for pointer in fetched]
        finally:
            for pointer in fetched:
                library.quick.TF_DeleteTensor(pointer)

    def _missing(self, spec: TensorSpec, inputs: Mapping[str, Array]) -> SignatureError:
        self._refuse_unknown(inputs)
        came = ", ".join(map(repr, inputs)) or "none"
        return SignatureError(f"input {spec.name!r} is missing: expected {spec}; inputs that came: {came}")

    def _refuse_unknown(self, inputs: Mapping[str, Array]) -> None:
        """Raises if an input is none of the signature's; one that is missing is found when it is fed."""
        known = [spec.name for spec in self._specs]
        unknown = [name for name in inputs if name not in known]
        if unknown:
            raise SignatureError(
                f"signature {self.signature.name!r} has no input {unknown[0]!r}", hint=nearest(unknown[0], known)
            )
