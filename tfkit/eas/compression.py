"""The compressions of request bodies that ``metadata.rpc.decompressor`` names.

What the official clients send: gzip and zlib (Go and Java), and from Java raw snappy, zstd, and lz4 either as a frame
or as a bare block without its size. Unpacking never holds more than the limit and a few MiB, whatever the data says.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Protocol

from tfkit.errors import InputError, MessageError, TooLargeError

FORMATS = ("gzip", "zlib", "snappy", "zstd", "lz4")

_SNAPPY_STREAM = b"\xff\x06\x00\x00sNaPpY"
_LZ4_FRAME = b"\x04\x22\x4d\x18"
# How much is unpacked at once: a byte becomes 1032 at most, 255 (of which lz4 holds several copies), and 32768, so
# that no step takes more than some 8 MiB.
_INFLATE_STEP, _LZ4_STEP, _ZSTD_STEP = 8192, 4096, 256
# Files are written in many streams, bodies in one; the most hostile body is nothing but empty ones.
_MAX_STREAMS = 1 << 16
_LZ4_RATIO = 255
_LZ4_LARGEST = 2**31 - 1  # the library counts in C ints
# Three bytes copy 64.
_SNAPPY_RATIO = 22
_ZSTD_MIN_WINDOW, _ZSTD_MAX_WINDOW = 8 << 20, 128 << 20


def compress(name: str, data: bytes) -> bytes:
    """Compresses a body as the official clients do; lz4 as a frame.

    Args:
        name: One of ``FORMATS``.
        data: The body.

    Raises:
        InputError: No compression has that name.
    """
    if name == "gzip":
        import gzip

        return gzip.compress(data, compresslevel=6, mtime=0)
    if name == "zlib":
        import zlib

        return zlib.compress(data)
    if name == "snappy":
        import cramjam

        return bytes(cramjam.snappy.compress_raw(data))
    if name == "zstd":
        import zstandard

        return bytes(zstandard.ZstdCompressor().compress(data))
    if name == "lz4":
        import lz4.frame

        return bytes(lz4.frame.compress(data))
    raise _unknown(name)


def decompress(name: str, data: bytes, limit_bytes: int) -> bytes:
    """Unpacks a body.

    Args:
        name: One of ``FORMATS``. snappy is raw or framed and lz4 a frame or a bare block, whichever the data is.
        data: The compressed body: whole, and nothing after it.
        limit_bytes: The size that it may unpack to.

    Raises:
        TooLargeError: It unpacks to more than ``limit_bytes``.
        MessageError: It is damaged, cut off, or followed by something else.
        InputError: No compression has that name.
    """
    if name not in _UNPACKERS:
        raise _unknown(name)
    return _UNPACKERS[name](bytes(data), limit_bytes)


def _unknown(name: str) -> InputError:
    return InputError(f"compression {name!r} is not known: expected one of {', '.join(FORMATS)}")


def _damaged(name: str, reason: object) -> MessageError:
    return MessageError(f"the body is not {name} data, or is damaged: {reason}")


def _too_large(name: str, limit_bytes: int) -> TooLargeError:
    return TooLargeError(f"the {name} body unpacks to more than the limit of {limit_bytes} bytes")


class _Unpacker(Protocol):
    """What zlib, lz4 and zstandard have in common: an object for one stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: Any, /) -> bytes: ...


def _unpack(name: str, start: Callable[[], _Unpacker], data: bytes, limit_bytes: int, step: int) -> bytes:
    """Unpacks streams, one after the other, piece by piece."""
    view = memoryview(data)
    unpacked = BytesIO()
    at, streams = 0, 1
    stream = start()
    while at < len(view):
        if stream.eof:
            stream = start()
            streams += 1
            if streams > _MAX_STREAMS:
                raise _damaged(name, f"it has more than {_MAX_STREAMS} streams")
        piece = view[at : at + step]
        unpacked.write(stream.decompress(piece))
        if unpacked.tell() > limit_bytes:
            raise _too_large(name, limit_bytes)
        at += len(piece) - len(stream.unused_data or b"")
    if not stream.eof:
        what = "it" if streams == 1 else "what follows the first stream"
        raise _damaged(name, f"{what} is cut off after {len(data)} bytes")
    return unpacked.getvalue()


def _gunzip(data: bytes, limit_bytes: int) -> bytes:
    import zlib

    try:
        return _unpack("gzip", lambda: zlib.decompressobj(wbits=31), data, limit_bytes, _INFLATE_STEP)
    except zlib.error as error:
        raise _damaged("gzip", error) from None


def _inflate(data: bytes, limit_bytes: int) -> bytes:
    import zlib

    try:
        return _unpack("zlib", zlib.decompressobj, data, limit_bytes, _INFLATE_STEP)
    except zlib.error as error:
        raise _damaged("zlib", error) from None


def _unzstd(data: bytes, limit_bytes: int) -> bytes:
    import zstandard

    try:
        window = min(max(limit_bytes, _ZSTD_MIN_WINDOW), _ZSTD_MAX_WINDOW)
        unpacker = zstandard.ZstdDecompressor(max_window_size=window)
        size = zstandard.frame_content_size(data)
        if size > limit_bytes:
            raise _too_large("zstd", limit_bytes)
        return _unpack("zstd", unpacker.decompressobj, data, limit_bytes, _ZSTD_STEP)
    except zstandard.ZstdError as error:
        raise _damaged("zstd", error) from None


def _unlz4(data: bytes, limit_bytes: int) -> bytes:
    if not data.startswith(_LZ4_FRAME):
        return _unlz4_block(data, limit_bytes)
    import lz4.frame

    try:
        return _unpack("lz4", lz4.frame.LZ4FrameDecompressor, data, limit_bytes, _LZ4_STEP)
    except RuntimeError as error:
        raise _damaged("lz4", error) from None


def _unlz4_block(data: bytes, limit_bytes: int) -> bytes:
    """Unpacks a bare block, which does not say its size."""
    import lz4.block

    largest = len(data) * _LZ4_RATIO
    try:
        return bytes(lz4.block.decompress(data, uncompressed_size=min(largest, limit_bytes, _LZ4_LARGEST)))
    except lz4.block.LZ4BlockError as error:
        limit = f", or unpacks to more than the limit of {limit_bytes} bytes" if largest > limit_bytes else ""
        raise _damaged("lz4", f"{error}{limit}") from None


def _unsnappy(data: bytes, limit_bytes: int) -> bytes:
    import cramjam

    try:
        if data.startswith(_SNAPPY_STREAM):
            return _unsnappy_stream(data, limit_bytes)
        size = cramjam.snappy.decompress_raw_len(data)
        if size > limit_bytes:
            raise _too_large("snappy", limit_bytes)
        if size > len(data) * _SNAPPY_RATIO:
            raise _damaged("snappy", f"{len(data)} bytes cannot unpack to {size}")
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise _damaged("snappy", error) from None


def _unsnappy_stream(data: bytes, limit_bytes: int) -> bytes:
    """Unpacks the framed form, whose size is not known before."""
    import cramjam

    unpacked = bytearray(min(len(data) * _SNAPPY_RATIO, limit_bytes + 1))
    try:
        size = cramjam.snappy.decompress_into(data, unpacked)
    except cramjam.DecompressionError as error:
        if "write whole buffer" in str(error):
            raise _too_large("snappy", limit_bytes) from None
        raise
    if size > limit_bytes:
        raise _too_large("snappy", limit_bytes)
    return bytes(memoryview(unpacked)[:size])


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "zlib": _inflate,
    "snappy": _unsnappy,
    "zstd": _unzstd,
    "lz4": _unlz4,
}
