"""The report of a whole model."""

import shutil

import pytest

import tfkit
from tfkit.errors import MissingError, ModelError
from tfkit.savedmodel.inspection import FileSize, inspect_model


def test_it_is_a_public_name():
    assert tfkit.inspect_model is inspect_model


def test_files_and_sizes_are_those_on_disk(models):
    report = inspect_model(models / "two")
    files = [each for each in (models / "two").rglob("*") if each.is_file()]
    assert report.file == models / "two" / "saved_model.pb"
    assert report.file_bytes == report.file.stat().st_size
    assert report.folder_bytes == sum(each.stat().st_size for each in files)
    assert report.assets == (FileSize("vocabulary.txt", 8),)
    assert report.extra_assets == (FileSize("note.txt", 4),)


def test_variables_are_counted_without_the_bookkeeping(models):
    report = inspect_model(models / "two")
    assert [each.name.split("/")[0] for each in report.variables] == ["names", "weights"]
    assert report.variables_bytes == 784 * 10 * 4 + 13


def test_tags_narrow_the_report(models):
    assert [each.tags for each in inspect_model(models / "one").metagraphs] == [("serve",), ("gpu", "serve"), ()]
    assert [each.tags for each in inspect_model(models / "one", tags=[]).metagraphs] == [()]
    with pytest.raises(ModelError, match="no graph with the tags a"):
        inspect_model(models / "one", tags=["a"])


def test_a_model_without_variables_has_none(models):
    assert inspect_model(models / "constant").variables == ()


def test_missing_variables_are_an_error_of_the_folder_but_not_of_the_file_alone(models, tmp_path):
    shutil.copy(models / "two" / "saved_model.pb", tmp_path)
    with pytest.raises(ModelError, match=r"variables\.index is missing, although the graph restores"):
        inspect_model(tmp_path)
    assert inspect_model(tmp_path / "saved_model.pb").variables == ()


def test_truncated_variables_are_an_error(models, tmp_path):
    shutil.copytree(models / "two", tmp_path / "model")
    shard = tmp_path / "model" / "variables" / "variables.data-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(ModelError, match="has 100 bytes, its index wants"):
        inspect_model(tmp_path / "model")


@pytest.mark.parametrize("closed", ["variables", "variables/variables.index", "assets"])
def test_a_part_that_may_not_be_read_is_named(models, visible_path, unprivileged, closed):
    folder = shutil.copytree(models / "two", visible_path / "model")
    (folder / closed).chmod(0)
    with unprivileged(), pytest.raises(MissingError, match="permission denied") as raised:
        inspect_model(folder)
    assert str(folder / closed) in raised.value.message
    (folder / closed).chmod(0o755)


def test_a_renamed_file_stands_alone(models, tmp_path):
    shutil.copy(models / "one" / "saved_model.pb", tmp_path / "one.pb")
    (tmp_path / "other").write_text("not part of it")
    report = inspect_model(tmp_path / "one.pb")
    assert report.folder_bytes == report.file_bytes
    assert len(report.metagraphs) == 3


def test_an_asset_that_is_missing_has_no_size(models, tmp_path):
    shutil.copytree(models / "two", tmp_path / "model")
    (tmp_path / "model" / "assets" / "vocabulary.txt").unlink()
    (asset,) = inspect_model(tmp_path / "model").as_dict()["metagraphs"][0]["assets"]
    assert asset == {"filename": "vocabulary.txt", "size_bytes": None, "tensor": "asset_path_initializer:0"}
