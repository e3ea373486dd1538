"""What a service answered, as JSON and as npz."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tfkit.arrays import NUMPY_DTYPES
from tfkit.client.results import json_values, outputs_json, save_npz
from tfkit.errors import InputError, UsageError
from tfkit.inputs import make_inputs, parse_inputs
from tfkit.tensors import DType, Signature, TensorSpec


class TestJson:
    def test_form(self) -> None:
        """Programs rely on it."""
        text = outputs_json({"y": np.array([[1, 2]], np.int8), "s": np.array(b"a", dtype=object)})
        assert json.loads(text) == {
            "outputs": {
                "s": {"dtype": "DT_STRING", "shape": [], "values": "a"},
                "y": {"dtype": "DT_INT8", "shape": [1, 2], "values": [[1, 2]]},
            }
        }
        assert text.index('"s"') < text.index('"y"')

    def test_row_is_a_line(self) -> None:
        assert len(outputs_json({"y": np.zeros((50, 7))}).splitlines()) == 54

    @pytest.mark.parametrize("outputs", [{}, {"y": np.zeros(0)}, {"y": np.zeros((2, 0))}, {"y": np.zeros((0, 3))}])
    def test_nothing_is_json_as_well(self, outputs: dict[str, Any]) -> None:
        parsed = json.loads(outputs_json(outputs))["outputs"]
        assert {name: item["values"] for name, item in parsed.items()} == {
            name: array.tolist() for name, array in outputs.items()
        }

    @pytest.mark.parametrize(
        ("array", "values"),
        [
            (np.array([0.1, 1e-7, 2], np.float32), [0.1, 1e-7, 2.0]),
            (np.array([0.1, 65504], np.float16), [0.099975586, 65504.0]),
            (np.array([0.5, 3], ml_dtypes.bfloat16), [0.5, 3.0]),
            (np.array([0.1, 1 / 3]), [0.1, 1 / 3]),
            (np.array([np.nan, np.inf, -np.inf], np.float32), ["NaN", "Infinity", "-Infinity"]),
            (np.array([2**63 - 1, -(2**63)]), [2**63 - 1, -(2**63)]),
            (np.array([1 + 2j, -0.5j], np.complex64), ["1+2j", "-0-0.5j"]),
            (np.array([True, False]), [True, False]),
            (np.array(["é".encode(), b"\xff", b""], dtype=object), ["é", {"b64": "/w=="}, ""]),
            (np.array([-5, 5], np.int8).view(NUMPY_DTYPES[DType.QINT8]), [-5, 5]),
        ],
    )
    def test_every_dtype_has_a_form(self, array: Any, values: list[Any]) -> None:
        assert json_values(array) == values
        json.dumps(json_values(array), allow_nan=False)

    def test_short_floats_are_the_same_floats(self) -> None:
        numbers = np.random.default_rng(0).normal(size=10_000).astype(np.float32) ** 9
        assert np.array_equal(np.array(json_values(numbers), dtype=np.float32), numbers)


class TestNpz:
    def test_numpy_reads_it_back_without_pickle(self, tmp_path: Path) -> None:
        outputs: dict[str, Any] = {
            "scores": np.arange(6, dtype=np.float32).reshape(2, 3),
            "file": np.array([b"a", b"long"], dtype=object),
            "a/b:0": np.array(7),
            "empty": np.zeros((0, 3), np.int64),
        }
        save_npz(tmp_path / "o.npz", outputs)
        with np.load(tmp_path / "o.npz", allow_pickle=False) as saved:
            assert set(saved.files) == set(outputs)
            for name, array in outputs.items():
                assert saved[name].tolist() == array.tolist()
        assert [path.name for path in tmp_path.iterdir()] == ["o.npz"]

    def test_it_can_be_an_input_again(self, tmp_path: Path) -> None:
        """Also where numpy's files know a dtype only by its size."""
        held = np.array([[0.5, 3]], ml_dtypes.bfloat16)
        save_npz(tmp_path / "o.npz", {"x": held})
        signature = Signature("s", (TensorSpec("x", DType.BFLOAT16, (None, 2)),), ())
        made = make_inputs(parse_inputs([f"@{tmp_path / 'o.npz'}"]), signature)
        assert made["x"].dtype == held.dtype
        assert made["x"].tolist() == held.tolist()

    def test_file_that_is_there_is_kept_unless_forced(self, tmp_path: Path) -> None:
        path = tmp_path / "o.npz"
        path.write_bytes(b"mine")
        with pytest.raises(UsageError, match="exists already"):
            save_npz(path, {"y": np.zeros(1)})
        assert path.read_bytes() == b"mine"
        save_npz(path, {"y": np.zeros(1)}, force=True)
        assert path.read_bytes() != b"mine"

    def test_strings_that_a_file_cannot_keep_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"'s'.*NUL"):
            save_npz(tmp_path / "o.npz", {"s": np.array([b"a\0"], dtype=object)})
        assert not list(tmp_path.iterdir())

    def test_link_is_followed_and_pipe_is_kept(self, tmp_path: Path) -> None:
        link, pipe = tmp_path / "link.npz", tmp_path / "pipe.npz"
        link.symlink_to(tmp_path / "o.npz")
        os.mkfifo(pipe)
        save_npz(link, {"y": np.zeros(1)})
        assert link.is_symlink()
        assert np.load(tmp_path / "o.npz")["y"].tolist() == [0]
        with pytest.raises(InputError, match="no regular file"):
            save_npz(pipe, {"y": np.zeros(1)}, force=True)
        assert pipe.is_fifo()
