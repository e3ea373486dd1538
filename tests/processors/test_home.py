"""Where tfkit keeps what it installs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfkit.processors.home import tfkit_home


def test_the_variable_moves_it_and_nothing_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFKIT_HOME", str(tmp_path / "elsewhere"))
    assert tfkit_home() == tmp_path / "elsewhere"
    assert not tfkit_home().exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFKIT_HOME", "relative")
    assert tfkit_home() == tmp_path / "relative"
    monkeypatch.setenv("TFKIT_HOME", "~/tfkit")
    assert tfkit_home() == Path.home() / "tfkit"


def test_else_it_is_the_platform_s_folder_for_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFKIT_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tfkit_home() == tmp_path / "tfkit"
