"""Times the first requests of a service that was just started."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfkit.client import Client
from tfkit.errors import EXIT_INPUT, InputError, ServiceError, TensorFlowError
from tfkit.serve.local import serve_model

# The service and its client wait as long as a first request may take: how long that is is what is asked.
LONGEST_REQUEST_S = 600


@dataclass(frozen=True, slots=True)
class ServiceRun:
    """One fresh service, from its start.

    Attributes:
        start_s: Time until it took requests, warm-up included.
        requests_ms: For each of the requests its latencies, in the order that they were sent.
    """

    start_s: float
    requests_ms: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts services that are alike but for their warm-up.

    Attributes:
        model: The SavedModel's folder, or the frozen graph's file.
        processor: The TensorFlow that runs it.
        device: ``auto``, ``cpu`` or ``gpu``.
        tags: The metagraph's tags, separated by commas.
        sends: How often each warm-up file is replayed.
    """

    model: Path
    processor: str
    device: str
    tags: str
    sends: int

    def time_requests(self, warm_up: Sequence[Path], requests: Mapping[Path, bytes], rounds: int) -> ServiceRun:
        """Starts a service, sends it the requests one after the other, again and again, and stops it.

        Args:
            warm_up: Its warm-up files; none for a cold one.
            requests: Serialized requests, each by its file.
            rounds: How often each is sent.

        Raises:
            InputError: The service refuses a request.
            TfkitError: It does not start, or does not answer.
        """
        service = serve_model(
            self.model,
            name="proof",
            processor=self.processor,
            device=self.device,
            tags=self.tags,
            warm_up=warm_up,
            no_warm_up=not warm_up,  # a model may bring a warm-up file of its own along
            warm_up_sends=self.sends,
            keepalive=LONGEST_REQUEST_S * 1000,
        )
        with service, Client(service.url, timeout_s=LONGEST_REQUEST_S, retries=0) as client:
            client.wait_until_ready()  # and so the connection is there before anything is timed
            times: tuple[list[float], ...] = tuple([] for _ in requests)
            for _ in range(rounds):
                for (path, body), taken_ms in zip(requests.items(), times, strict=True):
                    began = time.perf_counter()
                    try:
                        client.predict_bytes(body)
                    except ServiceError as error:
                        kind = InputError if error.exit_code == EXIT_INPUT else TensorFlowError
                        raise kind(f"{path}: {error.message}", hint=error.hint) from None
                    taken_ms.append((time.perf_counter() - began) * 1000)
        return ServiceRun(service.start_s, tuple(map(tuple, times)))
