"""The folder that is written: complete under its name, or not there at all."""

import contextlib
import errno
import os
import signal
import threading

import pytest

from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MissingError, UsageError
from tfkit.export.everywhere import export_everywhere
from tfkit.export.target import check_target, staged_folder
from tfkit.warmup.folder import write_folder


def saved_model(folder, content="old"):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    return folder


def write(target, content="new", *, force=False):
    with staged_folder(target, force=force) as staged:
        (staged / "saved_model.pb").write_text(content)


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_the_folder_appears_with_its_parents_when_all_is_done(tmp_path):
    target = check_target(tmp_path / "a" / "b" / "model", force=False)
    with staged_folder(target, force=False) as staged:
        assert staged.parent == target.parent
        assert not target.exists()
    assert names(tmp_path / "a" / "b") == ["model"]
    assert target.stat().st_mode & 0o777 == 0o777 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "model").mkdir()
    write(check_target(tmp_path / "model", force=False))
    assert names(tmp_path / "model") == ["saved_model.pb"]


def test_a_savedmodel_is_replaced_only_by_force(tmp_path):
    target = saved_model(tmp_path / "model")
    with pytest.raises(UsageError, match="exists already"):
        check_target(target, force=False)
    write(check_target(target, force=True), force=True)
    assert (target / "saved_model.pb").read_text() == "new"
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("force", [False, True])
def test_anything_else_is_never_replaced(tmp_path, force):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(InputError, match="is no SavedModel"):
        check_target(tmp_path, force=force)
    with pytest.raises(InputError, match="is a file"):
        check_target(tmp_path / "thesis.txt", force=force)


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_warm_up_requests_is_no_export_though_it_has_a_manifest(tmp_path, force):
    write_folder(tmp_path / "requests", {"w.bin": encode_request(PredictRequest({}, "s"))}, force=False)
    with pytest.raises(InputError, match="is no SavedModel: it is never replaced"):
        export_everywhere(tmp_path / "model", tmp_path / "requests", force=force, verify=False)
    assert names(tmp_path / "requests") == ["manifest.json", "w.bin"]


def test_a_link_is_followed(tmp_path):
    target = saved_model(tmp_path / "versions" / "1")
    (tmp_path / "current").symlink_to(target)
    write(check_target(tmp_path / "current", force=True), force=True)
    assert (tmp_path / "current").is_symlink()
    assert (target / "saved_model.pb").read_text() == "new"


def write_and_raise(target, failure, *, force=False):
    with staged_folder(target, force=force) as staged:
        (staged / "saved_model.pb").write_text("new")
        raise failure


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_a_failure_nothing_is_left_and_the_old_one_is_untouched(tmp_path, failure):
    target = saved_model(tmp_path / "model")
    for place, force in ((target, True), (tmp_path / "x" / "y", False)):
        with pytest.raises(failure):
            write_and_raise(place, failure, force=force)
    assert (target / "saved_model.pb").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_what_a_killed_export_left_is_removed_and_nothing_else(tmp_path):
    left = tmp_path / ".model.abcd_123.tfkit"
    others = [tmp_path / ".model.v2.abcd_123.tfkit", tmp_path / ".other.abcd_123.tfkit", tmp_path / ".model.tfkit"]
    for folder in (left, *others):
        folder.mkdir()
    target = tmp_path / "model"
    with contextlib.suppress(InputError), staged_folder(target, force=False) as running:
        write(target)
        assert running.exists()
    assert names(tmp_path) == sorted(["model", *(each.name for each in others)])


def test_what_appeared_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "model"
    with pytest.raises(InputError, match="cannot be written"), staged_folder(target, force=False):
        saved_model(target)
    assert (target / "saved_model.pb").read_text() == "old"
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, MissingError), (errno.EFBIG, MissingError), (errno.EACCES, MissingError), (errno.EIO, InputError)],
)
def test_what_the_system_refuses_is_said_with_the_targets_name(tmp_path, number, expected):
    target = tmp_path / "model"
    with (
        pytest.raises(expected, match=f"model cannot be written: {os.strerror(number)}"),
        staged_folder(target, force=False),
    ):
        raise OSError(number, os.strerror(number))
    assert not list(tmp_path.iterdir())


def test_a_path_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    target = check_target(tmp_path / "file" / "model", force=False)
    with pytest.raises(InputError, match="Not a directory"), staged_folder(target, force=False):
        pass


def test_an_interrupt_that_got_lost_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        lose_an_interrupt(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def lose_an_interrupt(target):
    with staged_folder(target, force=False), contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_it_works_in_a_thread_as_well(tmp_path):
    thread = threading.Thread(target=write, args=(tmp_path / "model",))
    thread.start()
    thread.join()
    assert names(tmp_path) == ["model"]
