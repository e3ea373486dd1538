"""Every compression that a service's configuration can name, and what is refused."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import cramjam
import lz4.block
import lz4.frame
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tfkit.eas.compression import FORMATS, compress, decompress
from tfkit.errors import InputError, MessageError, TooLargeError

LIMIT = 1 << 20
BODY = np.random.default_rng(7).integers(0, 40, 300_000).astype(np.uint8).tobytes()
ZEROS = bytes(64 << 20)

# Other forms of the same compressions, as other clients write them.
FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip of two members": ("gzip", lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])),
    "snappy stream": ("snappy", lambda data: bytes(cramjam.snappy.compress(data)) or b"\xff\x06\0\0sNaPpY"),
    "lz4 block": ("lz4", lambda data: lz4.block.compress(data, store_size=False)),
    "lz4 of two frames": ("lz4", lambda data: lz4.frame.compress(data[:10]) + lz4.frame.compress(data[10:])),
    "zstd without size": ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress),
    "zstd of two frames": ("zstd", lambda data: zstandard.compress(data[:10]) + zstandard.compress(data[10:])),
} | {name: (name, lambda data, name=name: compress(name, data)) for name in FORMATS}

every_form = pytest.mark.parametrize(("name", "pack"), FORMS.values(), ids=FORMS)


@every_form
@pytest.mark.parametrize("body", [b"", b"a", BODY], ids=["empty", "byte", "large"])
def test_what_is_packed_is_unpacked(name: str, pack: Callable[[bytes], bytes], body: bytes) -> None:
    """Every form gives the body back, up to exactly the limit."""
    assert decompress(name, pack(body), max(len(body), 1)) == body


@pytest.mark.parametrize("name", FORMATS)
def test_packing_is_deterministic(name: str) -> None:
    """The same body gives the same bytes, smaller ones where there is something to gain."""
    assert compress(name, ZEROS[:9999]) == compress(name, ZEROS[:9999])
    assert len(compress(name, ZEROS[:9999])) < 999


@every_form
def test_one_byte_over_the_limit_is_refused(name: str, pack: Callable[[bytes], bytes]) -> None:
    """A body that unpacks to more than the limit is too large; a bare lz4 block may also be damaged."""
    with pytest.raises(MessageError, match=f"the limit of {len(BODY) - 1} bytes") as refusal:
        decompress(name, pack(BODY), len(BODY) - 1)
    if pack is not FORMS["lz4 block"][1]:
        assert isinstance(refusal.value, TooLargeError)
        assert refusal.value.http_status == 413


@every_form
def test_bomb_is_refused_without_being_unpacked(name: str, pack: Callable[[bytes], bytes]) -> None:
    """64 MiB of zeros against a limit of one: refused, with little more than that in memory."""
    bomb = pack(ZEROS)
    tracemalloc.start()
    try:
        with pytest.raises(MessageError):
            decompress(name, bomb, LIMIT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


@every_form
@pytest.mark.parametrize("cut", [1, 2, 5, 100])
def test_cut_off_body_is_refused(name: str, pack: Callable[[bytes], bytes], cut: int) -> None:
    """A body without its end is an error, never a shorter body."""
    with pytest.raises(MessageError, match=f"not {name} data, or is damaged"):
        decompress(name, pack(BODY)[:-cut], LIMIT)


@every_form
@pytest.mark.parametrize("garbage", [b"x", b"garbage"])
def test_trailing_garbage_is_refused(name: str, pack: Callable[[bytes], bytes], garbage: bytes) -> None:
    """Nothing may follow the body."""
    with pytest.raises(MessageError, match=f"not {name} data, or is damaged"):
        decompress(name, pack(BODY) + garbage, LIMIT)


@pytest.mark.parametrize("name", FORMATS)
def test_empty_and_uncompressed_bodies_are_refused(name: str) -> None:
    """What is not compressed is named as such."""
    for body in (b"", b"\x12\x04\x0a\x01x\x12", b"plain text"):
        with pytest.raises(MessageError, match=f"not {name} data"):
            decompress(name, body, LIMIT)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_damaged_bodies_are_refused_or_unpacked(name: str, data: st.DataObject) -> None:
    """Any bytes are unpacked within the limit or refused; nothing else is raised."""
    packed = bytearray(compress(name, data.draw(st.binary(max_size=300))))
    for _ in range(data.draw(st.integers(0, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    for body in (bytes(packed), data.draw(st.binary(max_size=60))):
        with suppress(MessageError):
            assert len(decompress(name, body, 1000)) <= 1000


def test_claimed_sizes_are_not_believed() -> None:
    """A few bytes that claim to unpack to just under the limit get no memory for it."""
    limit = 1 << 30
    snappy = b"\xff\xff\xff\xff\x03abc"
    zstd = b"\x28\xb5\x2f\xfd\xa0" + (limit - 1).to_bytes(4, "little") + b"abc"
    tracemalloc.start()
    try:
        for name, body in (("snappy", snappy), ("zstd", zstd)):
            with pytest.raises(MessageError):
                decompress(name, body, limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


def test_endless_empty_streams_are_refused() -> None:
    """A body of nothing but empty gzip members would keep a thread busy for nothing."""
    with pytest.raises(MessageError, match="more than 65536 streams"):
        decompress("gzip", gzip.compress(b"") * 70_000, LIMIT)


def test_unknown_compression_is_named() -> None:
    """The error lists what is known."""
    with pytest.raises(InputError, match="'brotli' is not known: expected one of gzip, zlib, snappy, zstd, lz4"):
        compress("brotli", b"")
    with pytest.raises(InputError, match="'brotli' is not known"):
        decompress("brotli", b"", LIMIT)
