"""Where a model comes from: a folder, an archive, a URL. Whatever it is, a path on this machine comes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from tfkit.errors import InputError, nearest
from tfkit.fetching.archives import archive_kind, parts_of_name, without_endings
from tfkit.fetching.urls import file_name, is_url, shown_source
from tfkit.savedmodel.files import BINARY_NAME, CHUNKED_NAME, TEXT_NAME, name_of_folder

Tell = Callable[[str], None]

_MODEL_FILES = (BINARY_NAME, TEXT_NAME, CHUNKED_NAME)
_GRAPH_ENDINGS = (".pb", ".pbtxt")
_SHOWN_MODELS = 10


def needs_folder(source: str) -> bool:
    """Whether a source has to be downloaded or unpacked; raises as ``is_url`` and ``archive_kind`` do."""
    return is_url(source) or bool(archive_kind(Path(source)))


def name_of(source: str) -> str:
    """What a model is called by its source: the folder's name, the file's without its endings.

    >>> name_of("https://host/models/digits.tar.gz?Signature=abc")
    'digits'
    """
    if is_url(source):
        return without_endings(file_name(source.rstrip("/"))).removesuffix(".pb")
    path = Path(source)
    if path.is_dir():
        return name_of_folder(path)
    if path.name in _MODEL_FILES:
        return name_of_folder(path.parent)
    name = without_endings(path.name)
    return Path(name).stem if name.endswith(_GRAPH_ENDINGS) else name


def fetch_file(source: str, folder: Path, tell: Tell) -> Path:
    """A single file: itself, or downloaded into a folder.

    Args:
        source: A path or a URL.
        folder: Where a download goes; made if there is one.
        tell: Called with lines for people.

    Raises:
        TfkitError: As ``download`` and ``download_oss`` do.
    """
    if not is_url(source):
        return Path(source)
    folder.mkdir(exist_ok=True)
    # Imported now: most starts have no use for an HTTP client.
    if source.startswith("oss://"):
        from tfkit.fetching.oss import download_oss

        return download_oss(source, folder, tell)
    from tfkit.fetching.downloads import download

    return download(source, folder, tell)


def fetch_model(source: str, entry: str, folder: Path, tell: Tell) -> Path:
    """A SavedModel's folder, or a frozen graph's file.

    Args:
        source: A folder, a file, an archive, or the URL of one.
        entry: The model's path inside of it; empty where it holds one model.
        folder: Where it is downloaded and unpacked, if ``needs_folder`` says so; made then.
        tell: Called with lines for people.

    Raises:
        InputError: It holds no model, or several and ``entry`` does not choose one.
        TfkitError: As ``download``, ``download_oss`` and ``unpack`` do.
    """
    path = fetch_file(source, folder, tell)
    shown = shown_source(source)
    if archive_kind(path):
        from tfkit.fetching.unpack import unpack

        tell(f"unpacking {shown}")
        folder.mkdir(exist_ok=True)
        unpack(path, folder / "model", shown=shown)
        if is_url(source):
            path.unlink()  # it can be as large as what came out of it
        return find_model(folder / "model", entry, shown)
    if path.is_dir():
        return find_model(path, entry, shown) if entry or is_url(source) else path
    if entry and path.is_file():
        raise InputError(f"{shown} is a single file: there is no {entry!r} in it", hint="Leave model_entry out.")
    if is_url(source) and path.suffix not in _GRAPH_ENDINGS:
        with path.open("rb") as file:
            head = file.read(16)
        raise InputError(f"{shown} is neither an archive nor a .pb file: it starts with {head!r}")
    return path.parent if path.name in _MODEL_FILES and not is_url(source) else path


def find_model(folder: Path, entry: str, shown: str) -> Path:
    """The model inside a folder: a SavedModel at any depth, else a frozen graph.

    Args:
        folder: What was unpacked.
        entry: The model's path in it: its folder, a folder above it, or its file; empty where there is one model.
        shown: What messages call the folder.

    Raises:
        InputError: There is no model, or there are several.
    """
    start = _entry_of(folder, entry, shown) if entry else folder
    if start.is_file():
        return start.parent if start.name in _MODEL_FILES else start
    models, graphs = _models_in(start)
    found = models or graphs
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{shown} holds {len(found)} models: {_listed(found, folder)}",
            hint="Choose one: --model-entry PATH, or model_entry in the service JSON.",
        )
    where = f"{entry} in {shown}" if entry else shown
    have = sorted(each.name for each in start.iterdir())
    raise InputError(
        f"{where} holds no SavedModel: there is no {BINARY_NAME} in it, at any depth",
        hint=f"It holds {', '.join(have[:_SHOWN_MODELS])}." if have else "It is empty.",
    )


def _entry_of(folder: Path, entry: str, shown: str) -> Path:
    path = folder.joinpath(*parts_of_name(entry, "model_entry"))
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"model_entry {entry!r} leads out of {shown}")
    if not path.exists():
        names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(f"{shown} holds no {entry!r}", hint=nearest(path.name, sorted(names)) if names else "")
    return path


def _models_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """SavedModels' folders, and files that could be frozen graphs."""
    models, graphs = [], []
    for place, folders, files in os.walk(folder):
        # macOS packs a shadow of every file, and keeps it under such names.
        folders[:] = sorted(name for name in folders if name != "__MACOSX" and not name.startswith("."))
        if any(name in files for name in _MODEL_FILES):
            models.append(Path(place))
            folders.clear()
        graphs += [Path(place, name) for name in sorted(files) if name.endswith(".pb") and not name.startswith(".")]
    return models, graphs


def _listed(found: Iterable[Path], folder: Path) -> str:
    names = [str(each.relative_to(folder)) for each in found]
    return ", ".join(names[:_SHOWN_MODELS]) + (" and more" if len(names) > _SHOWN_MODELS else "")
