"""The model behind a service: bytes of a PredictRequest in, an answer out."""

from __future__ import annotations

import logging
import mmap
import re
from functools import partial
from pathlib import Path
from typing import TypeVar

from tfkit.eas.compression import decompress
from tfkit.eas.messages import PredictRequest, decode_request, encode_response
from tfkit.eas.structure import default_signature, structure_json
from tfkit.errors import MessageError, SignatureError, TensorFlowError, TfkitError
from tfkit.processors.catalogue import find_processor
from tfkit.runtime.function import Function
from tfkit.runtime.library import Library
from tfkit.runtime.options import RuntimeOptions
from tfkit.runtime.session import Session
from tfkit.savedmodel.files import TEXT_SUFFIXES, find_model_file
from tfkit.serve.exchange import Response, response, text_response
from tfkit.serve.repeat import Repeat
from tfkit.serve.settings import ServeSettings
from tfkit.warmup.form import RequestForm
from tfkit.warmup.recording import Recorder

# What is kept prepared hangs on what requests ask for, so its number must have a limit.
_MOST_KEPT = 256
# Requests of one length are told apart by their first bytes: the signature's name or the first input's name and shape.
_SIGNATURE_BYTES = 48
# So much of a body is looked at to say what else it is: that takes a while, and all others wait for it.
_LOOKED_AT_BYTES = 1 << 18
# The fields of a PredictRequest as a body may begin with them, and what no text holds.
_FIELDS = (b"\n", b"\x12", b"\x1a")
_UNPRINTABLE = re.compile(rb"[\0-\x08\x0e-\x1f]")
_JSON = (b"{", b"[")
_BEYOND_ASCII = bytes(range(0x80, 0x100))
# The ops of loops as they stand in a NodeDef: field 2, length, name.
_LOOP_OPS = tuple(b"\x12" + bytes([len(op)]) + op for op in (b"While", b"StatelessWhile", b"Enter"))

K = TypeVar("K")
V = TypeVar("V")

logger = logging.getLogger("tfkit.serve")


class ServedModel:
    """A loaded model, SavedModel or frozen graph, that answers requests; any thread may ask it.

    Args:
        settings: The service's settings.
        recorder: What takes note of the requests that were answered; none by default.

    Raises:
        ModelError: There is no model, a damaged one, or a graph without the values of its variables.
        TensorFlowError: TensorFlow refused it.
        MissingError: The library or the device is not here.
    """

    def __init__(self, settings: ServeSettings, recorder: Recorder | None = None) -> None:
        self._body_limit = settings.body_limit_bytes
        self._decompressor = settings.decompressor
        self._recorder = recorder
        self.library = Library.load(_runtime_options(settings))
        self.session = Session(self.library, settings.model, settings.tags)
        self._functions: dict[tuple[str, ...], Function] = {}
        self._repeats: dict[tuple[int, bytes], Repeat] = {}
        self.may_hold_loop = self._has_foreseeable_runs(settings)

    def _has_foreseeable_runs(self, settings: ServeSettings) -> bool:
        """Whether a run's size says how long it holds the thread that calls, and all its work is on that thread.

        On a GPU and on TensorFlow's own threads the caller waits; a loop runs as often as the values say; a compressed
        body says nothing.
        """
        on_caller = self.session.device == "cpu" and settings.inter_op_threads == -1 and self.library.runs_on_caller
        return on_caller and not settings.decompressor and not _has_loop(self.session.path)

    @property
    def fell_back(self) -> bool:
        """Whether the CPU computes because a GPU, which would be taken, is not there."""
        options = self.library.options
        built_for = find_processor(options.processor).device
        return built_for == "gpu" and options.device == "auto" and self.session.device == "cpu"

    def structure(self) -> str:
        """The structure JSON of the default signature; raises ``SignatureError`` if there is none."""
        if self.session.frozen is not None:
            raise SignatureError(
                "the model is a frozen graph: it has no signature, so there is no structure to show",
                hint="Post requests that name the graph's tensors: the inputs, and in output_filter the outputs.",
            )
        return structure_json(default_signature(self.session.signatures))

    def answer(self, body: bytes) -> Response:
        """Answers one request as received; what is wrong with it becomes a status and a short text."""
        return self._answer(body, self._decompressor)

    def answer_plain(self, body: bytes) -> Response:
        """Answers one request that is not compressed, whatever the settings say: a warm-up file's."""
        return self._answer(body, "")

    def _answer(self, body: bytes, decompressor: str) -> Response:
        packed, body = body, b""  # of which nothing is known before it is unpacked
        try:
            body = decompress(decompressor, packed, self._body_limit) if decompressor else packed
            repeat = self._repeats.get((len(body), body[:_SIGNATURE_BYTES]))
            if repeat is not None and repeat.matches(body):
                return self._answered(repeat.answer(body), body, repeat.form)
            return self._answer_new(body)
        except TfkitError as error:
            if error.http_status >= 500:
                logger.error("a request failed: %s", error)  # noqa: TRY400  # a traceback would explain nothing
            return text_response(error.http_status, _for_client(error, body))
        except MemoryError:
            logger.exception("a request failed: out of memory")
            return text_response(500, "the service ran out of memory")
        except Exception:
            logger.exception("a request failed: this is a bug in tfkit")
            return text_response(500, "internal error: the service's log has the details")

    def _answer_new(self, body: bytes) -> Response:
        request = decode_request(body)
        function = self._function(request)
        answer = encode_response(function(request.inputs))
        form = None if self._recorder is None else RequestForm.of(request)
        repeat = Repeat.of(body, request, function, form)
        if repeat is not None:
            _keep(self._repeats, (len(body), body[:_SIGNATURE_BYTES]), repeat)
        return self._answered(answer, body, form)

    def _answered(self, answer: bytes, body: bytes, form: RequestForm | None) -> Response:
        answered = response(200, answer)
        if form is not None and self._recorder is not None:
            # Only once the client has it: one that comes too late is answered 408.
            answered.delivered = partial(self._recorder.see, body, form)
        return answered

    def _function(self, request: PredictRequest) -> Function:
        # The inputs matter for a frozen graph alone, whose requests name its tensors.
        inputs = () if self.session.frozen is None else tuple(request.inputs)
        key = (request.signature_name, *inputs, "", *request.output_filter)
        function = self._functions.get(key)
        if function is None:
            function = self.session.prepare(request.signature_name or None, inputs, request.output_filter)
            _keep(self._functions, key, function)
        return function


