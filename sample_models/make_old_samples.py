"""Trains models of handwritten digits in old versions, and leaves them as those wrote them: checkpoints, HDF5, graphs.

The training data comes from today's Python:

    python sample_models/make_samples.py --digits build/digits_train.npz

The old versions need the Python that they were made for, in an environment of its own:

    python3.7 -m venv old && old/bin/pip install "tensorflow==1.15.5" ...
    old/bin/python sample_models/make_old_samples.py build/digits_train.npz tf1

    what          installed                                                                              Python
    keras_2017    tensorflow==1.12.3 keras==2.0.8 pyyaml scipy "protobuf<3.20" "numpy<1.17" "h5py<3"     3.6
    tf1           tensorflow==1.15.5 "protobuf<3.21" "numpy<1.19"                                        3.7
    tf2           tensorflow-cpu==2.7.4 "protobuf<3.20" "numpy<1.22"                                     3.8

    keras_2017    digits_2017.h5: a whole model, with the state of its optimizer
    tf1           digits_tf1/: a checkpoint of a graph whose placeholder is_training switches batch normalization and
                  dropout; digits_frozen.pb: the part that answers, as a frozen graph; digits_signatures/: the same as
                  a SavedModel with two signatures and none called serving_default
    tf2           digits_tf2/: tf.train.Checkpoint(model=...) of the model in digits_tf2.py

The accuracy that each has here, on ``digits_test.npy``, goes into ``accuracies.json``. Written for Python 3.6.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
RANDOM = np.random.RandomState(20)
SEED = 20
EPOCHS = 60
BATCH = 32


def make_keras_2017(images: np.ndarray, labels: np.ndarray) -> dict:
    """A ``Sequential`` whose layers nobody named."""
    import keras
    from keras import layers

    tf.set_random_seed(SEED)
    model = keras.models.Sequential()
    model.add(layers.Reshape((28, 28, 1), input_shape=(784,)))
    for filters in (8, 16):
        model.add(layers.Conv2D(filters, (3, 3), padding="same", activation="relu"))
        model.add(layers.BatchNormalization())
        model.add(layers.MaxPooling2D((3, 3)))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    model.save(str(HERE / "digits_2017.h5"))
    return {"digits_2017": accuracy(model.predict(held_out()))}


def make_tf1(images: np.ndarray, labels: np.ndarray) -> dict:
    """Three forms of one graph, trained once."""
    v1 = tf.compat.v1
    v1.logging.set_verbosity(v1.logging.ERROR)
    v1.set_random_seed(SEED)
    rows = v1.placeholder(tf.float32, [None, 784], "images")
    wanted = v1.placeholder(tf.int64, [None], "labels")
    training = v1.placeholder(tf.bool, [], "is_training")
    scores = tf1_scores(rows, training)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=scores.op.inputs[0]))
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        step = v1.train.AdamOptimizer().minimize(loss, v1.train.get_or_create_global_step())
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for _ in range(EPOCHS):
            order = RANDOM.permutation(len(images))
            for start in range(0, len(order), BATCH):
                some = order[start : start + BATCH]
                session.run(step, {rows: images[some], wanted: labels[some], training: True})
        prefix = str(emptied(HERE / "digits_tf1") / "model.ckpt")
        v1.train.Saver(save_relative_paths=True).save(session, prefix, v1.train.get_global_step())
        right = accuracy(session.run(scores, {rows: held_out(), training: False}))
    freeze()
    write_signatures()
    return {"digits_tf1": right, "digits_frozen": right, "digits_signatures": right}


def tf1_scores(rows: tf.Tensor, training: Any) -> tf.Tensor:
    layers = tf.compat.v1.layers
    hidden = tf.reshape(rows, [-1, 28, 28, 1])
    for filters in (8, 16):
        hidden = layers.conv2d(hidden, filters, 3, padding="same", use_bias=False)
        hidden = tf.nn.relu(layers.batch_normalization(hidden, training=training))
        hidden = layers.max_pooling2d(hidden, 3, 3)
    hidden = layers.dropout(layers.flatten(hidden), 0.3, training=training)
    return tf.nn.softmax(layers.dense(hidden, 10), name="scores")


def freeze() -> None:
    """The graph from ``images`` to ``scores``, of constants; what trains is left out, and ``is_training`` is off."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        scores = tf1_scores(v1.placeholder(tf.float32, [None, 784], "images"), False)
        restore(session)
        frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [scores.op.name])
    (HERE / "digits_frozen.pb").write_bytes(frozen.SerializeToString())


def write_signatures() -> None:
    """``classify_scan`` takes grey levels and tells the digit; ``score_images`` begins in the middle of the graph."""
    v1 = tf.compat.v1
    describe = v1.saved_model.predict_signature_def
    folder = HERE / "digits_signatures"
    shutil.rmtree(str(folder), ignore_errors=True)
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        scan = v1.placeholder(tf.uint8, [None, 28, 28], "scan")
        images = tf.reshape(tf.cast(scan, tf.float32) / 255.0, [-1, 784], "images")
        scores = tf1_scores(images, False)
        restore(session)
        answer = {"digit": tf.argmax(scores, 1, name="digit"), "certainty": tf.reduce_max(scores, 1, name="certainty")}
        signatures = {
            "classify_scan": describe({"scan": scan}, answer),
            "score_images": describe({"images": images}, {"scores": scores}),
        }
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def restore(session: Any) -> None:
    tf.compat.v1.train.Saver().restore(session, tf.train.latest_checkpoint(str(HERE / "digits_tf1")))


def make_tf2(images: np.ndarray, labels: np.ndarray) -> dict:
    """The model of ``digits_tf2.py``, and the optimizer that trained it left out."""
    import digits_tf2

    tf.random.set_seed(SEED)
    model = digits_tf2.build()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    tf.train.Checkpoint(model=model).save(str(emptied(HERE / "digits_tf2") / "digits"))
    return {"digits_tf2": accuracy(model.predict(held_out()))}


def emptied(folder: Path) -> Path:
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir()
    return folder


def held_out() -> np.ndarray:
    return np.load(str(HERE / "digits_test.npy"))


def accuracy(scores: np.ndarray) -> float:
    """The share of held-out rows whose highest score is the label's."""
    labels = np.load(str(HERE / "digits_test_labels.npy"))
    return round(float(np.mean(np.argmax(scores, axis=1) == labels)), 6)


def main() -> None:
    makers = {"keras_2017": make_keras_2017, "tf1": make_tf1, "tf2": make_tf2}
    if len(sys.argv) != 3 or sys.argv[2] not in makers:
        sys.exit(__doc__)
    np.random.seed(SEED)
    with np.load(sys.argv[1]) as data:
        made = makers[sys.argv[2]](data["images"], data["labels"])
    path = HERE / "accuracies.json"
    accuracies = json.loads(path.read_text(encoding="utf-8"))
    accuracies.update(made)
    path.write_text(json.dumps(accuracies, indent=4, sort_keys=True) + "\n", encoding="utf-8")
    print(made)


if __name__ == "__main__":
    main()
