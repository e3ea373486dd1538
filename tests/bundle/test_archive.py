"""The archive of a model: the same bytes wherever and whenever, whatever lies in the folder, however large it is."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfkit.bundle.archive import _Source, copy_entries, model_entries, write_archive
from tfkit.errors import InputError, MissingError, ModelError
from tfkit.fetching.unpack import unpack

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"index", "assets/words.txt": "röd\n".encode()}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def packed(folder: Path, target: Path) -> bytes:
    write_archive(model_entries(folder), target)
    return target.read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_place_time_order_modes_and_links_leave_no_trace(tmp_path: Path) -> None:
    one = write(tmp_path / "one", FILES)
    two = write(tmp_path / "elsewhere" / "two", dict(reversed(FILES.items())))
    for path in (two, *two.rglob("*")):
        os.utime(path, (0, 1_000_000_000))
    (two / "saved_model.pb").chmod(0o600)
    blobs = write(tmp_path / "blobs", {"1": FILES["assets/words.txt"]})
    (two / "assets" / "words.txt").unlink()
    (two / "assets" / "words.txt").symlink_to(blobs / "1")
    first = packed(one, tmp_path / "1.tar.gz")
    assert packed(two, tmp_path / "2.tar.gz") == first
    (two / "variables" / "variables.index").write_bytes(b"other")
    assert packed(two, tmp_path / "3.tar.gz") != first


def test_nothing_of_the_machine_is_in_it(tmp_path: Path) -> None:
    packed(write(tmp_path / "model", FILES), tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        members = archive.getmembers()
    assert [each.name for each in members] == sorted([*FILES, "assets", "variables"])
    assert {(each.uid, each.gid, each.uname, each.gname) for each in members} == {(0, 0, "", "")}
    assert {each.mode for each in members if each.isfile()} == {0o644}
    assert len({each.mtime for each in members}) == 1


def test_others_read_it(tmp_path: Path) -> None:
    """Long names and names in any script included: GNU tar without a word, and tfkit itself."""
    deep = "/".join(["a" * 60] * 4)
    model = write(tmp_path / "model", {**FILES, f"assets/{deep}/b.txt": b"deep", "assets/模型.txt": b"name"})
    (model / "empty").mkdir()
    packed(model, tmp_path / "model.tar.gz")
    (tmp_path / "gnu").mkdir()
    command = ["tar", "-xzf", tmp_path / "model.tar.gz", "-C", tmp_path / "gnu"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    unpack(tmp_path / "model.tar.gz", tmp_path / "own")
    for folder in (tmp_path / "gnu", tmp_path / "own"):
        assert contents(folder) == contents(model)
        assert (folder / "empty").is_dir()


def test_a_frozen_graph_is_one_file(tmp_path: Path) -> None:
    write(tmp_path, {"frozen.pb": b"graph", "other": b""})
    packed(tmp_path / "frozen.pb", tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        assert archive.getnames() == ["frozen.pb"]


def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with (tmp_path / "model" / "variables").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    packed(tmp_path / "model", tmp_path / "model.tar.gz")
    copy_entries(model_entries(tmp_path / "model"), tmp_path / "copy")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20
    assert (tmp_path / "copy" / "variables").stat().st_size == 64 << 20


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("two\nlines", "not every system can hold"),
        ("back\\slash", "not every system can hold"),
        (os.fsdecode(b"latin-\xe9"), "no UTF-8"),
    ],
)
def test_names_that_others_could_not_hold_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    write(tmp_path, {name: b""})
    with pytest.raises(InputError, match=reason):
        model_entries(tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is a device, a pipe"):
        model_entries(tmp_path)


def test_links_that_lead_nowhere_or_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "link").symlink_to("nowhere")
    with pytest.raises(ModelError, match="link"):
        model_entries(tmp_path / "dangling")
    (tmp_path / "circle" / "a").mkdir(parents=True)
    (tmp_path / "circle" / "a" / "up").symlink_to("..")
    with pytest.raises(InputError, match="no end"):
        model_entries(tmp_path / "circle")


def test_a_folder_may_be_linked_twice(tmp_path: Path) -> None:
    write(tmp_path, {"a/file": b"a"})
    (tmp_path / "b").symlink_to("a")
    assert [entry.name for entry in model_entries(tmp_path)] == ["a", "a/file", "b", "b/file"]


def test_what_may_not_be_read_is_named(visible_path: Path, unprivileged: Callable[[], Any]) -> None:
    model = write(visible_path / "model", FILES)
    (model / "saved_model.pb").chmod(0)
    visible_path.chmod(0o777)
    with unprivileged(), pytest.raises(MissingError, match=r"saved_model\.pb may not be read"):
        write_archive(model_entries(model), visible_path / "model.tar.gz")


@pytest.mark.parametrize("size_bytes", [0, 100])
def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path, size_bytes: int) -> None:
    (tmp_path / "file").write_bytes(bytes(50))
    with _Source(tmp_path / "file") as source:
        source.read(10)
        os.truncate(tmp_path / "file", size_bytes)
        with pytest.raises(InputError, match="file changed while it was read"):
            _read_all(source)


def _read_all(source: _Source) -> None:
    while source.read(10):
        pass
    source.check_ended()
