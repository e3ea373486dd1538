"""SavedModels that are damaged, incomplete or made to harm: each is refused as a source, and leaves nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.old_sources.tf1_graphs.recorded import WORDS
from tfkit import proto
from tfkit.errors import TfkitError
from tfkit.export import export_model
from tfkit.runtime import Runtime

Break = Callable[[Path], None]
INDEX, DATA = "variables/variables.index", "variables/variables.data-00001-of-00002"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with variables in two shards and a vocabulary."""
    folder = tmp_path_factory.mktemp("words") / "model"
    export_model(WORDS.folder, folder, output_tensors=WORDS.outputs, verify=False)
    shutil.rmtree(folder / "assets.extra")
    return folder


@pytest.fixture
def model(words: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    shutil.copytree(words, tmp_path / "model")
    return tmp_path / "model"


def edited(edit: Callable[[Any], None]) -> Break:
    """Changes the only graph of it."""

    def apply(folder: Path) -> None:
        file = folder / "saved_model.pb"
        message = proto.message("tensorflow.SavedModel").FromString(file.read_bytes())
        edit(message.meta_graphs[0])
        file.write_bytes(message.SerializeToString())

    return apply


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Break:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return apply


def removed(name: str) -> Break:
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def asset_called(name: str) -> Break:
    """Lets the vocabulary lie elsewhere."""
    return edited(lambda metagraph: setattr(metagraph.asset_file_def[0], "filename", name))


def dangling_asset(folder: Path) -> None:
    (folder / "assets" / "vocabulary.txt").unlink()
    (folder / "assets" / "vocabulary.txt").symlink_to(folder / "gone.txt")


def answer_elsewhere(metagraph: Any) -> None:
    for info in metagraph.signature_def["serving_default"].outputs.values():
        info.name = "gone:0"


def lose_input(metagraph: Any) -> None:
    next(node for node in metagraph.graph_def.node if node.input).input[0] = "gone"


BROKEN: dict[str, tuple[Break, str]] = {
    "empty": (rewritten("saved_model.pb", lambda _: b""), r"saved_model.pb is empty \(0 bytes\)"),
    "cut off": (rewritten("saved_model.pb", lambda data: data[:-50]), "is no model, or a damaged one: .* cut off"),
    "other bytes": (rewritten("saved_model.pb", lambda _: b"\xff" * 99), "is no model, or a damaged one"),
    "no signature": (edited(lambda metagraph: metagraph.signature_def.clear()), "has no signature"),
    "output that is not there": (edited(answer_elsewhere), "the graph has no node 'gone'"),
    "node's input that is not there": (edited(lose_input), "takes 'gone', which the graph does not have"),
    "no variables": (removed("variables"), "variables.index is missing, although the graph restores"),
    "no index": (removed(INDEX), "variables.index is missing, although the graph restores"),
    "index cut off": (rewritten(INDEX, lambda data: data[:-60]), "is no checkpoint's index, or a damaged one"),
    "no values": (removed(DATA), "data-00001-of-00002 is missing: expected .* bytes of variables"),
    "values cut off": (rewritten(DATA, lambda data: data[:1]), "has 1 bytes, its index wants"),
    "no assets": (removed("assets"), "assets/vocabulary.txt is missing: the graph reads it"),
    "an asset's link to nowhere": (dangling_asset, "assets/vocabulary.txt is missing: the graph reads it"),
    "an asset above the model": (asset_called("../../../words.txt"), "asset '../../../words.txt' does not lie in"),
    "an asset anywhere": (asset_called("/etc/hostname"), "asset '/etc/hostname' does not lie in the model's folder"),
    "an asset without a name": (asset_called(""), "asset '' does not lie in the model's folder assets"),
}  # fmt: skip


@pytest.mark.parametrize("processor", ["installed", "tensorflow_cpu_1.15"])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_saved_models_are_refused(kind: str, processor: str, model: Path) -> None:
    break_it, message = BROKEN[kind]
    break_it(model)
    output = model.parent / "new" / "out"

    with pytest.raises(TfkitError, match=message) as caught:
        export_model(model, output, processor=processor, verify=False)

    assert caught.value.exit_code == 3
    assert [each.name for each in model.parent.iterdir()] == ["model"]


def test_an_asset_above_the_model_is_written_nowhere(model: Path) -> None:
    """The file that it names exists, so that only its name forbids it."""
    (model.parent / "words.txt").write_text("a\n")
    asset_called("../../words.txt")(model)
    output = model.parent / "a" / "b" / "out"

    with pytest.raises(TfkitError, match="does not lie in the model's folder"):
        export_model(model, output, processor="tensorflow_cpu_1.15", verify=False)

    assert sorted(each.name for each in model.parent.iterdir()) == ["model", "words.txt"]


def test_files_that_are_links_are_taken_as_what_they_lead_to(runtime: Runtime, model: Path) -> None:
    """As in the caches that models are downloaded to."""
    for file in [each for each in model.rglob("*") if each.is_file()]:
        blob = model.parent / "blobs" / file.name
        blob.parent.mkdir(exist_ok=True)
        file.rename(blob)
        file.symlink_to(os.path.relpath(blob, file.parent))

    export_model(model, model.parent / "out", processor="tensorflow_cpu_1.15", verify=False)

    assert not any(each.is_symlink() for each in (model.parent / "out").rglob("*"))
    WORDS.check(runtime.load(model.parent / "out").predict(WORDS.inputs))


def test_a_model_saved_in_a_cluster_runs_here(runtime: Runtime, model: Path) -> None:
    def place(metagraph: Any) -> None:
        for node in metagraph.graph_def.node:
            node.device = "/job:ps/task:3"

    edited(place)(model)

    report = export_model(model, model.parent / "out", inputs=WORDS.inputs)

    assert report.notes == ("its graph names devices of other machines (/job:ps): it was exported without",)
    WORDS.check(runtime.load(model.parent / "out").predict(WORDS.inputs))
