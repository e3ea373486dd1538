"""Parquet files as samples."""

import subprocess
import sys
from decimal import Decimal

import pyarrow
import pyarrow.parquet
import pytest

from tfkit.errors import InputError, SignatureError
from tfkit.tensors import DType


@pytest.fixture
def table(tmp_path):
    """Writes a table and gives its path."""

    def write(**columns):
        path = tmp_path / "x.parquet"
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        return path

    return write


def test_columns_of_values_and_of_lists_are_taken_by_name(table, make):
    path = table(
        word=["a", "b"],
        raw=[b"\xff", b""],
        age=pyarrow.array([1, 2], pyarrow.uint8()),
        pixels=[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]],
        label=[0, 1],
    )
    inputs = {
        "word": (DType.STRING, (None,)),
        "raw": (DType.STRING, (None, 1)),
        "age": (DType.INT64, (None,)),
        "pixels": (DType.FLOAT, (None, 2, 2)),
    }
    arrays = make(f"@{path}", inputs=inputs)
    assert arrays["word"].tolist() == [b"a", b"b"]
    assert arrays["raw"].tolist() == [[b"\xff"], [b""]]
    assert arrays["age"].tolist() == [1, 2]
    assert arrays["pixels"][1].tolist() == [[5, 6], [7, 8]]
    assert make(f"x=@{path}:pixels", inputs={"x": (DType.HALF, (None, 4))}, batch_size=1)["x"].shape == (1, 4)


def test_decimal_numbers_are_numbers(table, make):
    path = table(x=pyarrow.array([Decimal("0.10"), Decimal("2.00")]))
    assert make(f"x=@{path}", inputs={"x": (DType.DOUBLE, (None,))})["x"].tolist() == [0.1, 2]
    assert make(f"x=@{path}", inputs={"x": (DType.FLOAT, (None,))})["x"].tolist() == pytest.approx([0.1, 2])
    with pytest.raises(SignatureError, match=r"row 1: input 'x' holds 0\.1: expected int64"):
        make(f"x=@{path}", inputs={"x": (DType.INT64, (None,))})


def test_all_columns_are_a_row_of_the_only_input(table, make):
    path = table(a=[1, 2], b=[0.5, 1.5])
    assert make(f"@{path}")["x"].tolist() == [[1, 0.5], [2, 1.5]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1.0, None]}, "row 2: column 'x' has no value"),
        ({"x": [[1.0], [None]]}, "row 2: column 'x' has no value"),
        ({"x": ["a", "b"]}, "row 1: input 'x' holds 'a'"),
        ({"x": [{"y": 1}]}, "row 1: input 'x' holds"),
        ({"a": [1], "b": [2]}, "no column 'x'"),
        ({"x": pyarrow.array([], pyarrow.float32())}, "holds no rows"),
    ],
)
def test_what_is_wrong_is_told_with_row_and_column(table, make, columns, message):
    with pytest.raises(InputError, match=message):
        make(f"x=@{table(**columns)}", inputs={"x": (DType.FLOAT, (None,))})


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, -4])
def test_a_damaged_file_is_an_input_error(table, make, keep):
    path = table(x=[1.0] * 1000)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match="no Parquet file"):
        make(f"x=@{path}")


def test_damaged_values_are_an_input_error(table, make):
    path = table(x=[float(number) for number in range(1000)])
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    with pytest.raises(InputError):
        make(f"x=@{path}", inputs={"x": (DType.FLOAT, (None,))})


def test_a_missing_file_is_an_input_error(tmp_path, make):
    with pytest.raises(InputError, match="does not exist"):
        make(f"x=@{tmp_path}/none.parquet")


def test_a_table_without_any_input_is_a_signature_error(table, make):
    with pytest.raises(SignatureError, match="no column for any input"):
        make(f"@{table(a=[1])}", inputs={"x": (DType.FLOAT, (None,)), "y": (DType.FLOAT, (None,))})


def test_without_pyarrow_the_error_says_what_to_install(table):
    """In a process that cannot import it."""
    code = f"""
import sys
sys.modules["pyarrow"] = None
from tfkit.errors import MissingError
from tfkit.inputs import parse_inputs, signature_of
try:
    signature_of(parse_inputs(["x=@{table(x=[1.0])}"]))
except MissingError as error:
    assert "tfkit-serving[parquet]" in error.hint
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
