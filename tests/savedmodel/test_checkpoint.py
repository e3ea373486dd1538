"""A checkpoint's index is read as TensorFlow reads it; missing and short shards are named."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfkit.errors import ModelError
from tfkit.savedmodel.checkpoint import check_complete, read_index
from tfkit.tensors import DType

PREFIXES = ["two/variables/variables", "one/variables/variables", "checkpoint/model"]
BOOKKEEPING = "_CHECKPOINTABLE_OBJECT_GRAPH"


@pytest.fixture
def prefix(models, tmp_path):
    """A copy of a checkpoint, to be damaged."""
    shutil.copytree(models / "two" / "variables", tmp_path / "variables")
    return tmp_path / "variables" / "variables"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_variables_are_what_tensorflow_says(models, oracle, prefix):
    expected = {name: each for name, each in oracle["variables"][prefix].items() if name != BOOKKEEPING}
    found = {each.name: [each.dtype, list(each.shape)] for each in read_index(models / prefix)}
    assert found == expected
    assert list(found) == sorted(found)


def test_the_object_graph_is_no_variable(models, oracle):
    assert BOOKKEEPING in oracle["variables"]["two/variables/variables"]
    assert BOOKKEEPING not in {each.name for each in read_index(models / "two/variables/variables")}


def test_sizes_are_those_of_the_values(models):
    sizes = {each.name.split("/")[0]: each.size_bytes for each in read_index(models / "two/variables/variables")}
    # A string takes its length beside its bytes, and the tensor a checksum.
    assert sizes == {"weights": 784 * 10 * 4, "names": len("zeroone") + 2 + 4}


def test_a_partitioned_variable_is_one_of_the_size_of_its_slices(models):
    found = {each.name: each for each in read_index(models / "one/variables/variables")}
    assert (found["part/w"].shape, found["part/w"].size_bytes) == ((7, 2), 7 * 2 * 4)
    assert set(found) == {"part/w", "u"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_whole_checkpoints_are_complete(models, prefix):
    check_complete(models / prefix)


def test_a_shard_that_is_cut_off_is_named_with_both_sizes(prefix):
    shard = prefix.with_name("variables.data-00000-of-00001")
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ModelError, match=rf"data-00000-of-00001 has {size - 1} bytes, its index wants {size}"):
        check_complete(prefix)


def test_a_missing_shard_is_named(prefix):
    prefix.with_name("variables.data-00000-of-00001").unlink()
    with pytest.raises(ModelError, match="data-00000-of-00001 is missing"):
        check_complete(prefix)


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"variables\.index"):
        read_index(tmp_path / "variables")


def test_an_empty_index_is_refused(prefix):
    prefix.with_name("variables.index").write_bytes(b"")
    with pytest.raises(ModelError, match=r"variables\.index is empty"):
        read_index(prefix)


@pytest.mark.parametrize("read", [read_index, check_complete])
@pytest.mark.parametrize("name", PREFIXES[1:])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_index_gives_a_value_or_an_error(models, tmp_path_factory, read, name, data):
    damaged = bytearray((models / f"{name}.index").read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged)) | st.just(len(damaged))) :]
    folder = tmp_path_factory.getbasetemp() / "damaged_index"
    folder.mkdir(exist_ok=True)
    (folder / "model.index").write_bytes(damaged)
    try:
        read(folder / "model")
    except ModelError as error:
        named = str(folder) in error.message
    else:
        named = True
    assert named


def test_every_variable_has_a_known_dtype(models):
    assert {each.dtype for each in read_index(models / "checkpoint/model")} == {DType.FLOAT}
