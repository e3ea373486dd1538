"""A ``Runtime`` whose calls may take only so long."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.served_models import slow_model
from tfkit.errors import RuntimeTimeoutError, UsageError
from tfkit.runtime import Runtime


@pytest.mark.slow
def test_a_call_that_takes_too_long_ends_the_process_and_the_next_starts_another() -> None:
    with Runtime(device="cpu", timeout_s=10) as runtime:
        model = runtime.load(slow_model())
        started = time.monotonic()
        with pytest.raises(RuntimeTimeoutError, match=r"took longer than 10 s for predict: its process was ended"):
            model.predict({"rounds": np.array([1_000_000], np.int32)})
        assert 10 <= time.monotonic() - started < 60
        assert model.predict({"rounds": np.array([3], np.int32)})["rounds"].tolist() == [3]


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan")])
def test_impossible_time_outs_are_refused(timeout_s: float) -> None:
    with pytest.raises(UsageError, match="time-out"):
        Runtime(timeout_s=timeout_s)
