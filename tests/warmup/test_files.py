"""Warm-up files that are none, and places where none can be written."""

import os

import numpy as np
import pytest

from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MessageError, MissingError, UsageError
from tfkit.warmup.files import read_warmup, read_warmup_body, write_warmup

DATA = encode_request(PredictRequest({"x": np.ones(2, np.float32)}, "s"))


def test_what_is_written_is_read_back(tmp_path):
    write_warmup(tmp_path / "w.bin", DATA)
    assert read_warmup_body(tmp_path / "w.bin") == DATA
    assert read_warmup(tmp_path / "w.bin").inputs["x"].tolist() == [1, 1]
    assert [each.name for each in tmp_path.iterdir()] == ["w.bin"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"not a request", "no PredictRequest"),
        (b"\x93NUMPY\x01\x00", "no PredictRequest"),
        (b"\x28\x01", "neither inputs nor a signature"),
        (DATA[:-3], "no PredictRequest"),
    ],
)
def test_bytes_that_are_no_request_are_a_message_error(tmp_path, content, message):
    (tmp_path / "w.bin").write_bytes(content)
    with pytest.raises(MessageError, match=message) as caught:
        read_warmup(tmp_path / "w.bin")
    assert "warmup-gen" in caught.value.hint


def test_a_text_file_is_for_other_services(tmp_path):
    (tmp_path / "w.txt").write_text("hello\n")
    with pytest.raises(InputError, match="text warm-up file"):
        read_warmup(tmp_path / "w.txt")


def test_a_missing_file_and_a_folder_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_warmup(tmp_path / "w.bin")
    with pytest.raises(InputError, match="cannot be read"):
        read_warmup(tmp_path)


def test_more_than_a_message_can_hold_is_not_read(tmp_path):
    with (tmp_path / "w.bin").open("wb") as stream:
        stream.truncate((2 << 30) + 1)
    with pytest.raises(InputError, match="at most"):
        read_warmup(tmp_path / "w.bin")


def test_nothing_is_replaced_without_force(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        write_warmup(tmp_path / "w.bin", DATA)
    write_warmup(tmp_path / "w.bin", DATA, force=True)
    assert (tmp_path / "w.bin").read_bytes() == DATA


def test_a_place_that_is_none_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        write_warmup(tmp_path / "nowhere" / "w.bin", DATA)
    with pytest.raises(InputError, match="is a folder"):
        write_warmup(tmp_path, DATA, force=True)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """A file may grow to 10 bytes only: writing fails as on a full disk."""
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(MissingError, match="cannot be written"):
            write_warmup(tmp_path / "w.bin", DATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.iterdir())


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "w.bin").write_bytes(b"old")
    link = tmp_path / "link.bin"
    link.symlink_to(tmp_path / "real" / "w.bin")
    write_warmup(link, DATA, force=True)
    assert link.is_symlink()
    assert (tmp_path / "real" / "w.bin").read_bytes() == DATA
    assert [each.name for each in (tmp_path / "real").iterdir()] == ["w.bin"]


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_regular_file_is_neither_replaced_nor_read(tmp_path, linked):
    pipe = place = tmp_path / "w.bin"
    os.mkfifo(pipe)
    if linked:
        place = tmp_path / "link.bin"
        place.symlink_to(pipe)
    with pytest.raises(InputError, match="no regular file"):
        write_warmup(place, DATA, force=True)
    assert pipe.is_fifo()
    with pytest.raises(InputError, match="no regular file"):
        read_warmup(place)


def test_a_name_too_long_and_a_circle_of_links_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="too long"):
        write_warmup(tmp_path / ("w" * 300), DATA)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(InputError, match="cannot be written"):
        write_warmup(tmp_path / "circle", DATA, force=True)
