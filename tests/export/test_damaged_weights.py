"""Weights and checkpoints that are damaged, made to do harm, or belong to another model: each error names what."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.export.test_weights import FOLDER, NETS, check, export
from tfkit.errors import InputError, ModelError
from tfkit.export.sources.base import SourceOptions
from tfkit.export.sources.opening import open_source

OLD, NEW = FOLDER / "fixtures" / "tf_2.15" / "cnn.h5", FOLDER / "fixtures" / "tf_2.15" / "cnn.weights.h5"
CHECKPOINT = FOLDER / "fixtures" / "tf_2.7" / "training"


def opened(path, code=f"{NETS}:cnn"):
    """What the checks say that come before TensorFlow is imported."""
    return open_source(path, SourceOptions(architecture=str(code)))


def changed(path: Path, source: Path, change) -> Path:
    """A copy of a HDF5 file, changed."""
    shutil.copy(source, path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def move(old, new):
    return lambda file: file.move(old, new)


def replace_with(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


def bomb(file):
    del file["layers/conv2d/vars/0"]
    file.create_dataset("layers/conv2d/vars/0", (1 << 20, 1 << 16), "f4", chunks=(1, 1 << 10), compression="gzip")


def external(file):
    del file["layers/conv2d/vars/0"]
    file.create_dataset("layers/conv2d/vars/0", (2,), "f4", external=[("/etc/passwd", 0, 8)])


def virtual(file):
    del file["layers/conv2d/vars/0"]
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (2,))
    file.create_virtual_dataset("layers/conv2d/vars/0", layout)


def linked(file):
    file["layers/conv2d/vars"].pop("0")
    file["layers/conv2d/vars/0"] = h5py.ExternalLink("/etc/other.h5", "x")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (linked, "/layers/conv2d/vars/0 is a link to another place"),
        (bomb, "declares weights of"),
        (external, "values in another file"),
        (virtual, "values in another file"),
        (replace_with("layers/conv2d/vars/0", "text"), "expected numbers"),
        (lambda file: [file.pop(name) for name in list(file)], "holds no weights"),
    ],
)
def test_what_no_keras_writes_is_refused_before_a_value_is_read(tmp_path, change, problem):
    with pytest.raises(ModelError, match=problem):
        opened(changed(tmp_path / "m.weights.h5", NEW, change))


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
@pytest.mark.parametrize("source", [OLD, NEW])
def test_a_file_that_is_cut_off_is_damaged(tmp_path, source, share):
    path = tmp_path / source.name
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="damaged"):
        opened(path)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"hello world"), "starts with the bytes b'hello wo'"),
        (lambda path: path.mkdir(), "is a folder without a checkpoint"),
        (lambda path: None, "there is no file or checkpoint"),
    ],
)
def test_what_are_no_weights_is_told(tmp_path, make, problem):
    make(tmp_path / "weights")
    with pytest.raises(ModelError, match=problem):
        opened(tmp_path / "weights")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (move("layers/conv2d", "layers/other"), r"only in the file: layers/other/vars/0 \[3, 3, 1, 4\]"),
        (lambda file: file.pop("layers/dense"), r"only in the model: layers/dense/vars/0 \[6, 3\]"),
        (replace_with("layers/dense/vars/0", np.zeros((6, 4), "f4")), r"vars/0 \[6, 4\] in the file, \[6, 3\] in the"),
    ],
)
def test_weights_that_do_not_fit_the_model_are_all_named(tmp_path, in_keras, change, problem):
    path = changed(tmp_path / "m.weights.h5", NEW, change)
    with pytest.raises(ModelError, match=problem):
        in_keras(export, path, tmp_path / "out" / "m", architecture=f"{NETS}:cnn")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def layer_names(file):
    return [name.decode() if isinstance(name, bytes) else name for name in file.attrs["layer_names"]]


def renamed_layer(file):
    file.attrs["layer_names"] = ["other" if name == "scores" else name for name in layer_names(file)]
    file.move("scores", "other")


def without_layer(file):
    file.attrs["layer_names"] = [name for name in layer_names(file) if name != "left"]


def wrong_shape(file):
    file["scores"].pop("scores")
    file["scores/scores/kernel:0"], file["scores/scores/bias:0"] = np.zeros((5, 3), "f4"), np.zeros((3,), "f4")


def one_weight_less(file):
    file["scores"].attrs["weight_names"] = file["scores"].attrs["weight_names"][:1]


@pytest.mark.parametrize("function", ["cnn", "cnn_legacy"])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without_layer, r"only in the model: layer 'left' \[3, 3, 4, 4\] \[4\]"),
        (wrong_shape, r"scores/kernel \[5, 3\] in the file, .*scores/kernel \[6, 3\] in the model"),
        (one_weight_less, r"layer 'scores' \[6, 3\] in the file, layer 'scores' \[6, 3\] \[3\] in the model"),
    ],
)
def test_weights_of_keras_2_that_do_not_fit_are_all_named(tmp_path, in_keras, function, change, problem):
    path = changed(tmp_path / "m.h5", OLD, change)
    with pytest.raises(ModelError, match=problem):
        in_keras(export, path, tmp_path / "m", architecture=f"{NETS}:{function}")


def test_weights_of_keras_2_are_taken_by_their_order_where_names_differ(tmp_path, in_keras):
    path = changed(tmp_path / "m.h5", OLD, renamed_layer)
    report = in_keras(export, path, tmp_path / "m", architecture=f"{NETS}:cnn")
    check(tmp_path / "m", "tf_2.15", "cnn")
    assert "layers were matched with those of m.h5 by their order, not by name" in report.notes


def other_order(file):
    """The two branches, of the same shapes, in the other order: their names tell them apart."""
    names = layer_names(file)
    left, right = names.index("left"), names.index("right")
    names[left], names[right] = names[right], names[left]
    file.attrs["layer_names"] = names


def test_weights_of_keras_2_are_taken_by_name_where_names_are_the_same(tmp_path, in_keras):
    path = changed(tmp_path / "m.h5", OLD, other_order)
    in_keras(export, path, tmp_path / "m", architecture=f"{NETS}:cnn")
    check(tmp_path / "m", "tf_2.15", "cnn")


def copied(tmp_path) -> Path:
    return Path(shutil.copytree(CHECKPOINT, tmp_path / "training"))


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("ckpt-12.index", b"", "ckpt-12.index is empty"),
        ("ckpt-12.index", b"x" * 300, "is no checkpoint's index, or a damaged one"),
        ("ckpt-12.data-00000-of-00001", None, "is missing"),
        ("ckpt-12.data-00000-of-00001", b"x", "it is cut off"),
        ("ckpt-12.index", None, "is a folder without a checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_refused_at_once(tmp_path, name, data, problem):
    folder = copied(tmp_path)
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match=problem):
        opened(folder)


def test_changed_values_in_a_checkpoint_are_found(tmp_path, in_keras):
    folder = copied(tmp_path)
    shard = folder / "ckpt-12.data-00000-of-00001"
    shard.write_bytes(bytes(each ^ 1 for each in shard.read_bytes()))
    with pytest.raises(ModelError, match="ckpt-12"):
        in_keras(export, folder, tmp_path / "out" / "m", architecture=f"{NETS}:cnn")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_folder_with_several_checkpoints_that_none_names_is_refused(tmp_path):
    folder = copied(tmp_path)
    (folder / "checkpoint").unlink()
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("ckpt-12", "a")))
        shutil.copy(
            path.with_name(path.name.replace("ckpt-12", "a")), path.with_name(path.name.replace("ckpt-12", "b"))
        )
    with pytest.raises(ModelError, match="holds 2 checkpoints, and nothing says which is meant: 'a', 'b'"):
        opened(folder)


NET = """
import keras, tensorflow as tf
layers = keras.layers
def build():
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3, name="first"), layers.Flatten(), {last}])
class Empty(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def __call__(self, x):
        return x
def serve():
    return Empty().__call__
"""


def test_variables_of_a_checkpoint_that_do_not_fit_are_named(tmp_path, in_keras):
    net = tmp_path / "net.py"
    net.write_text(NET.format(last="layers.Dense(3, name='scores')"))
    with pytest.raises(ModelError, match="do not fit the model") as caught:
        in_keras(export, CHECKPOINT, tmp_path / "m", architecture=f"{net}:build")
    assert "model/layer_with_weights-1/gamma [4]" in caught.value.message
    assert "more; only in the model: " in caught.value.message
    with pytest.raises(ModelError, match=r"only in the model: .*kernel") as caught:
        in_keras(export, FOLDER / "fixtures" / "tf_2.7" / "module" / "net", tmp_path / "m", architecture=f"{net}:build")
    assert "only in the file: net/calls []" in caught.value.message


def test_a_function_has_no_place_for_a_checkpoint(tmp_path, in_keras):
    net = tmp_path / "net.py"
    net.write_text(NET.format(last="layers.Dense(3)"))
    with pytest.raises((ModelError, InputError), match=r"a tf.function has no attributes"):
        in_keras(export, CHECKPOINT, tmp_path / "m", architecture=f"{net}:serve")


def test_a_checkpoint_without_a_model_lists_what_it_holds():
    with pytest.raises(ModelError, match=r"is a checkpoint, which is weights without a model: 5 variables") as caught:
        open_source(FOLDER / "fixtures" / "tf_2.7" / "module" / "net", SourceOptions())
    assert "net/kernels/0" in caught.value.message
    assert "--model FILE.py:build" in caught.value.hint


def save_named(path):
    """Runs in the process that holds TensorFlow: a checkpoint as TensorFlow 1 writes it, with Adam's variables."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        kernel = tf1.get_variable("first/kernel", initializer=np.ones((3, 3, 1, 4), "f4") * 0.5, use_resource=False)
        bias = tf1.get_variable("first/bias", initializer=np.arange(4, dtype="f4"), use_resource=False)
        tf1.get_variable("first/kernel/Adam", initializer=np.ones((3, 3, 1, 4), "f4"))
        tf1.get_variable("beta1_power", initializer=0.9)
        tf1.get_variable("global_step", initializer=5)
        del kernel, bias
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, path, write_meta_graph=False)


