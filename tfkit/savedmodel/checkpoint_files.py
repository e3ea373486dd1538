"""Finds the files of a checkpoint: the variables, and beside those of TensorFlow 1 the graph, ``PREFIX.meta``.

A prefix is what the names of a checkpoint's files begin with, often ``model.ckpt-1000``; it may be nothing at all, so
that the files are called ``.meta``, ``.index``, ``.data-00000-of-00001``. A folder can hold several checkpoints; its
file ``checkpoint``, a ``CheckpointState`` in protobuf's text format, names the last one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from tfkit.errors import ModelError
from tfkit.savedmodel.files import readable

META, INDEX = ".meta", ".index"
STATE = "checkpoint"
_SHARD = re.compile(r"(.*)\.data-\d{5}-of-(\d{5})", re.DOTALL)
_FIRST_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_STEP = re.compile(r".*-(\d+)", re.DOTALL)
_NAMED = re.compile(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_MOST_STATE_BYTES = 1 << 20
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """A checkpoint's place.

    Attributes:
        folder: The folder that it is in.
        stem: What its files' names begin with; may be empty.
        note: Why it was chosen, where there were others.
    """

    folder: Path
    stem: str
    note: str = ""

    @property
    def prefix(self) -> str:
        """The path of its files without their endings."""
        return os.path.join(self.folder, self.stem)  # noqa: PTH118  # keeps the slash before an empty name

    @property
    def meta(self) -> Path:
        """The file that holds the graph."""
        return self.folder / f"{self.stem}{META}"

    @property
    def index(self) -> Path:
        """The file that says what the variables are."""
        return self.folder / f"{self.stem}{INDEX}"

    def first_format(self) -> Path | None:
        """A file with variables in TensorFlow's first format, which has no index: ``PREFIX``, or its first shard."""
        whole = Path(self.prefix)
        if self.stem and whole.is_file():
            return whole
        shards = (each for each in self.folder.iterdir() if _FIRST_SHARD.fullmatch(each.name.removeprefix(self.stem)))
        return min((each for each in shards if each.name.startswith(self.stem)), default=None)

    def parts(self) -> dict[str, Path]:
        """The files that hold the variables, by their endings."""
        found = {INDEX: self.index}
        for path in sorted(self.folder.iterdir()):
            match = _SHARD.fullmatch(path.name)
            if match is not None and match[1] == self.stem:
                found[path.name[len(self.stem) :]] = path
        return found


def find_graph_checkpoint(path: Path) -> CheckpointFiles | None:
    """The checkpoint with a graph at a path: a prefix, one of its files, or a folder with some.

    Returns:
        ``None`` if there is none.

    Raises:
        ModelError: A folder holds several, and nothing tells which is meant.
        MissingError: The folder may not be read.
    """
    return _find(path, META)


def find_checkpoint(path: Path) -> CheckpointFiles | None:
    """The checkpoint at a path, with a graph or without: a prefix, one of its files, or a folder with some.

    Returns:
        ``None`` if there is none.

    Raises:
        ModelError: A folder holds several, and nothing tells which is meant.
        MissingError: The folder may not be read.
    """
    return _find(path, INDEX)


def _find(path: Path, ending: str) -> CheckpointFiles | None:
    if not path.is_dir():
        stem = _stem(path.name)
        files = CheckpointFiles(path.parent, path.name if stem is None else stem)
        return files if Path(f"{files.prefix}{ending}").exists() or path.name.endswith(ending) else None
    with readable(path):
        stems = sorted(each.name.removesuffix(ending) for each in path.iterdir() if each.name.endswith(ending))
    return _choose(path, stems, ending) if stems else None


def _stem(name: str) -> str | None:
    """What the name of a checkpoint's file begins with; ``None`` if it is none."""
    for ending in (META, INDEX):
        if name.endswith(ending):
            return name.removesuffix(ending)
    match = _SHARD.fullmatch(name)
    return match[1] if match is not None else None


def _choose(folder: Path, stems: list[str], ending: str) -> CheckpointFiles:
    named = _named_stem(folder)
    if named in stems:
        note = f"of {len(stems)} checkpoints, {_shown(named)} is the one that {STATE} names" if len(stems) > 1 else ""
        return CheckpointFiles(folder, named, note)
    lost = "" if named is None else f"{STATE} names {_shown(named)}, which is not here: "
    if len(stems) == 1:
        return CheckpointFiles(folder, stems[0], f"{lost}{_shown(stems[0])} was taken" if lost else "")
    steps = {stem: int(match[1]) for stem in stems if (match := _STEP.fullmatch(stem))}
    newest = [stem for stem in steps if steps[stem] == max(steps.values())]
    if len(newest) != 1:
        shown = ", ".join(map(_shown, stems[:_SHOWN])) + (" ..." if len(stems) > _SHOWN else "")
        raise ModelError(
            f"{folder} holds {len(stems)} checkpoints, and nothing says which is meant: {shown}",
            hint=f"Name one of them: {CheckpointFiles(folder, stems[0]).prefix}{ending}",
        )
    return CheckpointFiles(
        folder, newest[0], f"{lost}of {len(stems)} checkpoints, {_shown(newest[0])} has the newest step"
    )


def _named_stem(folder: Path) -> str | None:
    """The name of the checkpoint that the folder's state file tells of, whatever folder it was written in."""
    state = folder / STATE
    if not state.is_file():
        return None
    with readable(state), state.open("rb") as file:
        found = _NAMED.search(file.read(_MOST_STATE_BYTES))
    if found is None:
        return None
    from google.protobuf.text_encoding import CUnescape

    try:
        text = CUnescape(found[1].decode("latin-1")).decode("utf-8", "surrogateescape")
    except ValueError:
        return None
    flavour = PureWindowsPath if "\\" in text else PurePosixPath
    return "" if text.endswith(("/", "\\")) else flavour(text).name


def _shown(stem: str) -> str:
    return repr(stem) if stem else "the one without a name"
