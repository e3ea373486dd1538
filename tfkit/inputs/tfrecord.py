"""TFRecord files: records of bytes, each with its length and two checksums; as they are, or compressed with gzip.

    uint64 length, uint32 masked CRC-32C of the length, the bytes, uint32 masked CRC-32C of the bytes; little-endian

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details, and
tensorflow/core/lib/io/record_writer.h.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import google_crc32c

from tfkit.eas.messages import MAX_MESSAGE_BYTES
from tfkit.errors import InputError
from tfkit.inputs.opening import opened

_MAX_UNPACKED_BYTES = 256 << 20  # of a compressed file, whose size does not bound what it unpacks to
_PIECE_BYTES = 1 << 20
_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_GZIP_MAGIC = b"\x1f\x8b\x08"
_MASK_DELTA = 0xA282EAD8


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def read_records(path: Path) -> Generator[bytes, None, None]:
    """The records of a file, one at a time.

    Args:
        path: The file; whether it is compressed is seen from its first bytes.

    Raises:
        InputError: The file is missing or cut off, or a length or a checksum is wrong; the message has the number of
            the record, from 1.
    """
    with opened(path) as stream:
        start = stream.read(_LENGTH.size)
        stream.seek(0)
        # A record's length may look like gzip's magic; its checksum says what it is.
        if start.startswith(_GZIP_MAGIC) and not starts_record(start):
            with _unpacking(path), gzip.GzipFile(fileobj=stream) as unpacked:
                yield from _records(unpacked, path, _MAX_UNPACKED_BYTES)
        else:
            yield from _records(stream, path, MAX_MESSAGE_BYTES)


def write_records(stream: IO[bytes], records: Iterable[bytes]) -> None:
    """Writes records to a stream, uncompressed.

    Args:
        stream: Where to.
        records: The bytes of each.
    """
    for record in records:
        length = len(record).to_bytes(8, "little")
        stream.write(length + _CHECKSUM.pack(_masked(length)))
        stream.write(record)
        stream.write(_CHECKSUM.pack(_masked(record)))


def starts_record(data: bytes) -> bool:
    """Whether bytes start as a record does: with a length and its checksum."""
    return len(data) >= _LENGTH.size and _LENGTH.unpack_from(data)[1] == _masked(data[:8])


def _records(stream: _Readable, path: Path, limit: int) -> Iterator[bytes]:
    number = 0
    while head := _take(stream, _LENGTH.size):
        number += 1
        place = f"{path}, record {number}"
        if len(head) < _LENGTH.size:
            raise InputError(f"{place} is cut off: {len(head)} bytes where its length takes {_LENGTH.size}")
        if not starts_record(head):
            kind = "the length has another checksum" if number > 1 else "this is no TFRecord file"
            raise InputError(f"{place} is damaged: {kind}")
        length = _LENGTH.unpack(head)[0]
        if length > limit:
            raise InputError(f"{place} claims {length} bytes: at most {limit} are read")
        record, tail = _take(stream, length), _take(stream, _CHECKSUM.size)
        if len(tail) < _CHECKSUM.size:
            there, whole = len(record) + len(tail), length + _CHECKSUM.size
            raise InputError(f"{place} is cut off: {there} of {whole} bytes are there, its checksum included")
        if _CHECKSUM.unpack(tail)[0] != _masked(record):
            raise InputError(f"{place} is damaged: its {length} bytes have another checksum")
        yield record


def _take(stream: _Readable, size: int) -> bytes:
    """As many bytes as there are, up to ``size``, which may be a lie: what is not there takes no memory."""
    if size <= _PIECE_BYTES:
        return stream.read(size)
    pieces: list[bytes] = []
    while size and (piece := stream.read(min(size, _PIECE_BYTES))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


@contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path} cannot be unpacked: {error}") from None


def _masked(data: bytes) -> int:
    """The checksum as it is stored: rotated and moved, as a checksum over data that holds checksums is a weak one."""
    checksum = int(google_crc32c.value(data))
    return ((checksum >> 15 | checksum << 17) + _MASK_DELTA) & 0xFFFFFFFF
