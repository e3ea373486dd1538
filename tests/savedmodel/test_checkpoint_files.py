"""Which files of a folder are the checkpoint that is meant."""

from __future__ import annotations

import pytest

from tfkit.errors import ModelError
from tfkit.savedmodel.checkpoint import check_complete, read_index
from tfkit.savedmodel.checkpoint_files import find_graph_checkpoint


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(folder, *stems, state=None):
    for stem in stems:
        for ending in (".meta", ".index", ".data-00000-of-00001"):
            (folder / f"{stem}{ending}").write_bytes(b"")
    if state is not None:
        (folder / "checkpoint").write_bytes(state)


@pytest.mark.parametrize("name", ["m-1", "m-1.meta", "m-1.index", "m-1.data-00000-of-00001", "m-1.data-00003-of-00007"])
def test_a_prefix_and_any_of_its_files_name_a_checkpoint(folder, name):
    write(folder, "m-1", "m-2")
    files = find_graph_checkpoint(folder / name)
    assert (files.folder, files.stem, files.note) == (folder, "m-1", "")
    assert files.meta == folder / "m-1.meta"
    assert list(files.parts()) == [".index", ".data-00000-of-00001"]


@pytest.mark.parametrize("name", ["other", "other.index", "other.pb", "."])
def test_what_has_no_graph_beside_it_is_none(folder, name):
    (folder / "other.index").write_bytes(b"")
    assert find_graph_checkpoint(folder / name) is None


@pytest.mark.parametrize(
    ("state", "stem"),
    [
        (b'model_checkpoint_path: "m-1"', "m-1"),
        (b'model_checkpoint_path: "/home/a b/runs/m-1"\nall_model_checkpoint_paths: "m-2"', "m-1"),
        (b'  model_checkpoint_path:"C:\\\\runs\\\\m-1"', "m-1"),
        (b'all_model_checkpoint_paths: "m-1"\nmodel_checkpoint_path: "m-2"', "m-2"),
        (b'model_checkpoint_path: "../../m-1"', "m-1"),
        (b'model_checkpoint_path: "/runs/7/"', ""),
        (b'model_checkpoint_path: "gr\\303\\266\\303\\237e-3"', "größe-3"),
    ],
)
def test_the_state_file_chooses_by_name_alone(folder, state, stem):
    write(folder, "m-1", "m-2", "", "größe-3", state=state)
    files = find_graph_checkpoint(folder)
    assert files.stem == stem
    assert files.note.startswith("of 4 checkpoints, ")
    assert files.note.endswith(" is the one that checkpoint names")


@pytest.mark.parametrize(
    "state", [None, b"", b"\xff\x00", b'model_checkpoint_path: "m-7"', b'model_checkpoint_path: "']
)
def test_else_the_newest_step_is_taken(folder, state):
    write(folder, "m-9", "m-10", "last", state=state)
    files = find_graph_checkpoint(folder)
    assert files.stem == "m-10"
    assert "of 3 checkpoints, 'm-10' has the newest step" in files.note


def test_the_only_one_needs_no_note_but_where_another_was_named(folder):
    write(folder, "m-9")
    assert find_graph_checkpoint(folder).note == ""
    (folder / "checkpoint").write_bytes(b'model_checkpoint_path: "m-10"')
    assert find_graph_checkpoint(folder).note == "checkpoint names 'm-10', which is not here: 'm-9' was taken"


@pytest.mark.parametrize("stems", [("a", "b"), ("a-3", "b-3")])
def test_several_that_nothing_tells_apart_are_refused(folder, stems):
    write(folder, *stems)
    with pytest.raises(ModelError, match="holds 2 checkpoints, and nothing says which is meant") as caught:
        find_graph_checkpoint(folder)
    assert str(folder / f"{stems[0]}.meta") in caught.value.hint


def test_a_checkpoint_without_a_name_is_read_by_its_folder_and_a_slash(folder):
    write(folder, "")
    prefix = find_graph_checkpoint(folder).prefix
    assert prefix == f"{folder}/"
    for read in (read_index, check_complete):
        with pytest.raises(ModelError, match=r"/\.index is empty"):
            read(prefix)
