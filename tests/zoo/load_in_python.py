"""Runs in an old Python with its own TensorFlow: loads models with its loaders, and writes what they compute.

    python load_in_python.py FOLDER

FOLDER/NAME/model is a SavedModel, FOLDER/NAME/recorded.json says what to ask it; the answers go into
FOLDER/NAME/LOADER.json, or the error. Python 3.6 has to understand this, and tfkit is not there.
"""

import base64
import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

V1 = tf.compat.v1 if hasattr(tf, "compat") and hasattr(tf.compat, "v1") else tf
IS_V2 = tf.__version__.startswith("2")


def numpy_dtype(number):
    return tf.as_dtype(number).as_numpy_dtype


def read_array(recorded):
    dtype = numpy_dtype(DTYPES[recorded["dtype"]])
    if recorded["dtype"] == "STRING":
        array = np.empty(len(recorded["data"]), dtype=object)
        array[:] = [base64.b64decode(each) for each in recorded["data"]]
        return array.reshape(recorded["shape"])
    return np.frombuffer(base64.b64decode(recorded["data"]), dtype=dtype).reshape(recorded["shape"])


def written(array, dtype):
    array = np.asarray(array)
    if dtype == "STRING":
        flat = array.astype(object).reshape(-1)
        data = [base64.b64encode(each if isinstance(each, bytes) else bytes(each)).decode() for each in flat]
    else:
        data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": dtype, "shape": list(array.shape), "data": data}


# By TensorFlow's types.proto.
DTYPES = {
    "FLOAT": 1, "DOUBLE": 2, "INT32": 3, "UINT8": 4, "INT16": 5, "INT8": 6, "STRING": 7, "COMPLEX64": 8, "INT64": 9,
    "BOOL": 10, "QINT8": 11, "QUINT8": 12, "QINT32": 13, "BFLOAT16": 14, "QINT16": 15, "QUINT16": 16, "UINT16": 17,
    "COMPLEX128": 18, "HALF": 19, "UINT32": 22, "UINT64": 23,
}  # fmt: skip
NAMES = {number: name for name, number in DTYPES.items()}


def with_sessions(folder, cases):
    """``tf.saved_model.loader.load``, as TensorFlow 1 has it."""
    answers = []
    with V1.Session(graph=tf.Graph()) as session:
        load = V1.saved_model.loader.load if hasattr(V1.saved_model, "loader") else V1.saved_model.load
        signatures = load(session, ["serve"], folder).signature_def
        for case in cases:
            signature = signatures[case["signature"]]
            feeds = {signature.inputs[name].name: read_array(each) for name, each in case["inputs"].items()}
            fetches = {name: info.name for name, info in signature.outputs.items()}
            came = session.run(fetches, feeds)
            answers.append({name: written(came[name], NAMES[signature.outputs[name].dtype]) for name in came})
    return answers


def with_objects(folder, cases):
    """``tf.saved_model.load``, as TensorFlow 2 has it."""
    answers = []
    model = tf.saved_model.load(folder)
    for case in cases:
        feeds = {name: tf.constant(read_array(each)) for name, each in case["inputs"].items()}
        came = model.signatures[case["signature"]](**feeds)
        answers.append({name: written(each.numpy(), NAMES[each.dtype.as_datatype_enum]) for name, each in came.items()})
    return answers


def main():
    folder = sys.argv[1]
    loaders = {"sessions": with_sessions}
    if IS_V2:
        loaders["objects"] = with_objects
    for place in sorted(Path(folder).iterdir()):
        cases = json.loads((place / "recorded.json").read_text())["cases"]
        for loader, load in loaders.items():
            try:
                result = {"outputs": load(str(place / "model"), cases)}
            except Exception as error:  # noqa: BLE001  # a loader that fails is a result
                result = {"error": f"{type(error).__name__}: {error}"[:500]}
            (place / f"{loader}.json").write_text(json.dumps(result))


main()
