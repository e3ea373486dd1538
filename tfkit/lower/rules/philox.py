"""Whole random numbers that follow from a seed, where TensorFlow draws floats alone: its generator, Philox, as nodes.

Philox is that of J. Salmon and others, "Parallel random numbers: as easy as 1, 2, 3" (2011), with 4 words of 32 bits
and 10 rounds; words are kept in int64 here.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas, Value
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_WORD = 2**32 - 1
_ROUNDS = 10
_FACTORS = (0xD2511F53, 0xCD9E8D57)
_STEPS = (0x9E3779B9, 0xBB67AE85)  # from one round's key to the next's
_SEED_KEY = (0x3EC8F720, 0x02461E29)  # what TensorFlow stirs seeds with
_WORDS = 4
_SIGNED = {DType.UINT32: DType.INT32, DType.UINT64: DType.INT64}


@rule("StatelessRandomUniformInt", makes="Philox in int64", misfit="op")
def draw_within(edit: Edit) -> None:
    """The remainders of drawn bits, added to the least."""
    shape, seed, low, high = edit.node.inputs
    dtype = edit.dtype(low)
    drawn = _draw(edit, seed, edit.reduce("Prod", shape, (0,)), wide=dtype is DType.INT64)
    low, high = edit.cast(low, DType.INT64), edit.cast(high, DType.INT64)
    count = edit.binary("Sub", high, low)
    if dtype is DType.INT64:  # both as unsigned
        bits = [edit.add("Bitcast", (each,), T=DType.INT64, type=DType.UINT64) for each in (drawn, count)]
        rest = edit.add("Bitcast", (edit.binary("FloorMod", *bits),), T=DType.UINT64, type=DType.INT64)
    else:
        rest = edit.binary("FloorMod", drawn, count)
    numbers = edit.cast(edit.binary("Add", rest, low), dtype)
    edit.become("Reshape", (numbers, shape), T=dtype, Tshape=edit.dtype(shape))


@rule("StatelessRandomUniformFullInt", makes="Philox in int64", misfit="op")
def draw_bits(edit: Edit) -> None:
    """All bits as they are drawn."""
    shape, seed = edit.node.inputs
    dtype = edit.dtype(edit.node.out())
    signed = _SIGNED.get(dtype, dtype)
    drawn = _draw(edit, seed, edit.reduce("Prod", shape, (0,)), wide=signed is DType.INT64)
    numbers = edit.reshape(edit.cast(drawn, signed), shape)
    if signed is dtype:
        edit.become_identity(numbers)
    else:
        edit.become("Bitcast", (numbers,), T=signed, type=dtype)


def _draw(edit: Edit, seed: Tensor, count: Tensor, *, wide: bool) -> Tensor:
    """So many numbers of 32 bits, or of 64, as a vector of int64."""
    maths = Formulas(edit, DType.INT64)
    seed, count = edit.cast(seed, DType.INT64), edit.cast(count, DType.INT64)
    halves = [(_low(maths, each), _high(maths, each)) for each in (edit.part(seed, 0, 1), edit.part(seed, 1, 2))]
    mixed = _philox(maths, [*halves[0], *halves[1]], _SEED_KEY)
    at_once = _WORDS // 2 if wide else _WORDS
    turns = maths.do("FloorDiv", maths.do("Add", count, at_once - 1), at_once)
    turn = edit.range_of(turns)
    nothing = edit.add("ZerosLike", (turn,), T=DType.INT64)
    stream = [edit.binary("Add", nothing, each) for each in mixed[2:]]
    words = _philox(maths, [_low(maths, turn), _high(maths, turn), *stream], mixed[:2])
    if wide:
        words = [maths.do("Add", words[at], maths.do("Mul", words[at + 1], 2**32)) for at in (0, 2)]
    drawn = edit.reshape(edit.pack(words, axis=1), [-1])
    size = edit.expand_dims(count, 0)
    return edit.add("Slice", (drawn, edit.const([0], DType.INT64), size), T=DType.INT64, Index=DType.INT64)


def _philox(maths: Formulas, counter: Sequence[Tensor], key: Sequence[Value]) -> list[Tensor]:
    """The four words that a counter of four words gives with a key of two."""
    words, keys = list(counter), list(key)
    for turn in range(_ROUNDS):
        if turn:
            keys = [_low(maths, maths.do("Add", each, step)) for each, step in zip(keys, _STEPS, strict=True)]
        first, second = (maths.do("Mul", words[at], factor) for at, factor in zip((0, 2), _FACTORS, strict=True))
        words = [
            maths.do("BitwiseXor", maths.do("BitwiseXor", _high(maths, second), words[1]), keys[0]),
            _low(maths, second),
            maths.do("BitwiseXor", maths.do("BitwiseXor", _high(maths, first), words[3]), keys[1]),
            _low(maths, first),
        ]
    return words


def _low(maths: Formulas, number: Value) -> Tensor:
    """The lower word of a number."""
    return maths.do("BitwiseAnd", number, _WORD)


def _high(maths: Formulas, number: Value) -> Tensor:
    """The upper word of a number."""
    return _low(maths, maths.do("RightShift", number, 32))
