"""What variables a checkpoint holds, read from its index without TensorFlow and without reading the values.

A checkpoint is a prefix (``variables/variables`` in a SavedModel): an index, ``PREFIX.index``, and shards of values,
``PREFIX.data-00000-of-00001``. The index is a table of BundleHeaderProto and BundleEntryProto messages; source:
TensorFlow's ``tensor_bundle.proto`` and ``tensor_bundle.h``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tfkit.errors import ModelError
from tfkit.savedmodel.files import DAMAGED_HINT, map_file
from tfkit.savedmodel.lazy import ContentError, Message
from tfkit.savedmodel.signatures import parse_dtype, parse_shape
from tfkit.savedmodel.table import read_table
from tfkit.tensors import DType, Shape

_HEADER_KEY = b""
# BundleHeaderProto
_NUM_SHARDS = 1
# BundleEntryProto
_DTYPE, _SHAPE, _SHARD_ID, _OFFSET, _SIZE, _SLICES = 1, 2, 3, 4, 5, 7
# The graph of Python objects that TensorFlow 2 keeps with the values: bookkeeping, not a variable.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# A slice of a partitioned variable has a binary key: zero, the name (zero bytes escaped), this, the slice.
_SLICE_START, _SLICE_NAME_END, _ESCAPED_ZERO = b"\x00", b"\x00\x01", b"\x00\xff"
_MISSING_HINT = "Copy the whole folder again, variables/ with all its files, or export the model again."


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a checkpoint.

    Attributes:
        name: Its key in the checkpoint, such as ``dense/kernel/.ATTRIBUTES/VARIABLE_VALUE``.
        dtype: Its data type.
        shape: Its dimensions.
        size_bytes: What its values take, in all slices of a partitioned variable together.
    """

    name: str
    dtype: DType
    shape: Shape | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A value of the index: a variable's, a slice's (without a name), or the heading of a ``partitioned`` variable."""

    variable: Variable
    shard: int
    end: int
    partitioned: bool


@dataclass(frozen=True, slots=True)
class _Index:
    """The whole index; ``slice_bytes`` is what the slices of each partitioned variable take together."""

    shards: int
    entries: tuple[_Entry, ...]
    slice_bytes: dict[str, int]


def read_index(prefix: str | Path, *, complete: bool = False) -> tuple[Variable, ...]:
    """The variables of a checkpoint, by name.

    Args:
        prefix: The checkpoint's files without their endings: ``MODEL/variables/variables``, or ``FOLDER/`` where there
            is nothing but the endings.
        complete: Check as well that the values are there, as ``check_complete`` does.

    Raises:
        ModelError: The index is missing or damaged, or values are missing.
        MissingError: It may not be read.
    """
    index = _read(prefix)
    if complete:
        _check_shards(prefix, index)
    return tuple(
        replace(each, size_bytes=index.slice_bytes.get(each.name, 0)) if entry.partitioned else each
        for entry in index.entries
        if (each := entry.variable).name not in (_OBJECT_GRAPH, "")
    )


def check_complete(prefix: str | Path) -> None:
    """Checks that every shard of a checkpoint is there and as long as its index says.

    Args:
        prefix: The checkpoint's files without their endings: ``MODEL/variables/variables``.

    Raises:
        ModelError: The index or a shard is missing, damaged or cut off; the message names the file and the sizes.
        MissingError: The index may not be read.
    """
    _check_shards(prefix, _read(prefix))


def _check_shards(prefix: str | Path, index: _Index) -> None:
    needed: dict[int, int] = {}
    for entry in index.entries:
        if not entry.partitioned:
            needed[entry.shard] = max(needed.get(entry.shard, 0), entry.end)
    for shard, size in sorted(needed.items()):
        file = Path(f"{prefix}.data-{shard:05d}-of-{index.shards:05d}")
        if not file.is_file():
            raise ModelError(f"{file} is missing: expected {size} bytes of variables", hint=_MISSING_HINT)
        have = file.stat().st_size
        if have < size:
            raise ModelError(f"{file} has {have} bytes, its index wants {size}: it is cut off", hint=_MISSING_HINT)


def check_variables(folder: Path, *, needed: bool) -> Path | None:
    """Checks the variables of a SavedModel.

    Args:
        folder: The SavedModel's folder.
        needed: Whether its graph restores variables, so that they must be there.

    Returns:
        The checkpoint's prefix; ``None`` if there are no variables.

    Raises:
        ModelError: They are missing, damaged or cut off.
    """
    prefix = folder / "variables" / "variables"
    index = prefix.with_name("variables.index")
    if index.is_file():
        check_complete(prefix)
        return prefix
    if needed:
        raise ModelError(f"{index} is missing, although the graph restores variables from it", hint=_MISSING_HINT)
    return None


def _read(prefix: str | Path) -> _Index:
    file = Path(f"{prefix}.index")
    shards, entries = 0, []
    slice_bytes: dict[str, int] = {}
    with map_file(file) as data:
        try:
            for key, value in read_table(data):
                message = Message.whole(value)
                if key == _HEADER_KEY:
                    shards = message.integer(_NUM_SHARDS)
                    continue
                entry = _parse_entry(key, message, shards)
                entries.append(entry)
                if key.startswith(_SLICE_START):
                    name = _sliced_name(key)
                    slice_bytes[name] = slice_bytes.get(name, 0) + entry.variable.size_bytes
        except ValueError as error:  # TableError, WireError, UnicodeDecodeError and ContentError are.
            raise ModelError(
                f"{file} ({len(data)} bytes) is no checkpoint's index, or a damaged one: {error}", hint=DAMAGED_HINT
            ) from None
    return _Index(shards, tuple(entries), slice_bytes)


def _parse_entry(key: bytes, message: Message, shards: int) -> _Entry:
    offset, size, shard = message.integer(_OFFSET), message.integer(_SIZE), message.integer(_SHARD_ID)
    name = "" if key.startswith(_SLICE_START) else key.decode()
    if not 0 <= shard < shards:
        raise ContentError(f"variable {name!r} lies in shard {shard} of {shards}")
    if offset < 0 or size < 0:
        raise ContentError(f"variable {name!r} has {size} bytes at byte {offset}")
    variable = Variable(name, parse_dtype(message.integer(_DTYPE)), parse_shape(message.child(_SHAPE)), size)
    return _Entry(variable, shard, offset + size, partitioned=message.has(_SLICES))


def _sliced_name(key: bytes) -> str:
    name, _, _ = key[len(_SLICE_START) :].partition(_SLICE_NAME_END)
    return name.replace(_ESCAPED_ZERO, b"\x00").decode()
