"""``tfkit.lower.rules.tensor_scatter``: tensors with some of their rows changed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove, Prover
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(7)
OF_TENSORFLOW_1 = [name for name in CPU_PROCESSORS if "cpu_1" in name]


def all_ways(tf: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    given = {"tensor": tensor, "indices": indices, "updates": updates}
    ways = ["Add", "Sub", "Update", "Max", "Min"]
    return [getattr(tf.raw_ops, f"TensorScatter{way}")(**given) for way in ways]


def update(tf: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    return tf.tensor_scatter_nd_update(tensor, indices, updates)


def call(shape: tuple[int, ...], depth: int, count: int, dtype: str) -> tuple[Any, Any, Any]:
    chosen = RANDOM.permutation(int(np.prod(shape[:depth])))[:count]
    indices = np.stack(np.unravel_index(chosen, shape[:depth]), -1)
    tensor, updates = (RANDOM.integers(-9, 9, size) for size in (shape, (count, *shape[depth:])))
    return tensor.astype(dtype), indices, updates.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_rows_and_single_numbers(prove: Prove, dtype: str, depth: int) -> None:
    calls = [call((size, 3, 2), depth, size, dtype) for size in (2, 5)]
    prove(all_ways, *calls, processors=OF_TENSORFLOW_1)


def test_the_last_of_several_updates_stays(prove: Prove) -> None:
    calls = [(RANDOM.random((size, 2)), np.array([[0], [1], [0]]), RANDOM.random((3, 2))) for size in (2, 5)]
    prove(update, *calls)


def test_strings_and_truths(prove: Prove) -> None:
    words = np.array([b"a", b"b", b"c"], object)
    calls = [(words, np.array([[2]]), words[:1]), (words[:2], np.array([[0]]), words[1:2])]
    prove(update, *calls, processors=OF_TENSORFLOW_1)


@pytest.mark.parametrize("dtype", ["float32", "object"])
def test_no_updates_and_no_rows(prove: Prove, dtype: str) -> None:
    tensor = np.array([[b"a", b"b"], [b"c", b"d"]], object) if dtype == "object" else np.ones((2, 2), dtype)
    calls = [
        (tensor[:rows], np.zeros((count, 1), np.int64), tensor[:count]) for rows, count in ((2, 0), (0, 0), (2, 1))
    ]
    prove(update, *calls, processors=OF_TENSORFLOW_1)


def extremes(tf: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    return tf.tensor_scatter_nd_max(tensor, indices, updates), tf.tensor_scatter_nd_min(tensor, indices, updates)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_extremes_of_what_is_no_number(prove: Prove, dtype: str) -> None:
    """What is NaN stays, and is put nowhere; infinities are numbers like others."""
    tensor = np.array([np.nan, 1, 1, np.nan, 2, -np.inf, np.inf, -np.inf, -np.inf, np.inf], dtype)
    indices = np.array([[0], [1], [1], [2], [2], [3], [4], [5], [6], [7], [8]])
    updates = np.array([3, np.nan, 5, 5, np.nan, np.nan, np.nan, -np.inf, np.inf, np.nan, 7], dtype)
    prove(extremes, (tensor, indices, updates), (tensor, indices[:3], updates[:3]), processors=OF_TENSORFLOW_1)


def one_way(way: str, tf: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    return getattr(tf.raw_ops, f"TensorScatter{way}")(tensor=tensor, indices=indices, updates=updates)


@pytest.mark.parametrize("way", ["Update", "Max", "Add"])
@pytest.mark.parametrize("place", [(0, 2), (2, 0), (0, -1), (-1, 0)])
def test_an_index_that_is_not_there_is_an_error(
    prover: Prover, tmp_path: Path, way: str, place: tuple[int, int]
) -> None:
    """Even where another row has the number that it would have if the axes were one."""
    call = (np.zeros((2, 2), np.float32), np.array([place]), np.ones(1, np.float32))
    prover.fails(tmp_path, partial(one_way, way), call, match="ndices")