def test_a_checkpoint_of_names_goes_by_names(tmp_path, in_keras):
    net = tmp_path / "net.py"
    net.write_text(NET.format(last="layers.Flatten()"))
    in_keras(save_named, str(tmp_path / "old" / "model.ckpt"))
    in_keras(export, tmp_path / "old", tmp_path / "m", architecture=f"{net}:build")
    net.write_text(NET.format(last="layers.Dense(2, name='scores')"))
    with pytest.raises(ModelError, match=r"only in the model: \S*scores/kernel \[144, 2\], \S*scores/bias \[2\]"):
        in_keras(export, tmp_path / "old", tmp_path / "n", architecture=f"{net}:build")


def shard(folder):
    """Runs in the process that holds Keras."""
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64), keras.layers.Dense(64)])
    model.save_weights(folder / "m.weights.json", max_shard_size=0.00002)
    (folder / "net.py").write_text(
        "import keras\nmodel = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64), keras.layers.Dense(64)])\n"
    )


def test_sharded_weights(tmp_path, in_keras):
    in_keras(shard, tmp_path)
    listing = tmp_path / "m.weights.json"
    assert len(list(tmp_path.glob("*.h5"))) > 1
    in_keras(export, listing, tmp_path / "m", architecture=str(tmp_path / "net.py"))
    config = json.loads(listing.read_text())
    for name, problem in (("../x.weights.h5", "is not beside it"), ("x.weights.h5", "is not there"), (5, "no list")):
        listing.write_text(json.dumps(config | {"weight_map": {"/layers/dense/vars": name}}))
        with pytest.raises(ModelError, match=problem):
            opened(listing, tmp_path / "net.py")
    listing.write_text("{}")
    with pytest.raises(ModelError, match="is no list of sharded weights"):
        opened(listing, tmp_path / "net.py")
