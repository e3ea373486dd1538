"""Where tfkit keeps what it installs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfkit.errors import UsageError
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


def test_the_home_of_a_user_who_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFKIT_HOME", "~no-such-user/tfkit")
    with pytest.raises(UsageError, match=r"TFKIT_HOME is '~no-such-user/tfkit'"):
        tfkit_home()
