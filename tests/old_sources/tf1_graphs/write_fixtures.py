"""Trains small models with an old TensorFlow 1 and keeps its checkpoints, a frozen graph, and what it computes of them.

Needs the environments of ``tests/old_tensorflow/write_fixtures.py`` for 1.12 and for 1.15:

    old/bin/python tests/old_sources/tf1_graphs/write_fixtures.py

What it writes below ``fixtures/tf_MAJOR.MINOR``:

    cnn/              convolutions, tf.layers' batch normalization and dropout that a placeholder switches; two
                      checkpoints, and frozen.pb
    cnn_by_hand/      batch normalization as people wrote it with tf.cond and a moving average; a placeholder keep_prob
    lstm/             dynamic_rnn over a partitioned embedding, resource variables
    words/            lookup tables: of a vocabulary file, of constants, and one that is saved; sharded
    pipeline/         what comes out of a tf.data iterator; a training switch with a default
    recorded.json     for each, what is fed and what comes out, by the names of tensors

Written for Python 3.6.
"""

import base64
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

v1 = tf.compat.v1 if hasattr(tf.compat, "v1") else tf
v1.logging.set_verbosity(v1.logging.ERROR)
MINOR = ".".join(tf.__version__.split(".")[:2])
FOLDER = Path(__file__).parent / "fixtures" / ("tf_" + MINOR)
RANDOM = np.random.RandomState(3)
IMAGES = RANDOM.uniform(-1, 1, (24, 8, 8, 1)).astype(np.float32)
LABELS = (IMAGES.mean((1, 2, 3)) > 0).astype(np.int32) + (IMAGES[:, 0, 0, 0] > 0.5)
WORDS = ["red", "green", "blue", "größe", "black"]
COLORS = np.array([WORDS[index % 5].encode() for index in range(24)] + [b"unknown"], object)


class Model:
    """What a model's function returns.

    feeds: {tensor's name: rows to train on}; constants are fed as they are.
    asked: {what is fed to record: value}.
    results: tensors to record.
    """

    def __init__(self, loss, feeds, asked, results, **saver):
        self.loss = loss
        self.feeds = feeds
        self.asked = asked
        self.results = results
        self.saver = saver


def cross_entropy(logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def cnn(folder):
    images = v1.placeholder(tf.float32, [None, 8, 8, 1], "images")
    labels = v1.placeholder(tf.int32, [None], "labels")
    training = v1.placeholder(tf.bool, [], "is_training")
    hidden = images
    for filters in (4, 6):
        hidden = tf.layers.conv2d(hidden, filters, 3, padding="same", use_bias=False)
        hidden = tf.nn.relu(tf.layers.batch_normalization(hidden, training=training))
        hidden = tf.layers.max_pooling2d(hidden, 2, 2)
    hidden = tf.layers.dropout(tf.layers.flatten(hidden), 0.4, training=training)
    logits = tf.layers.dense(hidden, 3, name="classes")
    probabilities = tf.nn.softmax(logits, name="probabilities")
    right = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)
    v1.summary.scalar("accuracy", tf.reduce_mean(tf.cast(right, tf.float32)))
    v1.summary.histogram("probabilities", probabilities)
    feeds = {images: IMAGES, labels: LABELS, training: True}
    return Model(cross_entropy(logits, labels), feeds, {images: IMAGES[:5], training: False}, [probabilities, logits])


