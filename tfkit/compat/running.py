"""Runs cases in one processor's real TensorFlow; whatever goes wrong becomes part of the result."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfkit.arrays import Array
from tfkit.compat.recorded import Case
from tfkit.errors import MissingError, RuntimeCrashError, RuntimeTimeoutError, TfkitError, UsageError
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.processors.libraries import is_installed
from tfkit.runtime import LoadedModel, Runtime

RAN, MISSING, NO_LOAD, NO_RUN = "ran", "not installed", "does not load", "does not run"
CRASHED, TIMED_OUT = "crashed", "timed out"
_WARM_RUNS, _WARM_S = 5, 2.0


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the first case takes in a runtime.

    Attributes:
        load_ms: Loading the model.
        cold_ms: The first run.
        warm_ms: The median of later runs.
    """

    load_ms: float
    cold_ms: float
    warm_ms: float


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a model in a runtime.

    Attributes:
        processor: Whose TensorFlow.
        tensorflow: Its version; empty if it did not start.
        status: ``ran``, ``not installed``, ``does not load``, ``does not run``, ``crashed`` or ``timed out``.
        reason: Why it did not run, in full.
        outputs: What each case gave.
        latency: How long it took; ``None`` if nothing ran.
        hint: What the user can do about the reason.
    """

    processor: str
    tensorflow: str = ""
    status: str = RAN
    reason: str = ""
    outputs: tuple[Mapping[str, Array], ...] = ()
    latency: Latency | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is run.

    Attributes:
        tags: The metagraph's tags.
        device: ``cpu``, ``gpu`` or ``auto``.
        timeout_s: The longest that loading it or one run may take.
    """

    tags: tuple[str, ...]
    device: str
    timeout_s: float

    def runtime(self, processor: str) -> Runtime:
        """A processor's runtime, not started yet."""
        return Runtime(processor, device=self.device, timeout_s=self.timeout_s)


def is_present(processor: str) -> bool:
    """Whether a processor's TensorFlow is here; of the one beside tfkit only loading it tells."""
    return processor == INSTALLED or is_installed(find_processor(processor))


def run_cases(model: Path, processor: str, cases: Sequence[Case], settings: Settings) -> Ran:
    """Loads a model in a processor's TensorFlow, in a process of its own, and runs the cases.

    Args:
        model: The SavedModel's folder.
        processor: The processor, or ``installed``.
        cases: What to run.
        settings: How.
    """
    if not is_present(processor):
        return Ran(processor, status=MISSING, reason=f"tfkit runtime install {processor}")
    version, status = "", NO_LOAD
    try:
        with settings.runtime(processor) as runtime:
            version = runtime.version
            started = time.perf_counter()
            loaded = runtime.load(model, settings.tags)
            load_ms = _since(started)
            status = NO_RUN
            outputs, latency = _run(loaded, cases, load_ms)
    except RuntimeTimeoutError as error:
        return Ran(processor, version, TIMED_OUT, error.message)
    except RuntimeCrashError as error:
        return Ran(processor, version, CRASHED, error.message, hint=error.hint)
    except MissingError as error:
        return Ran(processor, version, MISSING if not version else status, error.message, hint=error.hint)
    except UsageError:
        raise
    except TfkitError as error:
        return Ran(processor, version, status, error.message, hint=error.hint)
    return Ran(processor, version, outputs=outputs, latency=latency)


def _run(model: LoadedModel, cases: Sequence[Case], load_ms: float) -> tuple[tuple[dict[str, Array], ...], Latency]:
    outputs = []
    cold_ms = 0.0
    for case in cases:
        started = time.perf_counter()
        outputs.append(model.predict(case.inputs, signature=case.signature or None))
        cold_ms = cold_ms or _since(started)
    warm: list[float] = []
    began = time.perf_counter()
    while cases and (not warm or (len(warm) < _WARM_RUNS and time.perf_counter() - began < _WARM_S)):
        started = time.perf_counter()
        model.predict(cases[0].inputs, signature=cases[0].signature or None)
        warm.append(_since(started))
    return tuple(outputs), Latency(load_ms, cold_ms, statistics.median(warm) if warm else 0.0)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
