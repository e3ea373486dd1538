"""Writes the models that these tests read, and what TensorFlow itself says about them: ``build_models.py FOLDER``.

Run in a process of its own, so that no test runs beside an imported TensorFlow.

    two/            several signatures, one of unknown rank, one with a lookup table and its asset, assets.extra
    two_text/       the same as saved_model.pbtxt
    default/        one signature, serving_default, of a scalar and a vector
    one/            TensorFlow 1: three tag sets, one empty; classify, nameless, sparse signatures, a split variable
    constant/       TensorFlow 1, without variables
    checkpoint/     a TensorFlow 1 checkpoint of 300 variables, with its .meta
    frozen.pb, frozen.pbtxt   a frozen graph
    oracle.json     for each SavedModel its metagraphs, and for each prefix its variables
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

v1 = tf.compat.v1


def build_two(folder: Path) -> None:
    vocabulary = folder.parent / "vocabulary.txt"
    vocabulary.write_text("cat\ndog\n")

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(tf.random.stateless_uniform([784, 10], seed=[1, 2]), name="weights")
            self.names = tf.Variable(["zero", "one"], name="names")
            words = tf.lookup.TextFileInitializer(
                str(vocabulary),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            self.table = tf.lookup.StaticHashTable(words, -1)

        @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")])
        def predict_images(self, images):
            return {"scores": tf.nn.softmax(images @ self.weights)}

        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x"), tf.TensorSpec([], tf.int64, name="n")])
        def any_rank(self, x, n):
            return {"y": x * tf.cast(n, tf.float32), "b": n > 3}

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.string, name="words")])
        def look_up(self, words):
            return {"ids": self.table.lookup(words)}

    model = Model()
    signatures = {"predict_images": model.predict_images, "any_rank": model.any_rank, "look_up": model.look_up}
    tf.saved_model.save(model, str(folder), signatures=signatures)
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / "note.txt").write_text("seen")


def build_default(folder: Path) -> None:
    class Model(tf.Module):
        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.float64, name="x"), tf.TensorSpec([], tf.int32, name="n")]
        )
        def double(self, x, n):
            return {"y": x * 2, "n": n}

    model = Model()
    tf.saved_model.save(model, str(folder), signatures=model.double)


def build_one(folder: Path) -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        with v1.variable_scope("part", partitioner=v1.fixed_size_partitioner(3), use_resource=False):
            split = v1.get_variable("w", [7, 2])
        whole = v1.get_variable("u", [4, 7], use_resource=False)
        scores = tf.matmul(tf.matmul(x, whole), tf.convert_to_tensor(split), name="scores")
        sparse = v1.sparse_placeholder(tf.float32, shape=[None, 3], name="sparse")
        session.run(v1.global_variables_initializer())
        info = v1.saved_model.utils.build_tensor_info
        define = v1.saved_model.signature_def_utils.build_signature_def
        signatures = {
            "predict": define({"x": info(x)}, {"scores": info(scores)}, "tensorflow/serving/predict"),
            "classify": define({"inputs": info(x)}, {"scores": info(scores)}, "tensorflow/serving/classify"),
            "nameless": define({"x": info(x)}, {"w": info(whole)}, ""),
            "sparse": define({"s": info(sparse)}, {"scores": info(scores)}, "tensorflow/serving/predict"),
        }
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.add_meta_graph(["serve", "gpu"], signature_def_map={"predict": signatures["predict"]})
        builder.add_meta_graph([], signature_def_map={})
        builder.save()


def build_constant(folder: Path) -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        v1.saved_model.simple_save(session, str(folder), {"x": x}, {"y": x * 2})


def build_checkpoint(folder: Path) -> None:
    folder.mkdir()
    with v1.Graph().as_default(), v1.Session() as session:
        for index in range(300):
            v1.get_variable(f"layer_{index:03d}/kernel", [2, 3])
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model"))


def build_frozen(file: Path) -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 784], name="images")
        keep = v1.placeholder_with_default(1.0, [], name="keep")
        weights = v1.get_variable("weights", [784, 10], use_resource=False)
        scores = tf.nn.softmax(tf.matmul(images, weights) * keep, name="scores")
        tf.identity(tf.constant(1), name="version")
        session.run(v1.global_variables_initializer())
        graph = v1.graph_util.convert_variables_to_constants(session, session.graph_def, [scores.op.name, "version"])
    file.write_bytes(graph.SerializeToString())
    file.with_suffix(".pbtxt").write_text(text_format.MessageToString(graph))


def describe(folder: Path) -> list[dict]:
    """What TensorFlow's own classes read in a SavedModel."""
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return [
        {
            "tags": sorted(each.meta_info_def.tags),
            "tensorflow_version": each.meta_info_def.tensorflow_version,
            "tensorflow_git_version": each.meta_info_def.tensorflow_git_version,
            "producer": each.graph_def.versions.producer,
            "ops": len(each.graph_def.node) + sum(len(f.node_def) for f in each.graph_def.library.function),
            "functions": len(each.graph_def.library.function),
            "graph_bytes": each.graph_def.ByteSize(),
            "restore_op": each.saver_def.restore_op_name,
            "assets": [[asset.filename, asset.tensor_info.name] for asset in each.asset_file_def],
            "signatures": {
                name: {
                    "method": signature.method_name,
                    "inputs": {alias: describe_info(info) for alias, info in signature.inputs.items()},
                    "outputs": {alias: describe_info(info) for alias, info in signature.outputs.items()},
                }
                for name, signature in each.signature_def.items()
            },
        }
        for each in model.meta_graphs
    ]


def describe_info(info) -> list:
    shape = tf.TensorShape(info.tensor_shape)
    parts = info.coo_sparse
    tensor = (
        info.name
        or f"coo_sparse({parts.values_tensor_name}, {parts.indices_tensor_name}, {parts.dense_shape_tensor_name})"
    )
    dtype = tf.as_dtype(info.dtype).base_dtype.as_datatype_enum if info.dtype else 0
    return [tensor, dtype, None if shape.rank is None else shape.as_list()]


def describe_variables(prefix: Path) -> dict[str, list]:
    reader = tf.train.load_checkpoint(str(prefix))
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    return {name: [dtypes[name].as_datatype_enum, shapes[name]] for name in shapes}


def main(folder: Path) -> None:
    build_two(folder / "two")
    text = saved_model_pb2.SavedModel.FromString((folder / "two" / "saved_model.pb").read_bytes())
    (folder / "two_text").mkdir()
    (folder / "two_text" / "saved_model.pbtxt").write_text(text_format.MessageToString(text))
    build_default(folder / "default")
    build_one(folder / "one")
    build_constant(folder / "constant")
    build_checkpoint(folder / "checkpoint")
    build_frozen(folder / "frozen.pb")
    oracle = {
        "models": {name: describe(folder / name) for name in ("two", "default", "one", "constant")},
        "variables": {
            prefix: describe_variables(folder / prefix)
            for prefix in ("two/variables/variables", "one/variables/variables", "checkpoint/model")
        },
    }
    (folder / "oracle.json").write_text(json.dumps(oracle))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
