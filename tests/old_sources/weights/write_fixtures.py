"""Writes weights with an old TensorFlow or Keras, and what it computes with them.

Needs the old Python that the TensorFlow was made for, in an environment of its own (``tests/old_tensorflow`` says how):

    old/bin/python tests/old_sources/weights/write_fixtures.py tf_2.7
    NETS_KERAS=keras old/bin/python tests/old_sources/weights/write_fixtures.py keras_2.2.4

    folder         installed
    keras_2.2.4    tensorflow==1.12.3, keras==2.2.4, keras-applications==1.0.8, keras-preprocessing==1.1.2
    tf_2.3         tensorflow-cpu==2.3.4
    tf_2.7         tensorflow-cpu==2.7.4
    tf_2.15        tensorflow-cpu==2.15.1

What it writes below ``fixtures/FOLDER``, of the models of ``nets.py``, trained for some steps:

    cnn.h5, words.h5                       save_weights in Keras's old form
    cnn.json, words.json                   to_json
    cnn.weights.h5, words.weights.h5       save_weights as Keras 3 does it; of TensorFlow 2.15
    training/                              a CheckpointManager's folder: Checkpoint(model, optimizer, step); from 2.3 on
    words/weights.*                        save_weights as a checkpoint; from 2.3 on
    subclassed/weights.*, module/net.*     save_weights as a checkpoint; Checkpoint(net=...); from 2.3 on
    recorded.json                          inputs and outputs of each model

Written for Python 3.6.
"""

import base64
import json
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent))
import nets

FOLDER = Path(__file__).resolve().parent / "fixtures" / sys.argv[1]
RANDOM = np.random.RandomState(11)
IS_OLD = tf.__version__.startswith("1.")


def train(model, inputs, outputs, loss):
    """Some steps, so that all weights and statistics are other than at the start."""
    model.compile(optimizer=nets.keras.optimizers.Adam(0.02), loss=loss)
    model.fit(inputs, outputs, epochs=3, batch_size=8, verbose=0)
    return model


def trained_cnn():
    images = RANDOM.rand(32, 8, 8, 1).astype(np.float32)
    classes = np.eye(3, dtype=np.float32)[RANDOM.randint(0, 3, 32)]
    return train(nets.cnn(), images, classes, "categorical_crossentropy"), images[:3]


def trained_words():
    ids = RANDOM.randint(0, 20, (32, 7)).astype(np.float32)
    ids[0, 4:] = 0  # masked
    return train(nets.words(), ids, RANDOM.rand(32, 4).astype(np.float32), "mse"), ids[:3]


def trained_subclassed():
    features = RANDOM.randn(32, 6).astype(np.float32)
    return train(nets.subclassed(), features, RANDOM.randn(32, 2).astype(np.float32), "mse"), features[:3]


def record(array):
    names = {"float32": "DT_FLOAT", "int32": "DT_INT32", "int64": "DT_INT64"}
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": names[str(array.dtype)], "shape": list(array.shape), "data": data}


def write_keras(name, model, inputs, recorded):
    model.save_weights(str(FOLDER / (name + ".h5")))
    (FOLDER / (name + ".json")).write_text(model.to_json(indent=1) + "\n")
    if tf.__version__.startswith("2.15"):
        model.save_weights(str(FOLDER / (name + ".weights.h5")))
    recorded[name] = {"inputs": record(inputs), "outputs": record(model.predict(inputs))}


def write_checkpoints(cnn, words, recorded):
    checkpoint = tf.train.Checkpoint(model=cnn, optimizer=cnn.optimizer, step=tf.Variable(12, dtype=tf.int64))
    manager = tf.train.CheckpointManager(checkpoint, str(FOLDER / "training"), max_to_keep=1)
    manager.save(checkpoint_number=12)
    words.save_weights(str(FOLDER / "words" / "weights"), save_format="tf")
    model, inputs = trained_subclassed()
    model.save_weights(str(FOLDER / "subclassed" / "weights"), save_format="tf")
    recorded["subclassed"] = {"inputs": record(inputs), "outputs": record(model.predict(inputs))}
    mixer = nets.module()
    for variable in mixer.trainable_variables:
        variable.assign_add(tf.fill(variable.shape, 0.25))
    mixer.calls.assign(5)
    tf.train.Checkpoint(net=mixer).write(str(FOLDER / "module" / "net"))
    inputs = RANDOM.randn(3, 4).astype(np.float32)
    recorded["module"] = {"inputs": record(inputs), "outputs": record(mixer(tf.constant(inputs))["mixed"].numpy())}


def main():
    shutil.rmtree(str(FOLDER), ignore_errors=True)
    for each in ("", "words", "subclassed", "module") if not IS_OLD else ("",):
        (FOLDER / each).mkdir(parents=True, exist_ok=True)
    np.random.seed(5)
    (tf.set_random_seed if IS_OLD else tf.random.set_seed)(5)
    recorded = {"tensorflow": tf.__version__, "keras": getattr(nets.keras, "__version__", "")}
    cnn, images = trained_cnn()
    words, ids = trained_words()
    write_keras("cnn", cnn, images, recorded)
    write_keras("words", words, ids, recorded)
    if not IS_OLD:
        write_checkpoints(cnn, words, recorded)
    (FOLDER / "recorded.json").write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
