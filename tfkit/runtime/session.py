"""One model loaded in the TensorFlow of this process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tfkit.errors import MissingError, SignatureError, TensorFlowError, nearest
from tfkit.processors.catalogue import PROCESSORS, find_processor
from tfkit.runtime.function import Call, Function
from tfkit.runtime.library import Library
from tfkit.runtime.opening import open_session, read_model
from tfkit.runtime.options import RuntimeOptions
from tfkit.runtime.prototypes import TfOutput
from tfkit.savedmodel.frozen import FrozenGraph, outputs_not_named, parse_tensor_name
from tfkit.savedmodel.reader import find_signature
from tfkit.savedmodel.signatures import check_dense
from tfkit.tensors import SERVE_TAG, DType, Shape, Signature, TensorSpec

_CANCELLED = 1  # TF_Code
_REF = 100  # the offset of the reference types of TensorFlow 1 variables
_DTYPES = {int(dtype): dtype for dtype in DType}


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a session: ``CPU`` or ``GPU``, its TensorFlow name and its memory."""

    kind: str
    name: str
    memory_bytes: int


class Session:
    """A model loaded in this process's TensorFlow. Any thread may run it.

    Args:
        library: The loaded C library.
        path: The SavedModel's folder, or a frozen graph's file.
        tags: The tag set to load.
        options: Devices and threads; those that the library was loaded with, if not given.

    Attributes:
        path: The SavedModel's folder, or the frozen graph's file.
        signatures: The SavedModel's signatures; a frozen graph has none.
        frozen: What a frozen graph has instead.

    Raises:
        ModelError: There is no model, or it is damaged.
        SignatureError: It has no such tag set.
        TensorFlowError: TensorFlow refused it.
        MissingError: The device asked for is not here.
    """

    def __init__(
        self,
        library: Library,
        path: Path | str,
        tags: Sequence[str] = (SERVE_TAG,),
        options: RuntimeOptions | None = None,
    ) -> None:
        self.library = library
        opened = read_model(path, tags)
        self.path, self.signatures, self.frozen = opened.path, opened.signatures, opened.frozen
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._running = 0
        self._closed = False
        self._closers = 0
        options = options or library.options
        self._graph: int = library.quick.TF_NewGraph()
        try:
            self._session = open_session(library, self._graph, opened, tags, options)
        except BaseException:
            library.long.TF_DeleteGraph(self._graph)
            raise
        try:
            self.devices = self._list_devices()
            self._check_device(options)
        except BaseException:
            self.close()
            raise

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

    def _check_device(self, options: RuntimeOptions) -> None:
        if not options.wants_gpu or self.device == "gpu":
            return
        if find_processor(options.processor).device == "cpu":
            twin = options.processor.replace("_cpu_", "_gpu_")
            raise MissingError(
                f"device {options.device}: {options.processor} has no GPU",
                hint=f"Use the device cpu, or the processor {twin}." if twin in PROCESSORS else "Use the device cpu.",
            )
        raise MissingError(
            f"device {options.device}: TensorFlow {self.library.version} sees no such GPU here",
            hint="Use the device auto or cpu; `tfkit doctor` says what TensorFlow sees and what is missing.",
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
        wanted = tuple(dict.fromkeys(outputs))
        specs = tuple(signature.output(name) for name in wanted) if wanted else signature.outputs
        with self._held_open():
            return Function(self, signature, specs)

    def prepare(self, signature: str | None, inputs: Collection[str], outputs: Sequence[str]) -> Function:
        """What runs a request: of a SavedModel the signature it names, of a frozen graph the tensors it names.

        Args:
            signature: The signature's name; ``None`` for the default one.
            inputs: The inputs that are given; they matter for a frozen graph alone.
            outputs: The outputs to compute; a SavedModel's are all computed if none is named.

        Raises:
            SignatureError: There is no such signature, output or tensor; or a frozen graph's outputs are not named.
        """
        if self.frozen is None:
            return self.function(find_signature(self.signatures, signature), outputs)
        with self._held_open():
            implied = self._implied_signature(self.frozen, inputs, outputs)
            return Function(self, implied, implied.outputs)

    def _implied_signature(self, frozen: FrozenGraph, inputs: Collection[str], outputs: Sequence[str]) -> Signature:
        """The signature that a request to a frozen graph implies."""
        results = [tensor for tensor, _ in frozen.outputs]
        if not outputs:
            raise outputs_not_named(self.path.name, results)
        shapes = {spec.tensor: spec.shape for spec in frozen.placeholders}
        fed = tuple(self._spec("input", name, shapes, [spec.name for spec in frozen.placeholders]) for name in inputs)
        fetched = tuple(self._spec("output", name, {}, results) for name in dict.fromkeys(outputs))
        return Signature("", fed, fetched)

    def _spec(self, kind: str, name: str, shapes: Mapping[str, Shape | None], known: Sequence[str]) -> TensorSpec:
        """The spec of a tensor of the graph, called ``node`` or ``node:0``."""
        node, index = parse_tensor_name(name)
        tensor = f"{node}:{index}"
        spec = TensorSpec(name, DType.INVALID, shapes.get(tensor), tensor)
        try:
            code = self.dtype_of(self.resolve(spec))
        except SignatureError:
            raise SignatureError(f"{kind} {name!r}: the graph has no such tensor", hint=nearest(name, known)) from None
        return replace(spec, dtype=_DTYPES.get(code % _REF, DType.INVALID))

    def resolve(self, spec: TensorSpec) -> TfOutput:
        """The graph's tensor behind a spec; for what is made while the session is held open.

        Raises:
            SignatureError: The graph has no such tensor.
        """
        node, output = parse_tensor_name(spec.tensor)
        operation = self.library.quick.TF_GraphOperationByName(self._graph, node.encode())
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
        self._enter()
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
            self._leave()

    @contextmanager
    def _held_open(self) -> Iterator[None]:
        """Keeps ``close`` waiting inside the block, as a run does."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._closed:
                raise TensorFlowError(f"{self.path}: the session is closed", code=_CANCELLED)
            self._running += 1

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._closers:
                self._idle.notify_all()

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
