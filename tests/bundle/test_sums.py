"""The list of checksums: as sha256sum reads it, and what it says of files that were touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tfkit.bundle.sums import SUMS, sums_problems, write_sums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "below" / "模型.txt").write_text("a")
    write_sums(tmp_path)
    return tmp_path


def test_sha256sum_reads_it(folder: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(sums_problems(folder)) == []


def test_what_sha256sum_writes_is_read(folder: Path) -> None:
    command = "sha256sum -b b.txt below/* > sums; mv sums SHA256SUMS"
    subprocess.run(command, shell=True, cwd=folder, check=True)
    assert list(sums_problems(folder)) == []


def test_each_kind_of_change_is_named(folder: Path) -> None:
    (folder / "b.txt").write_text("B")
    assert list(sums_problems(folder)) == ["b.txt was changed: its checksum is another"]
    (folder / "b.txt").unlink()
    assert list(sums_problems(folder)) == ["b.txt is missing"]
    (folder / "b.txt").symlink_to("below/模型.txt")
    assert list(sums_problems(folder)) == ["b.txt is no plain file"]
    (folder / "b.txt").unlink()
    (folder / "b.txt").write_text("b")
    (folder / "more").write_text("")
    (folder / "link").symlink_to("below")
    assert list(sums_problems(folder)) == ["link is not in SHA256SUMS", "more is not in SHA256SUMS"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "SHA256SUMS cannot be read"),
        (b"nonsense\n", "line 1 is no checksum"),
        (b"%s  a\n%s  a\n" % (b"0" * 64, b"0" * 64), "line 2 is no checksum of another file"),
        (b"%s  ../outside\n" % (b"0" * 64), "../outside is missing"),
        (b"%s  /etc/passwd\n" % (b"0" * 64), "/etc/passwd is missing"),
    ],
)
def test_a_damaged_list_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / SUMS).write_bytes(content)
    assert any(problem in each for each in sums_problems(tmp_path))


def test_a_list_that_is_gone_or_none_is_told(folder: Path) -> None:
    (folder / SUMS).unlink()
    assert list(sums_problems(folder)) == ["SHA256SUMS is missing"]
    os.mkfifo(folder / SUMS)
    assert list(sums_problems(folder)) == ["SHA256SUMS cannot be read: it is no plain file"]