def _foreign(body: bytes) -> str:
    """What a body is instead of a request, such as JSON; empty where it could be a request, or nobody knows."""
    if body.startswith(_FIELDS) and _UNPRINTABLE.search(body):
        return ""
    if len(body) > _LOOKED_AT_BYTES:
        body = body[:_LOOKED_AT_BYTES].rstrip(_BEYOND_ASCII)  # of which the last may be cut
        if body.lstrip().startswith(_JSON) and not _UNPRINTABLE.search(body):
            return "JSON text"
    # Imported now: few services are ever sent such a thing.
    from tfkit.warmup.foreign import find_foreign

    foreign = find_foreign(body)
    return foreign.what if foreign else ""


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value


def _runtime_options(settings: ServeSettings) -> RuntimeOptions:
    return RuntimeOptions(
        processor=settings.processor,
        device=settings.device,
        intra_op_threads=settings.intra_op_threads,
        inter_op_threads=settings.inter_op_threads,
        gpu_memory_fraction=settings.gpu_memory_fraction,
        gpu_memory_growth=settings.gpu_memory_growth,
        op_libraries=settings.op_libraries,
    )


def _has_loop(path: Path) -> bool:
    """Whether the graph may loop, so that its run time hangs on the values it is given; a false alarm does no harm."""
    model = find_model_file(path)
    if model.suffix in TEXT_SUFFIXES:
        return True
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(op) >= 0 for op in _LOOP_OPS)


def _for_client(error: TfkitError, body: bytes) -> str:
    """The text a client gets: TensorFlow's own can run to pages."""
    if isinstance(error, TensorFlowError):
        return f"TensorFlow: {error.message[:1000]}"
    if isinstance(error, MessageError | SignatureError) and (what := _foreign(body)):
        return (
            f"the body is {what}: expected a serialized PredictRequest, as EAS's clients send it, or "
            "tfkit predict URL --input NAME=VALUE, or curl with --data-binary @warm_up_test.bin"
        )
    if isinstance(error, MessageError) and body and _FIELDS[0] not in body:
        # Each input's name, and the signature's, stands after one.
        return f"{error.message}: the body has no line feed, as if sent with curl -d, which drops them: --data-binary"
    if isinstance(error, SignatureError):
        return str(error)
    return error.message
