"""Sorted string tables: the file format of a checkpoint's index.

Source: LevelDB's ``doc/table_format.md``, which TensorFlow's ``tsl/lib/io/table`` follows: data blocks, an index block,
and a footer of 48 bytes. Checksums are not verified; every size and order that the format promises is, so that any
bytes are read in a time and a memory that their number bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from tfkit.proto.wire import WireError, read_varint

if TYPE_CHECKING:
    from tfkit.savedmodel.lazy import Data

_FOOTER_BYTES = 48
_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
_TRAILER_BYTES = 5  # a block's compression and its checksum
_RESTART_BYTES = 4
_PLAIN, _SNAPPY = 0, 1
# TensorFlow writes blocks of 256 KiB, a single large entry aside.
_MAX_BLOCK_BYTES = 256 << 20
# Keys share prefixes, so that few bytes could unfold to many.
_MAX_KEYS_BYTES = 256 << 20


class TableError(ValueError):
    """The bytes are no sorted string table."""


def read_table(data: Data) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table, in the order of the keys.

    Raises:
        TableError: The bytes are no table, or are damaged.
    """
    try:
        yield from _read_table(data)
    except WireError as error:
        raise TableError(str(error)) from None


def _read_table(data: Data) -> Iterator[tuple[bytes, bytes]]:
    footer = len(data) - _FOOTER_BYTES
    if footer < 0 or data[len(data) - len(_MAGIC) : len(data)] != _MAGIC:
        raise TableError("it does not end as a table does")
    _, _, at = _read_handle(data, footer, len(data))  # the metaindex, which is empty
    offset, size, _ = _read_handle(data, at, len(data))
    handles = [_read_handle(value, 0, len(value))[:2] for _, value in _entries(_read_block(data, offset, size))]
    if any(first + length > second for (first, length), (second, _) in pairwise(handles)):
        raise TableError("its blocks overlap")
    previous, keys_bytes = None, 0
    for offset, size in handles:
        for key, value in _entries(_read_block(data, offset, size)):
            keys_bytes += len(key)
            if keys_bytes > _MAX_KEYS_BYTES:
                raise TableError(f"its keys take more than {_MAX_KEYS_BYTES} bytes")
            if previous is not None and key <= previous:
                raise TableError(f"key {key!r} is out of order")
            yield key, value
            previous = key


def _read_handle(data: Data, at: int, end: int) -> tuple[int, int, int]:
    """Where a block starts and how long it is; and the position after the handle."""
    offset, at = read_varint(data, at, end)
    size, at = read_varint(data, at, end)
    return offset, size, at


def _read_block(data: Data, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER_BYTES > len(data) - _FOOTER_BYTES or size > _MAX_BLOCK_BYTES:
        raise TableError(f"a block of {size} bytes at byte {offset} does not fit into its {len(data)} bytes")
    block, compression = data[offset:end], data[end]
    if compression == _PLAIN:
        return block
    if compression == _SNAPPY:
        return _unpack(block)
    raise TableError(f"the block at byte {offset} has the unknown compression {compression}")


def _unpack(block: bytes) -> bytes:
    from cramjam import DecompressionError, snappy

    size, _ = read_varint(block, 0, len(block))
    if size > _MAX_BLOCK_BYTES:
        raise TableError(f"a block unpacks to {size} bytes: expected at most {_MAX_BLOCK_BYTES}")
    try:
        return bytes(snappy.decompress_raw(block))
    except DecompressionError as error:
        raise TableError(f"a block cannot be unpacked: {error}") from None


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a block: each key is given by how much of the key before it it shares, and the rest."""
    if len(block) < _RESTART_BYTES:
        raise TableError(f"a block has {len(block)} bytes")
    restarts = int.from_bytes(block[-_RESTART_BYTES:], "little")
    end = len(block) - _RESTART_BYTES * (restarts + 1)
    if end < 0:
        raise TableError(f"a block of {len(block)} bytes has {restarts} restart points")
    at, key = 0, b""
    while at < end:
        shared, at = read_varint(block, at, end)
        own, at = read_varint(block, at, end)
        value_size, at = read_varint(block, at, end)
        if shared > len(key) or at + own + value_size > end:
            raise TableError("an entry reaches past its block")
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + value_size]
        at += value_size
