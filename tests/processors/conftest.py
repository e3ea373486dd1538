"""A home of its own for every test, so that no runtime of the user's is touched; and a tiny runtime to install."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.processors.tiny import PIP_ALONE, tiny_processor, tiny_wheel
from tfkit.processors.catalogue import Processor


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TFKIT_HOME."""
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """The folder of a package index that has the tiny wheel."""
    tiny_wheel(tmp_path / "packages")
    return tmp_path / "packages"


@pytest.fixture
def wheel(packages: Path) -> Path:
    """The tiny wheel."""
    return next(packages.glob("*/*.whl"))


@pytest.fixture
def tiny(wheel: Path, home: Path) -> Processor:
    """The tiny runtime's processor, in a home of its own."""
    return tiny_processor(wheel)


@pytest.fixture
def pip_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip without the settings of this machine."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in PIP_ALONE.items():
        monkeypatch.setenv(name, value)
