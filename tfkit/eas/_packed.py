"""Packed varints, read and written by the array instead of one by one.

A varint holds a number in groups of seven bits, the lowest first, one to a byte; the top bit of every byte but the
last is set. Source: https://protobuf.dev/programming-guides/encoding/#varints. Numbers of more than one byte go in
pieces that fit the processor's cache, so that temporary arrays stay small whatever the size of the message.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfkit.proto import wire

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Words = np.ndarray[Any, np.dtype[np.unsignedinteger[Any]]]
Values = np.ndarray[Any, np.dtype[Any]]

_LONGEST = 10
_PIECE = 1 << 17
_ROWS = 1 << 14
# Up to so many, a loop takes less time than the calls of numpy.
_FEW_BYTES = 256
_FEW_VALUES = 64
_WORDS = {width: np.dtype(f"<u{width}") for width in (2, 4, 8)}
_GROUPS, _MORE = 0x7F7F7F7F7F7F7F7F, 0x8080808080808080
# What stays in place when gaps of one, two and four bits are closed, and by how much the rest moves.
_SQUEEZE = ((0x007F007F007F007F, 1), (0x00003FFF00003FFF, 2), (0x000000000FFFFFFF, 4))


def count_varints(raw: Bytes) -> int:
    """How many varints end in ``raw``."""
    return int(np.count_nonzero(raw < 0x80))


def read_varints(raw: Bytes, count: int, dtype: np.dtype[Any]) -> Values:
    """Reads packed varints.

    Args:
        raw: The bytes; the last one ends a varint.
        count: How many varints they hold, as ``count_varints`` says.
        dtype: int64, int32 or bool; the bits of a number that int64 or int32 cannot hold are dropped, as protobuf does.

    Returns:
        ``dtype[count]``.

    Raises:
        ValueError: A varint is longer than ten bytes.
    """
    if count == raw.size:
        return raw.astype(dtype)
    if raw.size <= _FEW_BYTES:
        return _read_few(raw, dtype)
    length = raw.size // count
    if length * count == raw.size and length <= _LONGEST and raw[length - 1 :: length].max() < 0x80:
        return _read_equal(raw, length, dtype)
    return _read_mixed(raw, count, dtype)


def _read_few(raw: Bytes, dtype: np.dtype[Any]) -> Values:
    """Reads a few varints of any length."""
    values = []
    value = shift = 0
    for byte in raw.tobytes():
        value |= (byte & 0x7F) << shift
        if byte >= 0x80:
            shift += 7
            continue
        if shift >= 7 * _LONGEST:
            raise _too_long()
        values.append(value & 0xFFFF_FFFF_FFFF_FFFF)
        value = shift = 0
    return np.array(values, np.uint64).astype(dtype)


def _read_equal(raw: Bytes, length: int, dtype: np.dtype[Any]) -> Values:
    """Reads varints that are all of the same length."""
    rows = raw.reshape(-1, length)
    values = np.empty(len(rows), dtype)
    scratch = np.zeros(min(raw.size, _ROWS * length) + 16, np.uint8)
    word = _word(length)
    windows = np.ndarray((min(len(rows), _ROWS),), word, scratch, strides=(length,))
    groups = _fit(_GROUPS & ((1 << 8 * length) - 1), word)
    for at in range(0, len(rows), _ROWS):
        piece = rows[at : at + _ROWS]
        scratch[: piece.size] = piece.reshape(-1)
        words = windows[: len(piece)].copy()
        words &= groups
        _squeeze(words)
        for place in range(8, length if dtype != np.int32 else 0):
            _add_group(words, piece[:, place], place)
        values[at : at + _ROWS] = words
    return values


def _read_mixed(raw: Bytes, count: int, dtype: np.dtype[Any]) -> Values:
    """Reads varints of any length."""
    values = np.empty(count, dtype)
    scratch = np.zeros(min(raw.size, _PIECE) + 16, np.uint8)
    at = done = 0
    while at < raw.size:
        piece = raw[at : at + _PIECE]
        scratch[: piece.size] = piece
        ends = np.flatnonzero(piece < 0x80)
        if not ends.size:
            raise _too_long()
        starts = np.zeros_like(ends)
        np.add(ends[:-1], 1, out=starts[1:])
        values[done : done + ends.size] = _gather(scratch, starts, ends, tails=dtype != np.int32)
        at += int(ends[-1]) + 1
        done += ends.size
    return values


def _gather(scratch: Bytes, starts: Values, ends: Values, *, tails: bool) -> Words:
    more = ends - starts
    longest = int(more.max()) + 1
    if longest > _LONGEST:
        raise _too_long()
    word = _word(longest)
    # The word that starts at each byte: overlapping, so copied before it is picked from.
    windows = np.ndarray((int(ends[-1]) + 1,), word, scratch, strides=(1,))
    words: Words = windows.copy().take(starts)
    # The lowest clear top bit is that of the last byte; what lies above belongs to the next varint.
    last = ~words & _fit(_MORE, word)
    words &= last ^ (last - word.type(1))
    words &= _fit(_GROUPS, word)
    _squeeze(words)
    for place in range(8, longest if tails else 0):
        tail = scratch.take(starts + place)
        tail *= more >= place
        _add_group(words, tail, place)
    return words


def _add_group(words: Words, raw: Bytes, place: int) -> None:
    """Adds the ninth or tenth byte's group to 64-bit words, in place."""
    group = (raw & np.uint8(0x7F)).astype(np.uint64)
    group <<= np.uint64(7 * place)
    words |= group


