"""For all tests: names that are the same in each of pytest's processes, and what only an ordinary user meets."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

_SHORT = 12


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are named after their argument: packed ones hold the time, and pytest-xdist compares names."""
    return argname if isinstance(val, bytes) and len(val) > _SHORT else None


@pytest.fixture
def visible_path() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are for its user only."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def unprivileged() -> Callable[[], AbstractContextManager[None]]:
    """Runs a block as an ordinary user where the tests run as root, who may read everything."""

    @contextmanager
    def as_nobody() -> Iterator[None]:
        if os.geteuid():
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return as_nobody
