"""``tfkit.lower.rules.lists``: lists of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove, Prover
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(4)


def floats(*shape: int) -> Any:
    return RANDOM.random(shape, np.float32)


def running_sum(tf: Any, x: Any) -> Any:
    """What recurrent layers do: rows in, rows out."""
    rows = tf.TensorArray(tf.float32, tf.shape(x)[1]).unstack(tf.transpose(x, [1, 0, 2]))
    sums = tf.TensorArray(tf.float32, tf.shape(x)[1])

    def turn(at: Any, total: Any, sums: Any) -> Any:
        total = total + rows.read(at)
        return at + 1, total, sums.write(at, total)

    start = tf.zeros([tf.shape(x)[0], tf.shape(x)[2]])
    total, sums = tf.while_loop(lambda at, *_: at < tf.shape(x)[1], turn, [tf.constant(0), start, sums])[1:]
    return total, sums.stack()


def test_a_loop_reads_and_fills_lists(prove: Prove) -> None:
    calls = [(floats(rows, turns, 3),) for rows, turns in ((1, 1), (2, 5))]
    done = prove(running_sum, *calls)
    assert done.applied["TensorListReserve"] == 2


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, object])
def test_elements_of_any_dtype(prove: Prove, dtype: Any) -> None:
    calls = [(floats(size, 3).astype(dtype) if dtype is not object else np.full((size, 3), b"text", object),)
             for size in (2, 4)]  # fmt: skip
    prove(reversed_rows, *calls)


def reversed_rows(tf: Any, x: Any) -> Any:
    return tf.map_fn(lambda row: tf.reverse(row, [0]), x), tf.scan(lambda before, row: row, x)


def growing(tf: Any, x: Any) -> Any:
    """Writes behind the end of a list and before it, reads some, joins them."""
    array = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[3], clear_after_read=False)
    array = array.unstack(x).write(tf.shape(x)[0], x[0] * 2)
    array = array.scatter([tf.shape(x)[0] + 1, 1], x[:2] + 1)
    return array.stack(), array.gather([1, 0]), array.concat(), array.size(), array.read(1)


def splitting(tf: Any, x: Any) -> Any:
    array = tf.TensorArray(tf.float32, 2, infer_shape=False).split(x, [tf.shape(x)[0] - 1, 1])
    return array.read(0), array.read(1), array.concat()


@pytest.mark.parametrize("function", [growing, splitting])
def test_what_else_arrays_do(prove: Prove, function: Any) -> None:
    prove(function, *[(floats(size, 3),) for size in (2, 4)], processors=CPU_PROCESSORS)


def partly_written(tf: Any, x: Any, count: Any) -> Any:
    """What a decoder does that stops early: the shape of what it writes is not known in full."""

    def first_rows(shape: Any) -> Any:
        array = tf.TensorArray(tf.float32, tf.shape(x)[1], element_shape=shape)
        turns = (lambda at, _: at < count), (lambda at, array: (at + 1, array.write(at + 1, x[:, at])))
        return tf.while_loop(*turns, [tf.constant(0), array])[1]

    unknown, known = first_rows(None), first_rows([None, 3])
    read = tf.TensorArray(tf.float32, 4, element_shape=[None, 3], clear_after_read=False).write(1, x[:, 0])
    return unknown.stack(), known.stack(), known.gather([0, 1]), known.read(0), read.read(1), read.read(3)


def test_elements_that_nobody_set_are_zeros_like_the_others(prove: Prove) -> None:
    calls = [(floats(rows, turns, 3), np.int32(count)) for rows, turns, count in ((1, 4, 1), (2, 5, 3), (0, 3, 2))]
    prove(partly_written, *calls)


def different(tf: Any, x: Any) -> Any:
    array = tf.TensorArray(tf.float32, 2, infer_shape=False)
    return array.write(0, x).write(1, x[:1]).stack()


def test_elements_of_different_shapes_are_no_rows(prover: Prover, tmp_path: Path) -> None:
    prover.fails(tmp_path, different, (floats(2, 3),), match="shapes", shapes=[(None, 3)])


def shrinking(tf: Any, x: Any) -> Any:
    raw = tf.raw_ops
    handle = raw.TensorListFromTensor(tensor=x, element_shape=tf.constant([3]))
    handle = raw.TensorListResize(input_handle=handle, size=tf.shape(x)[0] - 1)
    handle = raw.TensorListPushBack(input_handle=handle, tensor=x[0] * 2)
    handle, last = raw.TensorListPopBack(input_handle=handle, element_shape=tf.constant([3]), element_dtype=tf.float32)
    handle = raw.TensorListPushBack(input_handle=handle, tensor=last + 1)
    handle = raw.TensorListScatterIntoExistingList(input_handle=handle, tensor=x[:1], indices=[0])
    other = raw.TensorListScatterV2(
        tensor=x, indices=tf.range(tf.shape(x)[0])[::-1], element_shape=[3], num_elements=-1
    )
    stack = raw.TensorListStack
    return [stack(input_handle=each, element_shape=[3], element_dtype=tf.float32) for each in (handle, other)]


def test_lists_are_values(prove: Prove) -> None:
    prove(shrinking, *[(floats(size, 3),) for size in (2, 4)])


def list_of_lists(tf: Any, x: Any) -> Any:
    raw = tf.raw_ops
    inner = raw.TensorListFromTensor(tensor=x, element_shape=tf.constant([3]))
    outer = raw.TensorListReserve(element_shape=tf.constant([], tf.int32), num_elements=2, element_dtype=tf.variant)
    outer = raw.TensorListSetItem(input_handle=outer, index=0, item=inner)
    item = raw.TensorListGetItem(
        input_handle=outer, index=0, element_shape=tf.constant([], tf.int32), element_dtype=tf.variant
    )
    return raw.TensorListStack(input_handle=item, element_shape=[3], element_dtype=tf.float32)


def test_lists_of_lists_are_refused(prover: Prover, tmp_path: Path) -> None:
    done = prover.rewritten(tmp_path, list_of_lists, ("float32", (None, 3)))
    assert [problem.refusal for problem in done.problems] == ["the elements of the list are variants themselves"]
