"""Samples are read a row at a time: which rows are taken, and how much is held."""

import gzip
import tracemalloc
from collections import Counter

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tfkit.errors import InputError
from tfkit.inputs import Reading, parse_inputs, rows
from tfkit.inputs.rows import pick_rows
from tfkit.inputs.samples import MOST_ROWS, SampleMaker
from tfkit.inputs.tfrecord import write_records
from tfkit.tensors import DType, Signature, TensorSpec

MANY = 50_000
ONE_NUMBER = {"x": (DType.INT64, (None,))}
RANDOM = Reading(random=True)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The numbers below 50,000, a row each, in every kind of file that is read a row at a time."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "x.csv").write_text("x\n" + "\n".join(map(str, range(MANY))))
    (folder / "x.jsonl").write_text("\n".join(map(str, range(MANY))))
    (folder / "x.txt").write_text("\n".join(map(str, range(MANY))))
    pyarrow.parquet.write_table(pyarrow.table({"x": list(range(MANY))}), folder / "x.parquet")
    with (folder / "x.tfrecord").open("wb") as stream:
        write_records(stream, (str(number).encode() for number in range(MANY)))
    np.save(folder / "x.npy", np.arange(MANY))
    return folder


def spec_for(name):
    return {"x": (DType.STRING, (None,))} if name in ("x.txt", "x.tfrecord") else ONE_NUMBER


@pytest.mark.parametrize("reading", [Reading(), RANDOM], ids=["first", "random"])
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.txt", "x.parquet", "x.tfrecord"])
def test_only_the_rows_that_are_needed_are_held(many, make, name, reading):
    make(f"x=@{many / name}", inputs=spec_for(name), batch_size=1)  # what is imported does not count
    tracemalloc.start()
    array = make(f"x=@{many / name}", inputs=spec_for(name), batch_size=8, reading=reading)["x"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    numbers = [int(each) for each in array.tolist()]
    assert numbers == (pick_rows(MANY, 8, 0) if reading.random else list(range(8)))


def test_a_random_choice_is_the_same_in_every_kind_of_file(many, make):
    chosen = [
        [
            int(each)
            for each in make(f"x=@{many / name}", inputs=spec_for(name), batch_size=5, seed=3, reading=RANDOM)["x"]
        ]
        for name in ("x.csv", "x.parquet", "x.npy", "x.txt")
    ]
    assert chosen.count(chosen[0]) == len(chosen)
    assert chosen[0] == sorted(chosen[0])
    other = make(f"x=@{many}/x.npy", inputs=ONE_NUMBER, batch_size=5, seed=4, reading=RANDOM)["x"].tolist()
    assert other != chosen[0]


def test_each_row_is_as_likely_as_any_other():
    drawn = Counter(row for seed in range(3000) for row in pick_rows(10, 3, seed))
    assert set(drawn) == set(range(10))
    assert max(drawn.values()) - min(drawn.values()) < 180  # five standard deviations


def test_of_few_rows_a_random_choice_takes_all():
    assert pick_rows(3, 8, 0) == [0, 1, 2]


def test_whoever_waits_is_told_how_far_reading_is(many, make):
    told = []
    reading = Reading(random=True, tell=lambda *state: told.append(state))
    make(f"x=@{many}/x.csv", inputs=ONE_NUMBER, batch_size=1, reading=reading)
    shares = [done / total for _, done, total in told]
    assert len(told) > 5
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1
    assert {path for path, _, _ in told} == {many / "x.csv"}


def test_all_rows_of_a_long_file_are_one_array(many, make):
    array = make(f"x=@{many}/x.csv", inputs=ONE_NUMBER)["x"]
    assert array.dtype == np.int64
    assert (array == np.arange(MANY)).all()


def test_records_that_unpack_to_too_much_are_refused_before_they_fill_memory(tmp_path, make, monkeypatch):
    """Ten million bytes each, of next to nothing; the limit is made small, for the test's own sake."""
    monkeypatch.setattr(rows, "MAX_MESSAGE_BYTES", 30_000_000)
    with gzip.open(tmp_path / "x.tfrecord.gz", "wb", compresslevel=1) as stream:
        write_records(stream, [bytes(10_000_000)] * 10)
    tracemalloc.start()
    with pytest.raises(InputError, match="more for input 'x' than a request can"):
        make(f"x=@{tmp_path}/x.tfrecord.gz", inputs=spec_for("x.tfrecord"))
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()


def test_export_and_verify_see_how_many_rows_a_table_has(many):
    signature = Signature("predict", (TensorSpec("x", *ONE_NUMBER["x"]),), ())
    maker = SampleMaker(signature, {}, options=parse_inputs([f"@{many}/x.parquet"]))
    assert maker.rows == MANY
    assert maker.make(3)["x"].tolist() == [0, 1, 2]
    assert maker.describe(MOST_ROWS) == f"first {MOST_ROWS} of {MANY} rows"