def cnn_by_hand(folder):
    images = v1.placeholder(tf.float32, [None, 8, 8, 1], "x")
    labels = v1.placeholder(tf.int32, [None], "y_")
    training = v1.placeholder(tf.bool, name="phase_train")
    keep = v1.placeholder(tf.float32, name="keep_prob")
    kernel = v1.get_variable("kernel", [3, 3, 1, 4])
    hidden = by_hand_normalized(tf.nn.conv2d(images, kernel, [1, 1, 1, 1], "SAME"), training)
    hidden = tf.reshape(tf.nn.max_pool(tf.nn.relu(hidden), [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), [-1, 64])
    hidden = tf.nn.dropout(hidden, keep)
    logits = tf.matmul(hidden, v1.get_variable("weights", [64, 3])) + v1.get_variable("biases", [3])
    feeds = {images: IMAGES, labels: LABELS, training: True, keep: 0.7}
    asked = {images: IMAGES[:5], training: False, keep: 1.0}
    return Model(cross_entropy(logits, labels), feeds, asked, [logits])


def by_hand_normalized(values, training):
    """Batch normalization as it was written before tf.layers had it."""
    mean, variance = tf.nn.moments(values, [0, 1, 2])
    moving = tf.train.ExponentialMovingAverage(0.8)

    def learn():
        with tf.control_dependencies([moving.apply([mean, variance])]):
            return tf.identity(mean), tf.identity(variance)

    mean, variance = tf.cond(training, learn, lambda: (moving.average(mean), moving.average(variance)))
    beta, gamma = v1.get_variable("beta", [4]), v1.get_variable("gamma", [4])
    return tf.nn.batch_normalization(values, mean, variance, beta, gamma, 1e-3)


def lstm(folder):
    tokens = v1.placeholder(tf.int32, [None, None], "tokens")
    lengths = v1.placeholder(tf.int32, [None], "lengths")
    labels = v1.placeholder(tf.int32, [None], "labels")
    with v1.variable_scope("model", use_resource=True):
        split = v1.fixed_size_partitioner(2)
        table = v1.get_variable("embedding", [11, 4], partitioner=split)
        embedded = tf.nn.embedding_lookup(table, tokens)
        cell = v1.nn.rnn_cell.LSTMCell(5, forget_bias=0.5)
        steps, state = v1.nn.dynamic_rnn(cell, embedded, lengths, dtype=tf.float32)
        logits = tf.layers.dense(state.h, 3, name="scores")
    rows = RANDOM.randint(0, 11, (24, 6)).astype(np.int32)
    counts = RANDOM.randint(1, 7, 24).astype(np.int32)
    feeds = {tokens: rows, lengths: counts, labels: LABELS}
    asked = {tokens: rows[:4], lengths: counts[:4]}
    return Model(cross_entropy(logits, labels), feeds, asked, [logits, steps])


def words(folder):
    vocabulary = folder / "vocabulary.txt"
    vocabulary.write_bytes("\n".join(WORDS[:4]).encode() + b"\n")
    text = v1.placeholder(tf.string, [None], "text")
    labels = v1.placeholder(tf.int32, [None], "labels")
    lookup = tf.contrib.lookup
    index = lookup.index_table_from_file(str(vocabulary), num_oov_buckets=1).lookup(text)
    pairs = lookup.KeyValueTensorInitializer(["red", "black"], [7.0, -1.0])
    weight = lookup.HashTable(pairs, 0.5).lookup(text)
    seen = lookup.MutableHashTable(tf.string, tf.float32, 0.25, name="seen")
    noted = seen.insert(tf.constant(WORDS[:3]), [2.0, 3.0, 4.0])
    v1.add_to_collection("before", noted)
    with tf.device("/cpu:1"):
        table = v1.get_variable("vectors", [5, 3])
    logits = tf.nn.embedding_lookup(table, index) * (weight + seen.lookup(text))[:, tf.newaxis]
    scores = tf.identity(logits, "scores")
    feeds = {text: COLORS[:24], labels: LABELS}
    return Model(cross_entropy(logits, labels), feeds, {text: COLORS[-7:]}, [scores, index], sharded=True)


def pipeline(folder):
    rows = {"image": IMAGES.reshape(24, 64)[:, :10], "label": LABELS}
    parts = tf.data.Dataset.from_tensor_slices(rows).repeat().batch(4)
    batch = (
        v1.data.make_one_shot_iterator(parts).get_next() if v1 is not tf else parts.make_one_shot_iterator().get_next()
    )
    training = v1.placeholder_with_default(False, [], "training")
    hidden = tf.layers.dropout(tf.layers.dense(batch["image"], 8, tf.nn.relu), training=training)
    logits = tf.layers.dense(hidden, 3)
    chosen = tf.argmax(logits, 1, name="chosen")
    return Model(cross_entropy(logits, batch["label"]), {}, {batch["image"]: rows["image"][:3]}, [chosen, logits])


MODELS = [cnn, cnn_by_hand, lstm, words, pipeline]


def write(function):
    """Trains a model, saves it twice, and records what it computes."""
    folder = Path(tempfile.mkdtemp())
    with v1.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"CPU": 2})) as session:
        v1.set_random_seed(5)
        model = function(folder)
        step = v1.train.get_or_create_global_step()
        optimizer = v1.train.MomentumOptimizer(0.1, 0.9)
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            train = optimizer.minimize(model.loss, step)
        summaries = v1.summary.merge_all()
        saver = v1.train.Saver(**model.saver)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        session.run(v1.get_collection("before"))
        for _ in range(2):
            for _ in range(10):
                session.run([train] + [each for each in [summaries] if each is not None], model.feeds)
            saver.save(session, str(folder / "model.ckpt"), step)
        outputs = session.run(model.results, model.asked)
        if function is cnn:
            names = [tensor.op.name for tensor in model.results]
            frozen = v1.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), names)
            (folder / "frozen.pb").write_bytes(frozen.SerializeToString())
    as_left_by_others(folder, with_both=function is cnn)
    shutil.move(str(folder), str(FOLDER / function.__name__))
    return {
        "fed": {tensor.name: as_json(tensor.dtype, value) for tensor, value in model.asked.items()},
        "fetched": {
            tensor.name: as_json(tensor.dtype, outputs[position]) for position, tensor in enumerate(model.results)
        },
    }


def as_left_by_others(folder, with_both):
    """Keeps both checkpoints of cnn, and elsewhere the last; the state names a folder of another machine."""
    state = folder / "checkpoint"
    lines = ['model_checkpoint_path: "/home/someone/runs/7/model.ckpt-20"']
    if with_both:
        lines += [
            'all_model_checkpoint_paths: "/home/someone/runs/7/model.ckpt-' + str(step) + '"' for step in (10, 20)
        ]
    else:
        for each in folder.glob("model.ckpt-10.*"):
            each.unlink()
    state.write_text("\n".join(lines) + "\n")


def as_json(dtype, value):
    value = np.asarray(value, None if dtype == tf.string else dtype.as_numpy_dtype)
    if dtype == tf.string:
        data = [base64.b64encode(each).decode() for each in value.reshape(-1).tolist()]
    else:
        data = base64.b64encode(value.tobytes()).decode()
    return {
        "dtype": types_pb2.DataType.Name(dtype.base_dtype.as_datatype_enum),
        "shape": list(value.shape),
        "data": data,
    }


def main():
    shutil.rmtree(str(FOLDER), ignore_errors=True)
    FOLDER.mkdir(parents=True)
    recorded = {function.__name__: write(function) for function in MODELS}
    recorded["tensorflow"] = tf.__version__
    (FOLDER / "recorded.json").write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
