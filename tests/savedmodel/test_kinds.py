"""What is no SavedModel is recognised, and the message says what to do with it."""

import gzip
import io
import os
import socket
import tarfile
import zipfile

import pytest

from tfkit.errors import MissingError, ModelError
from tfkit.savedmodel.reader import read_signatures


def refusal(path):
    """The message and the hint of the error for a path."""
    with pytest.raises(ModelError) as raised:
        read_signatures(path)
    assert str(path) in raised.value.message
    return raised.value.message, raised.value.hint


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("saved_model.pb"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "what", "advice"),
    [
        ("model.keras", zipped("metadata.json", "config.json"), "is a Keras model", "tfkit export"),
        ("renamed.bin", zipped("metadata.json", "config.json"), "is a Keras model", "tfkit export"),
        ("model.zip", zipped("saved_model.pb"), "is a zip archive", "Unpack it"),
        ("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file", "tfkit export"),
        ("model.tar", tarred(), "is a tar archive", "Unpack it"),
        ("model.tar.gz", gzip.compress(tarred()), "is a gzip archive", "Unpack it"),
        ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(20), "is a TensorFlow Lite model", "original model"),
        ("model.onnx", b"\x08\x0a\x12\x07pytorch", "is an ONNX model", "original model"),
        ("notes.txt", b"hello world\n", "holds no graph", "cut off or damaged"),
        ("picture.png", b"\x89PNG\r\n\x1a\n", "is no model, or a damaged one", "cut off or damaged"),
        ("saved_model.pb", b"", "is empty", "cut off or damaged"),
        ("saved_model.pb", b"\x08\x01", "holds no graph", "cut off or damaged"),
        ("saved_model.pbtxt", b"hello { world", "is no model in protobuf's text format", ""),
        ("saved_model.pbtxt", b"hello: 1", "holds neither a SavedModel nor a graph", ""),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, name, data, what, advice):
    (tmp_path / name).write_bytes(data)
    message, hint = refusal(tmp_path / name)
    assert what in message
    assert advice in hint


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("checkpoint/model.meta", "is a MetaGraphDef"),
        ("checkpoint/model.index", "is a checkpoint's index"),
        ("checkpoint/model.data-00000-of-00001", "is a shard of a checkpoint"),
        ("checkpoint", "is a checkpoint's folder"),
        ("frozen.pb", "is a frozen graph"),
        ("frozen.pbtxt", "is a frozen graph"),
    ],
)
def test_tensorflows_other_files_are_named_for_what_they_are(models, name, what):
    message, hint = refusal(models / name)
    assert what in message
    assert hint


def test_a_missing_path_offers_the_names_nearby(tmp_path):
    (tmp_path / "digits").mkdir()
    message, hint = refusal(tmp_path / "digit")
    assert "there is no file or folder" in message
    assert "Did you mean 'digits'?" in hint
    assert "no folder" in refusal(tmp_path / "a" / "b")[1]
    assert "is empty" in refusal(tmp_path / "digits" / "b")[1]


def test_a_link_to_nowhere_says_where_to(tmp_path):
    (tmp_path / "model").symlink_to("gone")
    assert refusal(tmp_path / "model")[1] == "It is a link to gone, which is not there."


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "cannot be read: Not a directory" in refusal(tmp_path / "file" / "model")[0]


def test_an_empty_folder_says_what_was_expected_in_it(tmp_path):
    assert "expected saved_model.pb or saved_model.pbtxt in it, found nothing" in refusal(tmp_path)[0]


def test_a_folder_of_versions_points_to_the_newest(models, tmp_path):
    for version in ("9", "10"):
        (tmp_path / version).symlink_to(models / "two")
    assert refusal(tmp_path)[1] == f"Did you mean {tmp_path / '10'} or {tmp_path / '9'}?"


def test_a_folder_inside_a_model_points_to_the_model(models):
    assert refusal(models / "two" / "variables")[1] == f"Did you mean {models / 'two'}?"


def test_a_folder_with_a_keras_model_points_to_export(tmp_path):
    (tmp_path / "digits.keras").write_bytes(zipped("metadata.json"))
    assert f"tfkit export {tmp_path / 'digits.keras'}" in refusal(tmp_path)[1]


def test_a_chunked_model_is_explained(tmp_path):
    (tmp_path / "saved_model.cpb").write_bytes(b"x")
    message, hint = refusal(tmp_path)
    assert "saved_model.cpb" in message
    assert "experimental_image_format" in hint


def test_what_is_neither_file_nor_folder_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in refusal(tmp_path / "pipe")[0]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert "neither a file nor a folder" in refusal(tmp_path / "s")[0]


@pytest.mark.parametrize("closed", ["model", "model/saved_model.pb"])
def test_what_may_not_be_read_is_named(visible_path, unprivileged, closed):
    (visible_path / "model").mkdir()
    (visible_path / "model" / "saved_model.pb").write_bytes(b"\x08\x01")
    (visible_path / closed).chmod(0)
    with unprivileged(), pytest.raises(MissingError, match="may not be read: permission denied") as raised:
        read_signatures(visible_path / "model")
    assert str(visible_path / closed) in raised.value.message
