"""Strings, ragged tensors and Unicode, by TensorFlow's own functions."""

from __future__ import annotations

import tensorflow as tf

from tests.zoo.kinds import Made, function, given, integers, kind, rows, spec

TEXTS = rows("Hello World", "a,b", "", "  größe ÄÖ  漢字 ", "one two  three", "ABC def 12.5")


@kind
def string_functions() -> Made:
    """Length, case, parts, joins, replacements, hashes, comparisons."""

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "bytes": tf.strings.length(s),
            "characters": tf.strings.length(s, "UTF8_CHAR"),
            "upper": tf.strings.upper(s),
            "lower": tf.strings.lower(s),
            "part": tf.strings.substr(s, 0, 3, "UTF8_CHAR"),
            "stripped": tf.strings.strip(s),
            "joined": tf.strings.join(["<", s, ">"]),
            "replaced": tf.strings.regex_replace(s, "[aeiou]+", "*"),
            "matches": tf.strings.regex_full_match(s, ".*o.*"),
            "first": tf.strings.regex_replace(s, "([a-z])", r"(\1)", replace_global=False),
            "fast": tf.strings.to_hash_bucket_fast(s, 1000),
            "strong": tf.strings.to_hash_bucket_strong(s, 1000, [3, 5]),
            "old": tf.compat.v1.string_to_hash_bucket(s, 1000),
            "base64": tf.io.encode_base64(s),
            "as_string": tf.strings.as_string(tf.strings.length(s), width=4, fill="0"),
            "equal": tf.equal(s, "a,b"),
            "reduced": tf.strings.reduce_join(s, 0, separator="|"),
        }

    return function(serve, [spec("string")], given(s=TEXTS))


@kind
def unicode_case() -> Made:
    """Upper and lower case of Unicode text."""

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"upper": tf.strings.upper(s, encoding="utf-8"), "lower": tf.strings.lower(s, encoding="utf-8")}

    return function(serve, [spec("string")], given(s=TEXTS))


@kind
def numbers_in_strings() -> Made:
    """Numbers to strings and back."""

    def serve(s: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "number": tf.strings.to_number(s),
            "integer": tf.strings.to_number(tf.strings.regex_replace(s, r"[.].*", ""), tf.int64),
            "bytes": tf.io.decode_raw(tf.strings.substr(tf.strings.join([s, "    "]), 0, 4), tf.uint8),
            "fixed": tf.strings.as_string(tf.cast(x, tf.float32) / 7.0, precision=3),
            "whole": tf.strings.as_string(x),
        }

    runs = given(s=rows("1.5", "-2.25", "7", "1000.0", "12.125", "0.5"), x=integers(-50, 50))
    return function(serve, [spec("string"), spec("int32")], runs)


@kind
def split_strings() -> Made:
    """Text split into ragged words: padded, counted, joined again."""

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        words = tf.strings.split(s)
        fields = tf.strings.split(s, ",")
        return {
            "padded": words.to_tensor("-"),
            "counts": words.row_lengths(),
            "joined": tf.strings.reduce_join(words, -1, separator="_"),
            "fields": fields.to_tensor(""),
            "flat": words.flat_values,
            "four": words.to_tensor("", shape=[None, 4]),
        }

    return function(serve, [spec("string")], given(s=TEXTS))


@kind
def ragged_numbers() -> Made:
    """Ragged sums, means, maxima, concatenations, slices and embeddings."""
    table = tf.Variable(tf.reshape(tf.range(40.0), [20, 2]) / 7.0)

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        lengths = tf.ragged.map_flat_values(tf.strings.length, tf.strings.split(s))
        floats = tf.cast(lengths, tf.float32)
        return {
            "sum": tf.reduce_sum(lengths, 1),
            "mean": tf.math.divide_no_nan(tf.reduce_sum(floats, 1), tf.cast(lengths.row_lengths(), tf.float32)),
            "most": tf.reduce_max(tf.concat([lengths, tf.ones_like(lengths)], 1).flat_values),
            "embedded": tf.reduce_sum(tf.ragged.map_flat_values(lambda ids: tf.gather(table, ids), lengths), 1),
            "doubled": (lengths * 2).to_tensor(-1),
            "first": lengths[:, :1].to_tensor(0),
            "ids": lengths.value_rowids(),
            "joined": tf.concat([lengths, lengths], 1).to_tensor(0),
        }

    return function(serve, [spec("string")], given(s=TEXTS), keep=[table])


@kind
def ragged_of_ragged() -> Made:
    """Text split into words and words into characters: two ragged dimensions, padded."""

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        letters = tf.strings.bytes_split(tf.strings.split(s))
        return {"letters": letters.to_tensor("."), "counts": letters.row_lengths(2).to_tensor(-1)}

    return function(serve, [spec("string")], given(s=TEXTS))


@kind
def ngrams() -> Made:
    """StringNGrams of words."""

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        words = tf.strings.split(s)
        return {
            "pairs": tf.strings.ngrams(words, 2).to_tensor(""),
            "padded": tf.strings.ngrams(words, (1, 3), separator="+", pad_values=("<", ">"), padding_width=1).to_tensor(
                ""
            ),
            "short": tf.strings.ngrams(words, 4, preserve_short_sequences=True).to_tensor(""),
        }

    return function(serve, [spec("string")], given(s=TEXTS))


@kind
def unicode_decode() -> Made:
    """UTF-8 to code points."""

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"points": tf.strings.unicode_decode(s, "UTF-8").to_tensor(-1)}

    return function(serve, [spec("string")], given(s=TEXTS))


@kind
def unicode_more() -> Made:
    """Code points to UTF-8, characters with their offsets, scripts, transcoding."""

    def serve(s: tf.Tensor) -> dict[str, tf.Tensor]:
        points, starts = tf.strings.unicode_decode_with_offsets(s, "UTF-8")
        return {
            "encoded": tf.strings.unicode_encode(points + 1, "UTF-8"),
            "starts": starts.to_tensor(-1),
            "scripts": tf.strings.unicode_script(points.flat_values),
            "characters": tf.strings.unicode_split(s, "UTF-8").to_tensor(""),
            "utf16": tf.strings.unicode_transcode(s, "UTF-8", "UTF-16-BE"),
        }

    return function(serve, [spec("string")], given(s=TEXTS))


@kind
def joined_segments() -> Made:
    """UnsortedSegmentJoin, as ragged joins of words become."""

    def serve(s: tf.Tensor, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "joined": tf.strings.unsorted_segment_join(s, ids, 4, separator="-"),
            "plain": tf.strings.unsorted_segment_join(s, ids, tf.reduce_max(ids) + 2),
        }

    return function(serve, [spec("string"), spec("int32")], given(s=TEXTS, ids=rows(2, 0, 2, 1, 0, 2, dtype="int32")))
