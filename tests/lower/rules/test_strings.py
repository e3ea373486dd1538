"""Functions of texts that TensorFlow 1.12 lacks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove, Prover
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
OLD = (OLDEST, "tensorflow_cpu_1.14")
TEXTS = np.array([b"Ab Zz a_C d", b"", "\xc4\xd6 x".encode(), b"one", b"one two"], object)
WIDE = "a\u00e9\u20ac\U0001f600"


def cases(tf, texts):
    return tf.strings.lower(texts), tf.strings.upper(texts)


def cases_of_all_letters(tf, texts):
    return tf.strings.lower(texts, encoding="utf-8")


def numbers(tf, small, half):
    return tf.strings.as_string(small), tf.strings.as_string(half, precision=2), tf.strings.as_string(small, width=5)


def grams(tf, texts):
    words = tf.strings.split(texts)
    results = [
        tf.strings.ngrams(words, 2),
        tf.strings.ngrams(words, (1, 2, 3), separator=""),
        tf.strings.ngrams(words, 3, pad_values=("<", ">")),
        tf.strings.ngrams(words, (3, 5), pad_values="-", padding_width=1),
        tf.strings.ngrams(words, 3, preserve_short_sequences=True),
        tf.strings.ngrams(
            words, (5, 6), separator="+", pad_values=("<", ">"), padding_width=1, preserve_short_sequences=True
        ),
    ]
    return [part for each in results for part in (each.values, each.row_splits)]


def joined(tf, texts, numbers):
    table = tf.stack([texts, tf.strings.upper(texts)], axis=1)
    return (
        tf.strings.unsorted_segment_join(texts, numbers, 5, separator="|"),
        tf.strings.unsorted_segment_join(table, tf.stack([numbers, numbers], axis=1), 4),
        tf.strings.reduce_join(tf.strings.split(texts), axis=-1, separator=" & "),
    )


def test_the_case_of_ascii(prove: Prove):
    prove(cases, [TEXTS], [TEXTS[:0]])


def test_the_case_of_other_letters_is_refused(prover: Prover, tmp_path):
    problem = prover.rewritten(tmp_path, cases_of_all_letters, ("string", (None,))).problems[0]
    assert "letters beyond ASCII" in problem.refusal


def test_small_numbers_are_written(prove: Prove):
    prove(numbers, [np.array([3, 250], "u1"), np.array([0.5, -1.25], "f2")], [np.zeros(0, "u1"), np.zeros(0, "f2")])


def test_ngrams(prove: Prove):
    prove(grams, [TEXTS], [TEXTS[1:2]], [TEXTS[:0]], processors=OLD)


def grams_of_rows(tf, texts, splits):
    ways = [{"ngram_widths": [2], "pad_width": -1}, {"ngram_widths": [1, 3], "pad_width": 0}]
    given = {"separator": "", "left_pad": "<", "right_pad": ">", "preserve_short_sequences": False}
    return [part for way in ways for part in tf.raw_ops.StringNGrams(data=texts, data_splits=splits, **given, **way)]


def test_ngrams_of_rows_without_tokens(prove: Prove):
    """The kernel of 1.15 takes what is behind them for their number."""
    calls = [[TEXTS[:3], np.array(splits)] for splits in ([0, 0, 2, 2, 3, 3], [0, 1, 3])]
    prove(grams_of_rows, *calls, [TEXTS[:0], np.array([0, 0])], [TEXTS[:0], np.array([0])], processors=CPU_PROCESSORS)


def test_texts_are_joined_by_segment(prove: Prove):
    prove(joined, [TEXTS, np.array([2, 0, 2, 3, 0])], [TEXTS[:0], np.zeros(0, int)], processors=OLD)
