"""TFRecord files: what TensorFlow writes is read, what tfkit writes TensorFlow reads, and damage is named."""

import gzip
import io
import subprocess
import sys
import tracemalloc

import pytest

from tfkit.errors import InputError
from tfkit.inputs.tfrecord import read_records, write_records

RECORDS = [b"", b"one", b"\x1f\x8b\x08" * 5, bytes(3 << 20)]
READ_BY_TENSORFLOW = """
import sys
import tensorflow as tf
path, compressed, ours = sys.argv[1:]
records = [b"", b"one", b"\\x1f\\x8b\\x08" * 5, bytes(3 << 20)]
for place, compression in ((path, ""), (compressed, "GZIP")):
    with tf.io.TFRecordWriter(place, compression) as writer:
        for record in records:
            writer.write(record)
assert [each.numpy() for each in tf.data.TFRecordDataset(ours)] == records
"""


@pytest.fixture
def written(tmp_path):
    """A file of records that tfkit wrote."""
    path = tmp_path / "ours.tfrecord"
    with path.open("wb") as stream:
        write_records(stream, RECORDS)
    return path


def test_tensorflow_and_tfkit_read_each_other_s_files(written, tmp_path):
    theirs = [tmp_path / "theirs.tfrecord", tmp_path / "theirs.tfrecord.gz"]
    command = [sys.executable, "-c", READ_BY_TENSORFLOW, *map(str, (*theirs, written))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert theirs[0].read_bytes() == written.read_bytes()
    for path in theirs:
        assert list(read_records(path)) == RECORDS


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "empty").touch()
    assert list(read_records(tmp_path / "empty")) == []


def test_a_length_that_looks_like_gzip_is_none(tmp_path):
    path = tmp_path / "a"
    with path.open("wb") as stream:
        write_records(stream, [bytes(0x088B1F)])
    assert path.read_bytes().startswith(b"\x1f\x8b\x08")
    assert [len(record) for record in read_records(path)] == [0x088B1F]


def _framed(*records):
    stream = io.BytesIO()
    write_records(stream, records)
    return stream.getvalue()


WHOLE = _framed(b"one", b"two")
HUGE = (1 << 62).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello, this is no record", "record 1 is damaged: this is no TFRecord file"),
        (WHOLE[:5], "record 1 is cut off: 5 bytes"),
        (WHOLE[:-1], "record 2 is cut off: 6 of 7 bytes"),
        (WHOLE[:33], "record 2 is cut off: 2 of 7 bytes"),
        (WHOLE[:-6] + b"!" + WHOLE[-5:], "record 2 is damaged: its 3 bytes have another checksum"),
        (WHOLE[:19] + b"\x09" + WHOLE[20:], "record 2 is damaged: the length has another checksum"),
        (gzip.compress(WHOLE)[:-10], "cannot be unpacked"),
        (gzip.compress(WHOLE)[:-8] + bytes(8), "cannot be unpacked"),
        (b"\x1f\x8b\x08" + bytes(30), "cannot be unpacked"),
    ],
)
def test_damage_is_named_with_the_record(tmp_path, data, message):
    path = tmp_path / "damaged.tfrecord"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        list(read_records(path))


@pytest.mark.parametrize("length", [1 << 30, 1 << 62])
def test_a_length_that_lies_takes_no_memory(tmp_path, length):
    """The length has the right checksum, and nothing follows."""
    from tfkit.inputs.tfrecord import _CHECKSUM, _masked

    claimed = length.to_bytes(8, "little")
    path = tmp_path / "liar.tfrecord"
    path.write_bytes(claimed + _CHECKSUM.pack(_masked(claimed)) + b"short")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"record 1 (is cut off|claims)"):
        list(read_records(path))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_missing_file_and_a_folder_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        list(read_records(tmp_path / "none"))
    with pytest.raises(InputError, match="it is a folder"):
        list(read_records(tmp_path))