def _too_long() -> ValueError:
    return ValueError(f"a varint of more than {_LONGEST} bytes")


def _word(length: int) -> np.dtype[Any]:
    """The narrowest word that holds the first eight of ``length`` bytes."""
    return _WORDS[2 if length <= 2 else 4 if length <= 4 else 8]


def _fit(bits: int, word: np.dtype[Any]) -> np.unsignedinteger[Any]:
    """As many of the lowest bits as the word holds, as a number of its kind: numpy then keeps the words' own width."""
    fitted: np.unsignedinteger[Any] = word.type(bits & ((1 << 8 * word.itemsize) - 1))
    return fitted


def _squeeze(words: Words) -> None:
    """Closes the gaps between the groups of seven bits in each word, in place."""
    word = words.dtype
    for stay, shift in _SQUEEZE[: word.itemsize.bit_length() - 1]:
        moved = words & _fit(~stay, word)
        moved >>= word.type(shift)
        words &= _fit(stay, word)
        words |= moved


def write_varints(values: Values) -> bytes:
    """Packs integers or booleans as varints, negative ones as ten bytes.

    Args:
        values: ``[count]``, of any integer dtype or bool.
    """
    if values.size <= _FEW_VALUES:
        return b"".join(map(wire.write_varint, values.tolist()))
    if values.dtype == np.bool_ or (values.max() < 0x80 and values.min() >= 0):
        return values.astype(np.uint8).tobytes()
    return b"".join(_write_piece(values[at : at + _ROWS]) for at in range(0, values.size, _ROWS))


def _write_piece(values: Values) -> bytes:
    words = values.astype(np.int64).view(np.uint64)
    longest = (int(words.max()).bit_length() + 6) // 7 or 1
    lengths = np.ones(words.size, np.uint8)
    rows = np.empty((words.size, longest), np.uint8)
    for place in range(longest):
        rows[:, place] = words
        words >>= np.uint64(7)
        lengths += words != 0
    rows |= np.uint8(0x80)
    rows[np.arange(words.size), lengths - 1] &= np.uint8(0x7F)
    if lengths.min() == longest:
        return rows.tobytes()
    return rows[np.arange(longest) < lengths[:, None]].tobytes()
