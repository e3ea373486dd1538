"""The old TensorFlows, one after another: the fixtures that each wrote, and its real runtime, installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.eas_client.conftest import OfficialClient
from tests.old_tensorflow.recorded import FIXTURES, Fixture
from tests.runtimes import installed_runtime
from tfkit.runtime import LoadedModel, Runtime


@pytest.fixture(scope="module", params=FIXTURES, ids=str)
def old(request: pytest.FixtureRequest) -> Fixture:
    """What an old TensorFlow wrote; its runtime is installed."""
    fixture: Fixture = request.param
    installed_runtime(fixture.processor)
    return fixture


@pytest.fixture(scope="module")
def runtime(old: Fixture) -> Iterator[Runtime]:
    """That TensorFlow's runtime, in its process."""
    with Runtime(old.processor) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def model(old: Fixture, runtime: Runtime) -> LoadedModel:
    """The SavedModel that it wrote, loaded in it."""
    return runtime.load(old.model)


@pytest.fixture(scope="session")
def official() -> Iterator[OfficialClient]:
    """eas-prediction, in its process."""
    client = OfficialClient()
    yield client
    client.close()
