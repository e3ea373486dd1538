"""Finds the model file behind a path, and opens it without reading it."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.errors import MissingError, ModelError
from tfkit.proto.wire import WireError
from tfkit.savedmodel.lazy import ContentError, Data, Message

BINARY_NAME, TEXT_NAME = "saved_model.pb", "saved_model.pbtxt"
# TensorFlow 2.14 and newer split models of more than 2 GB into chunks, where they were asked to.
CHUNKED_NAME = "saved_model.cpb"

TEXT_SUFFIXES = (".pbtxt", ".textproto")
_TEXT = re.compile(
    rb"(node|library|versions|meta_graphs|saved_model_schema_version|meta_info_def|graph_def|saver_def) ?[:{]"
)

DAMAGED_HINT = "The file may be cut off or damaged: copy or export the model again."
CHECKPOINT_HINT = "Build the model in Python, load the weights, and export it with tfkit.export_model(model, FOLDER)."
_SHOWN_NAMES = 5
# What TensorFlow Serving takes for a version: a folder whose name is a whole number.
_VERSION = re.compile(r"[0-9]{1,18}")


def is_saved_model(path: Path) -> bool:
    """Whether there is a SavedModel at a path: a folder with one, or its file."""
    return path.name in (BINARY_NAME, TEXT_NAME) or any((path / name).is_file() for name in (BINARY_NAME, TEXT_NAME))


def find_model_file(path: str | Path) -> Path:
    """The file that holds the model at ``path``: a file itself, or a folder's ``saved_model.pb`` or ``.pbtxt``.

    Raises:
        ModelError: There is nothing that could be a model; the message says what there is instead.
        MissingError: The path may not be read.
    """
    path = Path(path)
    with readable(path):
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return _find_in_folder(path)
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path} is neither a file nor a folder")
    return path


def latest_version(folder: Path) -> Path | None:
    """The version that TensorFlow Serving serves of ``NAME/1``, ``NAME/2``, ...: the one with the highest number.

    Args:
        folder: What ``--model_base_path`` names: NAME.

    Returns:
        The version's folder; ``None`` where the folder is a model itself, or holds no versions of one.

    Raises:
        MissingError: The folder may not be read.
    """
    with readable(folder):
        if not folder.is_dir() or is_saved_model(folder):
            return None
        versions = _versions(folder)
        if not any(map(_model_in, versions)):
            return None
    return max(versions, key=_number)


def name_of_folder(folder: Path) -> str:
    """What a model is called by its folder; one of TensorFlow Serving's versions, ``NAME/1``, by the folder above."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # as it was named: a version may be a link to a store
    above = folder.parent
    is_version = _VERSION.fullmatch(folder.name) and _model_in(folder) and not _model_in(above)
    return above.name if is_version and above.name else folder.name


@contextmanager
def open_message(file: Path) -> Iterator[Message]:
    """The protobuf message that a file holds, mapped into memory; a text file is parsed first, whatever it is called.

    Damage that shows while the message is read becomes a ``ModelError`` that names the file.

    Raises:
        ModelError: The file is empty or damaged.
        MissingError: The file may not be read.
    """
    with map_file(file) as data:
        try:
            if file.suffix in TEXT_SUFFIXES or is_text(data):
                from tfkit.savedmodel.text import parse_text

                yield Message.whole(parse_text(file, data[:]))
            else:
                yield Message.whole(data)
        except (WireError, UnicodeDecodeError, ContentError) as error:
            raise ModelError(
                f"{file} ({len(data)} bytes) is no model, or a damaged one: {error}", hint=DAMAGED_HINT
            ) from None


def is_text(data: Data) -> bool:
    """Whether a file begins as a model in protobuf's text format does.

    ``tf.train.write_graph`` writes text by default, and is often told to write ``graph.pb``.
    """
    return _TEXT.match(data) is not None


@contextmanager
def map_file(file: Path) -> Iterator[Data]:
    """The bytes of a file, mapped into memory: only what is looked at is read.

    Raises:
        ModelError: The file is not there or empty.
        MissingError: The file may not be read.
    """
    with readable(file):
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            if not os.fstat(descriptor).st_size:
                raise ModelError(f"{file} is empty (0 bytes): expected a model", hint=DAMAGED_HINT)
            data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
    with data:
        yield data


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns the system's refusals into errors that name the path.

    Raises:
        ModelError: The path, or a file in it, is not there or cannot be read.
        MissingError: It may not be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise ModelError(f"there is no file or folder {path}", hint=_hint_near(path)) from None
    except PermissionError as error:
        raise MissingError(
            f"{error.filename or path} may not be read: permission denied",
            hint="Ask its owner, or run this as a user who may read it.",
        ) from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None


def _find_in_folder(folder: Path) -> Path:
    if (file := _model_in(folder)) is not None:
        return file
    if (folder / CHUNKED_NAME).is_file():
        raise ModelError(
            f"{folder} holds {CHUNKED_NAME}, a SavedModel in TensorFlow's format for images of more than 2 GB",
            hint="EAS's TensorFlow versions cannot load it: save the model without experimental_image_format.",
        )
    names = sorted(each.name for each in folder.iterdir())
    hint = _hint_around(folder, names)
    if not hint and ("checkpoint" in names or any(name.endswith(".index") for name in names)):
        raise ModelError(
            f"{folder} is a checkpoint's folder, weights without a graph: expected a SavedModel", hint=CHECKPOINT_HINT
        )
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    found = ", ".join(names[:_SHOWN_NAMES]) + more if names else "nothing"
    raise ModelError(
        f"{folder} is no SavedModel: expected {BINARY_NAME} or {TEXT_NAME} in it, found {found}", hint=hint
    )


def _versions(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if _VERSION.fullmatch(each.name) and each.is_dir()]


def _number(version: Path) -> int:
    return int(version.name)


def _model_in(folder: Path) -> Path | None:
    return next((folder / name for name in (BINARY_NAME, TEXT_NAME) if (folder / name).is_file()), None)


def _hint_around(folder: Path, names: list[str]) -> str:
    """Points to SavedModels one level down (TensorFlow Serving's NAME/VERSION) or up, or to a Keras file."""
    models = [folder / name for name in names if _model_in(folder / name)]
    if models:
        models.sort(key=lambda path: int(path.name) if path.name.isdecimal() else -1, reverse=True)
        return f"Did you mean {' or '.join(map(str, models[:_SHOWN_NAMES]))}?"
    if _model_in(folder.parent):
        return f"Did you mean {folder.parent}?"
    if _VERSION.fullmatch(folder.name) and (whole := list(filter(_model_in, _versions(folder.parent)))):
        return f"{max(whole, key=_number)} is the highest version that holds a model."
    keras = [folder / name for name in names if name.endswith(".keras")]
    return f"Make one from the Keras model: tfkit export {keras[0]} --output FOLDER" if keras else ""


def _hint_near(path: Path) -> str:
    """Offers names near a missing one, from the nearest folder that exists."""
    from tfkit.errors import nearest

    if path.is_symlink():
        return f"It is a link to {path.readlink()}, which is not there."
    try:
        names = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return f"There is no folder {path.parent} either."
    return nearest(path.name, names) if names else f"The folder {path.parent} is empty."


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a file a second place; copies it where the file system has no such links, or to another disk.

    Of a symbolic link, as caches of downloads are full of, the file that it leads to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
