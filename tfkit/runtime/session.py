"""One SavedModel loaded in the TensorFlow of this process."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tfkit.arrays import Array, check_array
from tfkit.errors import MissingError, SignatureError, TensorFlowError, nearest
from tfkit.proto.wire import write_varint
from tfkit.runtime.library import Library, TfOutput
from tfkit.runtime.values import Feeder, read_tensor
from tfkit.savedmodel.checkpoint import check_variables
from tfkit.savedmodel.files import find_model_file
from tfkit.savedmodel.reader import find_metagraph, read_metagraphs
from tfkit.savedmodel.signatures import check_dense
from tfkit.tensors import SERVE_TAG, Signature, TensorSpec

T = TypeVar("T")
_CANCELLED = 1  # TF_Code


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a session: ``CPU`` or ``GPU``, its TensorFlow name and its memory."""

    kind: str
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How TensorFlow runs a session.

    Attributes:
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        intra_op_threads: Threads inside one operation; 0 lets TensorFlow take one a core.
        inter_op_threads: Threads that run independent operations side by side; 0 lets TensorFlow choose, -1 runs the
            whole step on the calling thread, which is quickest for small models and for many callers.
    """

    device: str = "auto"
    intra_op_threads: int = 0
    inter_op_threads: int = -1

    def config(self) -> bytes:
        """The serialized ``ConfigProto`` (tensorflow/core/protobuf/config.proto)."""
        out = b""
        if self.device == "cpu":
            out += _message(1, _message(1, b"GPU") + b"\x10\x00")  # device_count {"GPU": 0}
        if self.intra_op_threads:
            out += b"\x10" + write_varint(self.intra_op_threads)
        if self.inter_op_threads:
            out += b"\x28" + write_varint(self.inter_op_threads)
        gpu_options = b"\x20\x01"  # allow_growth: leave the rest of the card to others
        if self.device.startswith("gpu:"):
            gpu_options += _message(5, self.device[4:].encode())  # visible_device_list
        out += _message(6, gpu_options)
        if not self.device.startswith("gpu"):
            out += b"\x38\x01"  # allow_soft_placement: a graph may name a device that is not here
        return out


def _message(number: int, payload: bytes) -> bytes:
    return write_varint(number << 3 | 2) + write_varint(len(payload)) + payload


class Session:
    """A SavedModel loaded in this process's TensorFlow. Any thread may run it.

    Args:
        library: The loaded C library.
        export_dir: The SavedModel's folder.
        tags: The tag set to load.
        options: Devices and threads.

    Raises:
        ModelError: The folder holds no SavedModel, or its variables are damaged.
        SignatureError: It has no such tag set.
        TensorFlowError: TensorFlow refused it.
        MissingError: The device asked for is not here.
    """

    def __init__(
        self,
        library: Library,
        export_dir: Path | str,
        tags: Sequence[str] = (SERVE_TAG,),
        options: SessionOptions | None = None,
    ) -> None:
        self.library = library
        file = find_model_file(export_dir)
        self.path = file.parent
        metagraph = find_metagraph(read_metagraphs(file), tags, export_dir)
        self.signatures: dict[str, Signature] = dict(metagraph.signatures)
        check_variables(self.path, needed=bool(metagraph.restore_op))
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._running = 0
        self._closed = False
        self._closers = 0
        options = options or SessionOptions()
        self._graph: int = library.quick.TF_NewGraph()
        try:
            self._session = self._load(tags, options)
        except BaseException:
            library.long.TF_DeleteGraph(self._graph)
            raise
        try:
            self.devices = self._list_devices()
            self._check_device(options.device)
        except BaseException:
            self.close()
            raise

    def _load(self, tags: Sequence[str], options: SessionOptions) -> int:
        quick = self.library.quick
        session_options = quick.TF_NewSessionOptions()
        names = (ctypes.c_char_p * len(tags))(*(tag.encode() for tag in tags))
        try:
            with self.library.status() as status:
                config = options.config()
                quick.TF_SetConfig(session_options, config, len(config), status)
                self.library.check(status)
                # The MetaGraphDef that it could return is a copy of the whole graph: signatures are read from the file.
                session = self.library.long.TF_LoadSessionFromSavedModel(
                    session_options, None, str(self.path).encode(), names, len(tags), self._graph, None, status
                )
        except TensorFlowError as error:
            raise TensorFlowError(
                f"{self.path}: TensorFlow {self.library.version} cannot load it: {error.message}", code=error.code
            ) from None
        finally:
            quick.TF_DeleteSessionOptions(session_options)
        return int(session)

    def _list_devices(self) -> tuple[Device, ...]:
        quick = self.library.quick
        with self.library.status() as status:
            devices = self.library.long.TF_SessionListDevices(self._session, status)
            self.library.check(status)
            try:
                return tuple(
                    Device(
                        quick.TF_DeviceListType(devices, index, status).decode(),
                        quick.TF_DeviceListName(devices, index, status).decode(),
                        quick.TF_DeviceListMemoryBytes(devices, index, status),
                    )
                    for index in range(quick.TF_DeviceListCount(devices))
                )
            finally:
                quick.TF_DeleteDeviceList(devices)

    def _check_device(self, wanted: str) -> None:
        if wanted.startswith("gpu") and self.device == "cpu":
            raise MissingError(
                f"--device {wanted}: TensorFlow {self.library.version} sees no such GPU here",
                hint="Use --device auto or cpu; `tfkit doctor` says what TensorFlow sees and what is missing.",
            )

    @property
    def device(self) -> str:
        """Where the session computes: ``gpu`` if it has one, else ``cpu``."""
        return "gpu" if any(device.kind == "GPU" for device in self.devices) else "cpu"

    def function(self, signature: Signature, outputs: Sequence[str] = ()) -> Function:
        """What runs a signature for some of its outputs (all, if none is named); prepare it once, call it often.

        Raises:
            SignatureError: The signature has no such output, or is encoded in a way that cannot be fed.
        """
        check_dense(signature)
        if self._closed:
            raise self._is_closed()
        wanted = tuple(dict.fromkeys(outputs))
        specs = tuple(signature.output(name) for name in wanted) if wanted else signature.outputs
        return Function(self, signature, specs)

    def resolve(self, spec: TensorSpec) -> TfOutput:
        """The graph's tensor behind a spec.

        Raises:
            SignatureError: The graph has no such tensor.
        """
        node, _, index = spec.tensor.partition(":")
        operation = self.library.quick.TF_GraphOperationByName(self._graph, node.encode())
        output = int(index) if index.isdecimal() else 0
        if not operation or output >= self.library.quick.TF_OperationNumOutputs(operation):
            raise SignatureError(f"{self.path}: {spec.name!r} stands for tensor {spec.tensor!r}, which the graph lacks")
        return TfOutput(operation, output)

    def dtype_of(self, output: TfOutput) -> int:
        """The dtype that the graph gives an output, whatever the signature says; a ``TF_DataType``."""
        code: int = self.library.quick.TF_OperationOutputType(output)
        return code

    def run(self, call: Call) -> None:
        """``TF_SessionRun``; the fetched tensors then belong to the caller.

        Raises:
            TensorFlowError: The run failed, or the session is closed.
        """
        with self._lock:
            if self._closed:
                raise self._is_closed()
            self._running += 1
        status = call.status
        try:
            self.library.long.TF_SessionRun(
                self._session, None,
                call.inputs, call.fed, call.fed_count,
                call.outputs, call.fetched, call.fetched_count,
                None, 0, None, status,
            )  # fmt: skip
            if self.library.quick.TF_GetCode(status):
                self.library.check(status)
        finally:
            with self._lock:
                self._running -= 1
                if self._closers:
                    self._idle.notify_all()

    def _is_closed(self) -> TensorFlowError:
        return TensorFlowError(f"{self.path}: the session is closed", code=_CANCELLED)

    def close(self) -> None:
        """Waits for the runs in flight, then gives the model's memory back; may be called twice."""
        with self._idle:
            if self._closed:
                return
            self._closed = True
            self._closers += 1
            self._idle.wait_for(lambda: not self._running)
        with self.library.status() as status:
            self.library.long.TF_CloseSession(self._session, status)
        with self.library.status() as status:
            self.library.long.TF_DeleteSession(self._session, status)
        self.library.long.TF_DeleteGraph(self._graph)


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
