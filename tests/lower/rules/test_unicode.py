"""Characters of UTF-8, computed from bytes on TensorFlow 1.12."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import Prove, Prover

pytestmark = pytest.mark.network
TEXTS = np.array(
    ["a\u00e9\u20ac\U0001f600!".encode(), b"", b"plain\x01\t", "\u07ff\u0800\uffff\U00010000\U0010ffff".encode()],
    object,
)
# Bytes that begin nothing, end too early, are too many for their number, or stand for no character.
ERRORS = np.array(
    [
        b"\x80a\xff",
        b"\xc3",
        b"\xe2\x82a",
        b"\xf0\x9f\x98",
        b"\xc0\xafz",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf1\x80\xc3\xa9",
    ],
    object,
)


def decoded(tf, texts):
    points = tf.strings.unicode_decode(texts, "UTF-8")
    with_offsets = tf.strings.unicode_decode_with_offsets(texts, "UTF-8", replacement_char=63)
    narrow = tf.raw_ops.UnicodeDecode(
        input=texts, input_encoding="UTF-8", Tsplits=tf.int32, errors="ignore", replace_control_characters=True
    )
    table = tf.strings.unicode_decode(tf.stack([texts, texts]), "UTF-8", replace_control_characters=True)
    offsets = [with_offsets[0].values, with_offsets[1].values, with_offsets[1].row_splits]
    return [points.values, points.row_splits, *offsets, *narrow, table.flat_values, table.values.row_splits]


def encoded(tf, texts):
    characters = tf.strings.unicode_split(texts, "UTF-8")
    points = tf.strings.unicode_decode(texts, "UTF-8")
    odd = tf.RaggedTensor.from_row_lengths(tf.constant([0xD800, 65, -1, 0x110000, 0xFDD0, 66]), [4, 0, 2])
    return (
        characters.values,
        characters.row_splits,
        tf.strings.unicode_encode(points + 1, "UTF-8"),
        tf.strings.unicode_encode(odd, "UTF-8", replacement_char=63),
        tf.strings.unicode_encode(odd, "UTF-8", errors="ignore"),
        tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8"),
        tf.strings.unicode_transcode(texts, "UTF-8", "UTF-16-BE"),
        tf.strings.unicode_encode(points, "UTF-16-BE"),
        tf.strings.unicode_encode(points, "UTF-32-BE"),
        tf.strings.unicode_transcode(tf.stack([texts, texts]), "UTF-8", "UTF-8", errors="ignore"),
    )


def cut(tf, texts, positions):
    return (
        tf.strings.substr(texts, 1, 2, unit="UTF8_CHAR"),
        tf.strings.substr(texts, -2, 1, unit="UTF8_CHAR"),
        tf.strings.substr(tf.stack([texts, texts]), [1], [9], unit="UTF8_CHAR"),
        tf.strings.substr(texts, positions, positions + 1, unit="UTF8_CHAR"),
    )


def from_utf16(tf, texts):
    return tf.strings.unicode_transcode(texts, "UTF-16-BE", "UTF-8")


@pytest.mark.parametrize("function", [decoded, encoded])
def test_characters_and_errors(prove: Prove, function):
    prove(function, [TEXTS], [ERRORS], [TEXTS[:0]], [TEXTS[1:2]])


def test_texts_are_cut_between_characters(prove: Prove):
    texts = np.array(["\u00e9\u20ac\U0001f600!".encode(), b"ab", "a\u00e9\u00e9\u00e9".encode()], object)
    prove(cut, [texts, np.array([0, 2, 3], "i")], [texts[:0], np.zeros(0, "i")])


def test_other_encodings_are_refused(prover: Prover, tmp_path):
    problem = prover.rewritten(tmp_path, from_utf16, ("string", (None,))).problems[0]
    assert "in UTF-16-BE, not UTF-8" in problem.refusal
