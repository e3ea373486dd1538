"""Warm-up files that are none, and places where none can be written."""

import io
import os

import numpy as np
import pytest

from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MessageError, MissingError, UsageError
from tfkit.inputs.tfrecord import write_records
from tfkit.warmup.files import read_warmup, read_warmup_body, write_file

DATA = encode_request(PredictRequest({"x": np.ones(2, np.float32)}, "s"))
OTHER = encode_request(PredictRequest({"y": np.ones(2, np.float32)}, "s"))


def records(*contents):
    """What a TFRecord file of these holds."""
    stream = io.BytesIO()
    write_records(stream, contents)
    return stream.getvalue()


def test_what_is_written_is_read_back(tmp_path):
    write_file(tmp_path / "w.bin", DATA)
    assert read_warmup_body(tmp_path / "w.bin") == DATA
    assert read_warmup(tmp_path / "w.bin").inputs["x"].tolist() == [1, 1]
    assert [each.name for each in tmp_path.iterdir()] == ["w.bin"]


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"", "w.bin is empty", "warmup-gen"),
        (b"not a request", "w.bin is text: expected a serialized PredictRequest", "called .txt"),
        (b'{"inputs": {}}', "w.bin is JSON text", "--input @FILE.json"),
        (b"\x93NUMPY\x01\x00", "w.bin is a NumPy array", "warmup-gen"),
        (records(DATA), "w.bin is a TFRecord, as TensorFlow Serving takes it", "warmup-convert"),
        (b"\x28\x01", "neither inputs nor a signature", "warmup-gen"),
        (DATA[:-3], "w.bin holds no PredictRequest", "warmup-gen"),
        (DATA + DATA, f"w.bin holds two requests: .* start at byte {len(DATA)}", "a file of its own"),
        (DATA + OTHER, "w.bin holds two requests: the signature name comes a second time", "a file of its own"),
    ],
)
def test_bytes_that_are_not_one_request_are_a_message_error(tmp_path, content, message, hint):
    (tmp_path / "w.bin").write_bytes(content)
    with pytest.raises(MessageError, match=message) as caught:
        read_warmup(tmp_path / "w.bin")
    assert hint in caught.value.hint


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
        write_file(tmp_path / "w.bin", DATA)
    write_file(tmp_path / "w.bin", DATA, force=True)
    assert (tmp_path / "w.bin").read_bytes() == DATA


def test_a_place_that_is_none_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        write_file(tmp_path / "nowhere" / "w.bin", DATA)
    with pytest.raises(InputError, match="is a folder"):
        write_file(tmp_path, DATA, force=True)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """A file may grow to 10 bytes only: writing fails as on a full disk."""
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(MissingError, match="cannot be written"):
            write_file(tmp_path / "w.bin", DATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.iterdir())


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "w.bin").write_bytes(b"old")
    link = tmp_path / "link.bin"
    link.symlink_to(tmp_path / "real" / "w.bin")
    write_file(link, DATA, force=True)
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
        write_file(place, DATA, force=True)
    assert pipe.is_fifo()
    with pytest.raises(InputError, match="no regular file"):
        read_warmup(place)


def test_a_name_too_long_and_a_circle_of_links_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="too long"):
        write_file(tmp_path / ("w" * 300), DATA)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(InputError, match="cannot be written"):
        write_file(tmp_path / "circle", DATA, force=True)
