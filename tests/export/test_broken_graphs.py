"""Checkpoints and frozen graphs that are damaged, incomplete or made to harm: each is refused, and leaves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.old_sources.tf1_graphs.recorded import CNN, LSTM, WORDS
from tfkit import proto
from tfkit.errors import TfkitError
from tfkit.export import export_model

STEM = "model.ckpt-20"
Break = Callable[[Path], Path]


def metagraph(edit: Callable[[Any], None]) -> Break:
    """Changes the graph of a checkpoint."""

    def apply(folder: Path) -> Path:
        file = folder / f"{STEM}.meta"
        message = proto.message("tensorflow.MetaGraphDef").FromString(file.read_bytes())
        edit(message)
        file.write_bytes(message.SerializeToString())
        return file

    return apply


def node(name: str, edit: Callable[[Any], None]) -> Break:
    """Changes a node of it."""
    return metagraph(lambda message: [edit(each) for each in message.graph_def.node if each.name == name])


def rewritten(ending: str, change: Callable[[bytes], bytes]) -> Break:
    def apply(folder: Path) -> Path:
        file = folder / f"{STEM}{ending}"
        file.write_bytes(change(file.read_bytes()))
        return folder / STEM

    return apply


def removed(ending: str) -> Break:
    def apply(folder: Path) -> Path:
        (folder / f"{STEM}{ending}").unlink()
        return folder / STEM

    return apply


def other_variables(folder: Path) -> Path:
    for ending in ("index", "data-00000-of-00001"):
        shutil.copy(LSTM.folder / f"{STEM}.{ending}", folder / f"{STEM}.{ending}")
    return folder / STEM


def folder_for_graph(folder: Path) -> Path:
    (folder / f"{STEM}.meta").unlink()
    (folder / f"{STEM}.meta").mkdir()
    return folder / STEM


def first_format(folder: Path) -> Path:
    (folder / f"{STEM}.index").unlink()
    (folder / STEM).write_bytes(b"weights")
    return folder / STEM


def first_format_in_shards(folder: Path) -> Path:
    (folder / f"{STEM}.index").unlink()
    (folder / f"{STEM}-00000-of-00002").write_bytes(b"weights")
    return folder / STEM


def output_that_is_not_there(each: Any) -> None:
    each.input[0] = "conv2d/Conv2D:7"


def several_without_steps(folder: Path) -> Path:
    for name in ("a", "b"):
        shutil.copy(folder / f"{STEM}.meta", folder / f"{name}.meta")
    for file in [*folder.glob("model.ckpt*"), folder / "checkpoint"]:
        file.unlink()
    return folder


def set_shape(each: Any) -> None:
    each.attr["shape"].shape.dim[0].size = 7


def set_dtype(each: Any) -> None:
    each.attr["dtypes"].list.type[:] = [9] * len(each.attr["dtypes"].list.type)


def claim_huge(each: Any) -> None:
    each.attr["value"].tensor.tensor_shape.dim[0].size = 1 << 50


def lose_name(each: Any) -> None:
    del each.attr["value"].tensor.string_val[0]
    each.attr["value"].tensor.tensor_shape.dim[0].size -= 1


def call_python(message: Any) -> None:
    for each in message.graph_def.node:
        if each.name == "Relu":
            each.op = "PyFunc"
            each.attr["token"].s = b"pyfunc_0"
            each.attr["Tin"].list.type.append(1)
            each.attr["Tout"].list.type.append(1)


CHECKPOINTS: dict[str, tuple[Break, str]] = {
    "empty graph": (rewritten(".meta", lambda _: b""), r"model.ckpt-20.meta is empty \(0 bytes\)"),
    "graph cut off": (rewritten(".meta", lambda data: data[: len(data) // 2]), "is no MetaGraphDef, or a damaged one"),
    "other bytes": (rewritten(".meta", lambda data: os.urandom(4) + b"\xff" * 100), "is no MetaGraphDef"),
    "graph without nodes": (metagraph(lambda message: message.graph_def.ClearField("node")), "holds no graph"),
    "folder for the graph": (folder_for_graph, "model.ckpt-20.meta cannot be read"),
    "no graph": (lambda folder: folder / "model.ckpt-21.meta", "there is no file or folder .*model.ckpt-21.meta"),
    "no index": (removed(".index"), "there is no file or folder .*model.ckpt-20.index"),
    "index cut off": (rewritten(".index", lambda data: data[:-60]), "is no checkpoint's index, or a damaged one"),
    "empty index": (rewritten(".index", lambda _: b""), "model.ckpt-20.index is empty"),
    "variables of another model": (other_variables, r"'batch_normalization/beta', float32\[4\], is not in"),
    "no values": (removed(".data-00000-of-00001"), "data-00000-of-00001 is missing: expected .* bytes of variables"),
    "values cut off": (rewritten(".data-00000-of-00001", lambda data: data[:100]), "has 100 bytes, its index wants"),
    "other shape": (node("conv2d/kernel", set_shape), r"is float32\[3, 3, 1, 4\] in the checkpoint, and float32\[7, 3"),
    "other dtype": (node("save/RestoreV2", set_dtype), r"is float32\[4\] in the checkpoint, and int64\[4\]"),
    "a name too few": (node("save/RestoreV2/tensor_names", lose_name), "node 'save/RestoreV2' restores"),
    "names without end": (node("save/RestoreV2/tensor_names", claim_huge), "computes the names of what it restores"),
    "input that is not there": (
        node("Relu", lambda each: each.input.__setitem__(0, "gone:0")),
        "takes 'gone:0', which",
    ),
    "too few inputs": (node("conv2d/Conv2D", lambda each: each.input.pop()), "has 1 inputs: expected 2"),
    "missing attribute": (node("Relu", lambda each: each.attr.clear()), "has no attribute T"),
    "name used twice": (node("Relu_1", lambda each: setattr(each, "name", "Relu")), "called 'Relu'|takes 'Relu_1'"),
    "python": (metagraph(call_python), r"node 'Relu' \(PyFunc\) calls Python"),
    "first format": (first_format, r"model.ckpt-20 is a checkpoint of the first format \(V1\)"),
    "first format in shards": (first_format_in_shards, "-20-00000-of-00002 is a checkpoint of the first format"),
    "output that is not there": (
        node("Relu", output_that_is_not_there), r"takes output 7 of 'conv2d/Conv2D' \(Conv2D\), which has 1"
    ),
    "several": (several_without_steps, "holds 2 checkpoints, and nothing says which is meant: 'a', 'b'"),
}  # fmt: skip


def check_refused(source: Path, output: Path, message: str, **options: Any) -> None:
    with pytest.raises(TfkitError, match=message) as caught:
        export_model(source, output, **options)
    assert caught.value.exit_code == 3
    assert not output.parent.exists()


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_broken_checkpoints_are_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(CNN.folder, folder)
    for file in folder.glob("model.ckpt-10*"):
        file.unlink()
    break_it, message = CHECKPOINTS[kind]

    check_refused(break_it(folder), tmp_path / "new" / "out", message, **CNN.options)


def test_a_vocabulary_that_is_not_there_is_named_with_where_to_put_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(WORDS.folder, folder)
    (folder / "vocabulary.txt").unlink()

    with pytest.raises(TfkitError, match=r"the file '.*vocabulary.txt' is missing") as caught:
        export_model(folder, tmp_path / "out")

    assert caught.value.exit_code == 3
    assert caught.value.hint == f"Put it into {folder}, under the name vocabulary.txt."
    assert not (tmp_path / "out").exists()


def test_the_state_file_leads_out_of_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{CNN.folder}/model.ckpt-20"\n')
    (folder / "a.meta").write_bytes(b"\xff\xff")

    check_refused(folder, tmp_path / "new" / "out", "a.meta .* is no MetaGraphDef")


# --- frozen graphs


def graph(edit: Callable[[Any], None]) -> Break:
    def apply(file: Path) -> Path:
        message = proto.message("tensorflow.GraphDef").FromString(file.read_bytes())
        edit(message)
        file.write_bytes(message.SerializeToString())
        return file

    return apply


def frozen_node(name: str, edit: Callable[[Any], None]) -> Break:
    return graph(lambda message: [edit(each) for each in message.node if each.name == name])


def replaced(content: bytes, name: str = "frozen.pb") -> Break:
    def apply(file: Path) -> Path:
        (file.parent / name).write_bytes(content)
        return file.parent / name

    return apply


def directory(file: Path) -> Path:
    (file.parent / "folder.pb").mkdir()
    return file.parent / "folder.pb"


def add_variable(message: Any) -> None:
    for each in message.node:
        if each.name == "classes/kernel":
            each.op = "VariableV2"
            each.attr.clear()
            each.attr["dtype"].type = 1
            each.attr["shape"].shape.SetInParent()


FROZEN: dict[str, tuple[Break, str]] = {
    "empty": (replaced(b""), r"frozen.pb is empty \(0 bytes\)"),
    "cut off": (lambda file: replaced(file.read_bytes()[:-50])(file), "is no GraphDef, or a damaged one"),
    "other bytes": (replaced(b"\xff" * 99), "holds no graph|no model, or a damaged one"),
    "a checkpoint's graph": (replaced((CNN.folder / f"{STEM}.meta").read_bytes()), "frozen.pb is a MetaGraphDef"),
    "a SavedModel": (replaced(b"\x08\x01\x12\x00"), "frozen.pb is a SavedModel: expected a GraphDef"),
    "a dtype that nothing has": (
        frozen_node("probabilities", lambda each: setattr(each.attr["T"], "type", 9999)), "holds dtype 9999"
    ),
    "a folder": (directory, "folder.pb"),
    "not there": (lambda file: file.with_name("frozzen.pb"), "there is no file or folder"),
    "no text": (replaced(b"node { name: 7", "graph.pbtxt"), "is no model in protobuf's text format"),
    "other text": (replaced(b'name: "x"', "graph.pbtxt"), "neither a SavedModel nor a graph"),
    "deep text": (replaced(b"library { " * 100_000, "graph.pbtxt"), "is no model in protobuf's text format"),
    "variables": (graph(add_variable), r"the graph has 1 variables without values \(classes/kernel\)"),
    "input that is not there": (
        frozen_node("probabilities", lambda each: each.input.__setitem__(0, "gone")), "takes 'gone', which"
    ),
    "too few inputs": (frozen_node("conv2d/Conv2D", lambda each: each.input.pop()), "has 1 inputs: expected 2"),
    "constant without values": (frozen_node("conv2d/kernel", lambda each: each.attr.pop("value")), "attribute value"),
    "name used twice": (graph(lambda message: message.node.add().CopyFrom(message.node[0])), "are called"),
    "a number for a tensor": (
        frozen_node("conv2d/kernel", lambda each: setattr(each.attr["value"], "i", 7)),
        "attribute value of node .* holds i",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FROZEN)
def test_broken_frozen_graphs_are_refused(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "frozen.pb"
    shutil.copy(CNN.folder / "frozen.pb", file)
    break_it, message = FROZEN[kind]

    check_refused(break_it(file), tmp_path / "new" / "out", message, verify=False, **CNN.options)


def test_the_command_says_what_is_wrong_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tfkit.cli", "export", CNN.folder / STEM, "-o", tmp_path / "out"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (3, "")
    assert "is_training:0 (Placeholder, bool[]) chooses between training and serving" in done.stderr
    assert "--set is_training=false" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "is_training"], "expected PLACEHOLDER=VALUE"),
        (["--input-tensor", "x"], "expected NAME=TENSOR"),
        (["--output-tensor", "y="], "expected a tensor after it"),
        (["--set", "a=1", "--set", "a=2"], "names 'a' twice"),
    ],
)
def test_options_in_another_form_are_usage_errors(options: list[str], message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tfkit.cli", "export", CNN.folder / STEM, "-o", tmp_path / "out", *options]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert message in done.stderr
