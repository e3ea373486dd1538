"""Lookup tables that old TensorFlows know by other names or fill otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.lower.rules.proof import OLDEST, Prove, Prover

pytestmark = pytest.mark.network
WORDS = np.array([b"b", b"", b"zz", b"d e"], object)


def from_file(tf, words, filename):
    table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="numbers")
    back = tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.string, shared_name="words")
    file = tf.raw_ops.InitializeTableFromTextFileV2
    file(table_handle=table, filename=filename, key_index=-2, value_index=-1, offset=2)
    file(table_handle=back, filename=filename, key_index=-1, value_index=-2, offset=5, vocab_size=3)
    find = tf.raw_ops.LookupTableFindV2
    numbers = find(table_handle=table, keys=words, default_value=tf.constant(-1, tf.int64))
    return numbers, find(table_handle=back, keys=numbers + 3, default_value="?")


def from_columns(tf, words, filename):
    table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="numbers")
    file = tf.raw_ops.InitializeTableFromTextFileV2
    file(table_handle=table, filename=filename, key_index=0, value_index=-1, offset=2)
    return tf.raw_ops.LookupTableFindV2(table_handle=table, keys=words, default_value=tf.constant(-1, tf.int64))


def inserted(tf, words):
    dense = tf.raw_ops.MutableDenseHashTableV2(
        empty_key="<empty>", deleted_key="<deleted>", value_dtype=tf.int64, value_shape=[], shared_name="dense"
    )
    anonymous = tf.raw_ops.AnonymousMutableHashTable(key_dtype=tf.string, value_dtype=tf.int64)
    results = []
    for table in (dense, anonymous):
        lengths = tf.cast(tf.strings.length(words), tf.int64)
        tf.raw_ops.LookupTableInsertV2(table_handle=table, keys=words, values=lengths)
        asked = tf.concat([words, ["other"]], 0)
        find = tf.raw_ops.LookupTableFindV2
        results.append(find(table_handle=table, keys=asked, default_value=tf.constant(-1, tf.int64)))
    return results


@pytest.fixture
def file(tmp_path: Path) -> np.ndarray:
    path = tmp_path / "words.txt"
    path.write_bytes(b"a\nb\r\nc\nd e\n")
    return np.array(str(path).encode(), object)


def test_lines_are_numbered_from_an_offset(prove: Prove, file: np.ndarray):
    processors = (OLDEST, "tensorflow_cpu_1.15", "tensorflow_cpu_2.4")
    # One call: a table is filled once.
    prove(from_file, [WORDS, file], shapes=[(None,), ()], processors=processors, inside=False)


def test_columns_with_an_offset_are_refused(prover: Prover, tmp_path: Path):
    problem = prover.rewritten(tmp_path, from_columns, ("string", (None,)), ("string", ())).problems[0]
    assert "column of the file" in problem.refusal


def test_tables_that_grow(prove: Prove):
    prove(inserted, [WORDS], [WORDS[:0]], inside=False)
