"""Where a model may come from, and which of the files in there is the model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tfkit.errors import InputError
from tfkit.fetching.sources import fetch_file, fetch_model, find_model, name_of, needs_folder

MODEL = "saved_model.pb"


def tree(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x08\x01")
    return folder


def packed(folder: Path, *files: str) -> Path:
    tree(folder / "in", *files)
    return Path(shutil.make_archive(str(folder / "digits"), "gztar", folder / "in"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((MODEL, "variables/variables.index", "assets/graph.pb"), "."),
        (("digits/saved_model.pb", "README.md"), "digits"),
        (("digits/1/saved_model.pb", "digits/warm_up.bin"), "digits/1"),
        (("export/saved_model.pbtxt",), "export"),
        (("export/saved_model.cpb",), "export"),
        (("saved_model.pb", "assets.extra/copy/saved_model.pb"), "."),
        (("__MACOSX/saved_model.pb", "a/saved_model.pb", ".hidden/saved_model.pb"), "a"),
        (("graphs/frozen.pb", "graphs/._frozen.pb", "words.txt"), "graphs/frozen.pb"),
        (("frozen.pb", "a/saved_model.pb"), "a"),
    ],
)
def test_the_one_model_is_found_at_any_depth(tmp_path: Path, files: tuple[str, ...], expected: str) -> None:
    assert find_model(tree(tmp_path, *files), "", "model.tar") == tmp_path / expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("a", "a/1"),
        ("a/1", "a/1"),
        ("./a/1/", "a/1"),
        ("a/1/saved_model.pb", "a/1"),
        ("frozen.pb", "frozen.pb"),
        ("b", "b"),
    ],
)
def test_an_entry_chooses_among_several(tmp_path: Path, entry: str, expected: str) -> None:
    tree(tmp_path, "a/1/saved_model.pb", "b/saved_model.pb", "frozen.pb")
    assert find_model(tmp_path, entry, "model.tar") == tmp_path / expected


def test_several_models_are_listed(tmp_path: Path) -> None:
    tree(tmp_path, "a/1/saved_model.pb", "a/2/saved_model.pb")
    with pytest.raises(InputError, match=r"model.tar holds 2 models: a/1, a/2") as caught:
        find_model(tmp_path, "", "model.tar")
    assert "--model-entry" in caught.value.hint
    shutil.rmtree(tmp_path / "a")
    tree(tmp_path, "x.pb", "y.pb")
    with pytest.raises(InputError, match=r"holds 2 models: x.pb, y.pb"):
        find_model(tmp_path, "", "model.tar")


def test_a_folder_without_a_model_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no SavedModel") as caught:
        find_model(tmp_path, "", "model.tar")
    assert caught.value.hint == "It is empty."
    tree(tmp_path, "model.keras", "weights.h5")
    with pytest.raises(InputError, match="holds no SavedModel") as caught:
        find_model(tmp_path, "", "model.tar")
    assert caught.value.hint == "It holds model.keras, weights.h5."


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("nowhere", "holds no 'nowhere'"),
        ("../in", "leads out"),
        ("/etc", "leads out"),
        ("out", "leads out"),
        ("a/saved_model.pb/x", "holds no"),
    ],
)
def test_entries_that_are_not_inside_are_refused(tmp_path: Path, entry: str, words: str) -> None:
    tree(tmp_path / "in", "a/saved_model.pb")
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match=words):
        find_model(tmp_path / "in", entry, "model.tar")


def test_an_archive_is_unpacked(tmp_path: Path) -> None:
    archive, told = packed(tmp_path, "digits/1/saved_model.pb"), []
    assert needs_folder(str(archive))
    model = fetch_model(str(archive), "", tmp_path / "scratch", told.append)
    assert (model / MODEL).read_bytes() == b"\x08\x01"
    assert model.is_relative_to(tmp_path / "scratch")
    assert told == [f"unpacking {archive}"]


def test_folders_and_files_are_taken_as_they_are(tmp_path: Path) -> None:
    tree(tmp_path, "model/saved_model.pb", "frozen.pb", "model.keras")
    for name in ("model", "frozen.pb", "model.keras", "nowhere"):
        assert not needs_folder(str(tmp_path / name))
        assert fetch_model(str(tmp_path / name), "", tmp_path / "scratch", print) == tmp_path / name
    assert fetch_model(str(tmp_path / "model" / MODEL), "", tmp_path / "scratch", print) == tmp_path / "model"
    assert fetch_model(str(tmp_path), "model", tmp_path / "scratch", print) == tmp_path / "model"
    assert fetch_file(str(tmp_path / "frozen.pb"), tmp_path / "scratch", print) == tmp_path / "frozen.pb"
    assert not (tmp_path / "scratch").exists()
    with pytest.raises(InputError, match="single file"):
        fetch_model(str(tmp_path / "frozen.pb"), "entry", tmp_path / "scratch", print)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("build/digits.tar.gz", "digits"),
        ("digits-1.2.tgz", "digits-1.2"),
        ("digits.bz2", "digits"),
        ("digits.v1.zip", "digits.v1"),
        ("graphs/frozen.pb", "frozen"),
        ("build/digits/saved_model.pb", "digits"),
        ("https://host/a/digits.tar.gz?Signature=x.y/z", "digits"),
        ("https://host/frozen.pb", "frozen"),
        ("oss://bucket/models/digits/", "digits"),
        ("build/digits.v2", "digits.v2"),
    ],
)
def test_a_model_s_name_is_that_of_its_source(source: str, name: str) -> None:
    assert name_of(source) == name


def test_a_folder_s_name_is_found_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree(tmp_path / "digits.v2", "saved_model.pb"))
    assert name_of(".") == "digits.v2"


@pytest.mark.parametrize(
    ("files", "source", "name"),
    [
        (["digits/1/saved_model.pb"], "digits/1", "digits"),
        (["digits/1/saved_model.pb"], "digits/1/saved_model.pb", "digits"),
        (["digits/0020/saved_model.pbtxt"], "digits/0020", "digits"),
        (["2017/graph.pb"], "2017", "2017"),
        (["2017/saved_model.pb", "saved_model.pb"], "2017", "2017"),
        (["digits/v1/saved_model.pb"], "digits/v1", "v1"),
    ],
)
def test_a_version_is_called_as_its_model(tmp_path: Path, files: list[str], source: str, name: str) -> None:
    assert name_of(str(tree(tmp_path, *files) / source)) == name


def test_other_urls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="s3://"):
        needs_folder("s3://bucket/model")
