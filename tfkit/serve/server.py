"""A service's life: listen, load, warm up, answer, stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import uvloop

from tfkit.errors import EXIT_INTERRUPTED, EXIT_OK, SignatureError
from tfkit.processors.cuda import has_card
from tfkit.serve.compute import Compute
from tfkit.serve.exchange import Response, json_response, text_response
from tfkit.serve.http import Limits
from tfkit.serve.listener import Listener
from tfkit.serve.model import ServedModel
from tfkit.serve.service import Service, State, count_text
from tfkit.serve.settings import ServeSettings
from tfkit.serve.warm_up import WarmUpResult, replay, summary
from tfkit.tensors import SERVE_TAG
from tfkit.warmup.recording import Recorder, RecordLimits

_SWITCH_S = 0.0005

logger = logging.getLogger("tfkit.serve")


@dataclass(frozen=True, slots=True)
class Ready:
    """What a service says when it takes requests.

    Attributes:
        url: Where to post requests.
        model: The SavedModel's folder, or the frozen graph's file.
        processor: Whose TensorFlow runs it.
        tensorflow: TensorFlow's version.
        device: ``cpu`` or ``gpu``.
        fell_back: Whether the CPU was taken because there is no GPU.
        warm_up: What was replayed, how often and how long it took; empty without a warm-up file.
        start_s: Time since the process started.
    """

    url: str
    model: str
    processor: str
    tensorflow: str
    device: str
    fell_back: bool
    warm_up: tuple[WarmUpResult, ...]
    start_s: float

    def __str__(self) -> str:
        warm_up = summary(self.warm_up) or "none: the first requests will be slow"
        fell_back = ""
        if self.fell_back:
            fell_back = ", for it sees no GPU" if has_card() else " (no NVIDIA card)"
        parts = (
            f"tfkit: ready at {self.url}",
            f"model {self.model}",
            f"{self.processor} (TensorFlow {self.tensorflow}) on {self.device}{fell_back}",
            f"warm-up {warm_up}",
            f"started in {self.start_s:.2f} s",
        )
        return " · ".join(parts)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self) | {"warm_up": [each.as_dict() for each in self.warm_up]}


def serve(settings: ServeSettings, announce: Callable[[Ready], None]) -> int:
    """Runs a service until SIGTERM or SIGINT; returns the exit code.

    Args:
        settings: The service.
        announce: Called once, when it takes requests.

    Raises:
        TfkitError: It could not start: the model, the warm-up, the device, the port, the folder to record to.
    """
    with nullcontext() if settings.record is None else _recorder(settings, settings.record) as recorder:
        server = _Server(settings, announce, recorder)
        code: int = uvloop.run(server.run())
    if server.computing:
        # TensorFlow is still at work on a thread, and the interpreter's way out would pull its memory from under it.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    return code


def _recorder(settings: ServeSettings, folder: Path) -> Recorder:
    # The thread that writes is to give way to the event loop within a millisecond; Python's own interval is five.
    sys.setswitchinterval(_SWITCH_S)
    limits = RecordLimits(
        forms=settings.record_forms, size_bytes=settings.record_limit_bytes, rate=settings.record_rate
    )
    return Recorder(folder, limits)


class _Server:
    def __init__(self, settings: ServeSettings, announce: Callable[[Ready], None], recorder: Recorder | None) -> None:
        self._settings = settings
        self._announce = announce
        self._recorder = recorder
        self._service = Service(settings)
        self._model: ServedModel | None = None
        self._loading = False

    @property
    def computing(self) -> bool:
        """Whether the model is being loaded, or runs."""
        compute = self._service.compute
        return self._loading if compute is None else compute.running > 0

    async def run(self) -> int:
        settings = self._settings
        limits = Limits(settings.body_limit_bytes, settings.keepalive_ms / 1000)
        listener = Listener(self._service, limits, settings.host, settings.port)
        if settings.stop_on_eof:
            arguments = (asyncio.get_running_loop(), listener)
            threading.Thread(target=_stop_on_eof, args=arguments, name="stdin", daemon=True).start()
        await listener.open()
        try:
            started = await self._start(listener)
            if started is None:
                return EXIT_INTERRUPTED
            self._warn()
            self._announce(self._ready(listener, started))
            await listener.until_stopped()
        finally:
            self._service.state = State.STOPPING
            await listener.close(settings.grace_s)
        logger.info("stopped after %s", count_text(self._service.statuses))
        return EXIT_OK

    async def _start(self, listener: Listener) -> tuple[WarmUpResult, ...] | None:
        """Loads and warms the model on a thread, so that the event loop can say 503; ``None`` if stopped meanwhile."""
        loop = asyncio.get_running_loop()
        loading: asyncio.Future[tuple[WarmUpResult, ...]] = loop.create_future()

        def load() -> None:
            try:
                result = self._load_and_warm()
            except BaseException as error:  # noqa: BLE001  # handed to the waiting start
                self._loading = False
                loop.call_soon_threadsafe(_settle, loading, None, error)
            else:
                loop.call_soon_threadsafe(_settle, loading, result, None)

        self._loading = True
        threading.Thread(target=load, name="loading", daemon=True).start()
        stopping = asyncio.ensure_future(listener.stopped.wait())
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not loading.done():
            loading.cancel()
            return None
        results = loading.result()
        model = self._model
        assert model is not None  # noqa: S101
        self._service.structure = _structure(model)
        self._service.predict = model.answer
        self._service.compute = Compute(
            threads=self._settings.worker_threads,
            max_queue_size=self._settings.max_queue_size,
            may_hold_loop=model.may_hold_loop,
            loop=loop,
        )
        # What start-up made lives as long as the process: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        self._service.state = State.READY
        return results

    def _load_and_warm(self) -> tuple[WarmUpResult, ...]:
        self._model = model = ServedModel(self._settings, self._recorder)
        return tuple(chain.from_iterable(self._replay(path, model) for path in self._settings.warm_up))

    def _replay(self, path: Path, model: ServedModel) -> Iterator[WarmUpResult]:
        for result in replay(path, self._settings.warm_up_sends, model.answer_plain):
            logger.info("replayed %s", result)
            yield result

    def _ready(self, listener: Listener, results: tuple[WarmUpResult, ...]) -> Ready:
        model = self._model
        assert model is not None  # noqa: S101
        return Ready(
            url=listener.origin + self._settings.path,
            model=self._settings.origin or str(self._settings.model),
            processor=self._settings.processor,
            tensorflow=model.library.version,
            device=model.session.device,
            fell_back=model.fell_back,
            warm_up=results,
            start_s=seconds_since_process_start(),
        )

    def _warn(self) -> None:
        settings, model = self._settings, self._model
        if settings.is_public and not settings.token:
            logger.warning("%s can be reached from other machines, and no token is set: anyone may ask", settings.host)
        if model is not None and model.session.frozen is not None and settings.tags != (SERVE_TAG,):
            logger.warning("--tags %s is ignored: a frozen graph has no tag sets", ",".join(settings.tags))


def _stop_on_eof(loop: asyncio.AbstractEventLoop, listener: Listener) -> None:
    # Not through sys.stdin, whose lock this thread would hold when the interpreter ends.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(listener.stop)


def _structure(model: ServedModel) -> Response:
    """The answer to an empty request; a model without a Predict signature says so."""
    try:
        return json_response(model.structure())
    except SignatureError as error:
        return text_response(400, str(error))


def _settle(
    future: asyncio.Future[tuple[WarmUpResult, ...]],
    result: tuple[WarmUpResult, ...] | None,
    error: BaseException | None,
) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    elif result is not None:
        future.set_result(result)


def seconds_since_process_start() -> float:
    """How long this process has been running, interpreter start-up included."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
            started_ticks = int(file.read().rpartition(b")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError):
        return time.process_time()
