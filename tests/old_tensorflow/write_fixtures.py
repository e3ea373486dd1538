"""Writes the fixtures of one old TensorFlow, with that very TensorFlow: its models, and what it computes of them.

Needs the old Python that the TensorFlow was made for, in an environment of its own:

    python3.6 -m venv old && old/bin/pip install "pip==21.3.1" && old/bin/pip install "tensorflow==1.12.3" ...
    old/bin/python tests/old_tensorflow/write_fixtures.py

    TensorFlow                 Python   beside it
    tensorflow==1.12.3         3.6      "protobuf<3.20" "numpy<1.17" "h5py<3"
    tensorflow==1.14.0         3.6      "protobuf<3.20" "numpy<1.17" "h5py<3"
    tensorflow==1.15.5         3.7      "protobuf<3.21" "numpy<1.19"
    tensorflow-cpu==2.3.4      3.7      "protobuf<3.21" "numpy<1.19"
    tensorflow-cpu==2.4.4      3.7      "protobuf<3.21"
    tensorflow-cpu==2.7.4      3.8      "protobuf<3.21" "numpy<1.22" "tensorflow-addons==0.15.0"

What it writes below ``fixtures/tf_MAJOR.MINOR``:

    model/           a SavedModel with the signatures of ``Model``, and one that echoes each dtype: echo_DT_FLOAT, ...
    frozen.pb        some of them as one frozen graph
    addons/          with tensorflow-addons: a SavedModel with one of its ops
    recorded.json    inputs and outputs of the three

Written for Python 3.6, and for both kinds of TensorFlow: 1.x builds graphs, 2.x saves functions.
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
from tensorflow.core.framework import types_pb2
from tensorflow.python.ops import gen_list_ops

v1 = tf.compat.v1 if hasattr(tf.compat, "v1") else tf
MINOR = ".".join(tf.__version__.split(".")[:2])
FOLDER = Path(__file__).parent / "fixtures" / ("tf_" + MINOR)
WORDS = ["red", "green", "blue", "größe", "a word of more than twenty-two bytes"]
NUMBER_OF_DTYPES = 19  # of types.proto, from DT_FLOAT to DT_HALF: what an EAS message can hold


class Model(getattr(tf, "Module", object)):
    """What the fixtures compute; its variables, and a table whose words are an asset."""

    def __init__(self, words=None):
        super().__init__()
        random = np.random.RandomState(7)
        self.dense = variable("dense", random.randn(4, 3))
        self.bias = variable("bias", random.randn(3), resource=False)
        self.kernel = variable("kernel", random.randn(3, 3, 1, 2))
        self.vectors = variable("vectors", random.randn(6, 2), resource=False)
        self.table = words and lookup_table(words)

    def serving_default(self, features):
        scores = tf.nn.softmax(tf.nn.relu(tf.matmul(features, self.dense) + self.bias))
        return {"scores": scores, "best": tf.argmax(scores, 1)}

    def convolve(self, images):
        convolved = tf.nn.conv2d(images, self.kernel, strides=[1, 1, 1, 1], padding="SAME")
        return {"features": tf.nn.max_pool(convolved, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")}

    def embed(self, ids):
        return {"vectors": tf.gather(self.vectors, ids), "doubled": ids * 2}

    def join(self, text):
        return {"joined": tf.strings.join([text, tf.constant("!")]), "bytes": tf.strings.length(text)}

    def look_up(self, words):
        index = self.table.lookup(words)
        return {"index": index, "known": tf.greater_equal(index, 0)}

    def decide(self, a, b):
        return {"both": tf.logical_and(a, b), "either": tf.logical_or(a, b)}

    def loop(self, rounds, start):
        with tf.control_dependencies([v1.Assert(tf.less(rounds, 1e12), ["rounds must be a number, not", rounds])]):
            last = tf.identity(rounds)
        trips, value = tf.while_loop(
            lambda trip, _: tf.less(trip, last),
            lambda trip, value: (trip + 1, value * 0.5 + 1),
            [tf.constant(0.0), start],
        )
        return {"trips": trips, "value": value}

    def branch(self, flag, x):
        return {"y": tf.cond(flag, lambda: x * 2, lambda: -x)}

    def half_of_one(self, x):
        return {"half": x / 2}

    def shout(self, text):
        """Writes to stdout, as kernels and old libraries do."""
        printed = tf.print("printed by the model", "." * 1000, output_stream=sys.stdout)
        with tf.control_dependencies([] if printed is None else [printed]):
            return {"text": tf.identity(text)}

    def crash(self, size):
        """The library aborts where ``size`` is no scalar: a CHECK in these versions, an error in later ones."""
        empty = tf.constant([], tf.int32)
        if hasattr(gen_list_ops, "tensor_list_resize"):
            one = gen_list_ops.tensor_list_reserve(empty, tf.constant(1), tf.float32)
            made = gen_list_ops.tensor_list_resize(one, size)
        else:
            made = gen_list_ops.tensor_list_reserve(empty, size, tf.float32)
        return {"length": gen_list_ops.tensor_list_length(made)}

    def echo(self, x):
        return {"y": tf.identity(x)}


INPUTS = {
    "serving_default": {"features": (tf.float32, [None, 4])},
    "convolve": {"images": (tf.float32, [None, 4, 4, 1])},
    "embed": {"ids": (tf.int64, [None])},
    "join": {"text": (tf.string, None)},
    "look_up": {"words": (tf.string, [None])},
    "decide": {"a": (tf.bool, [None]), "b": (tf.bool, [None])},
    "loop": {"rounds": (tf.float32, []), "start": (tf.float32, [None])},
    "branch": {"flag": (tf.bool, []), "x": (tf.float32, [None])},
    "half_of_one": {"x": (tf.float32, [])},
    "shout": {"text": (tf.string, [])},
    "crash": {"size": (tf.int32, None)},
}
ECHOED = [tf.as_dtype(number) for number in range(1, NUMBER_OF_DTYPES + 1)]
FROZEN = ("serving_default", "join", "loop")  # they need no table, which has no constant form


def variable(name, value, resource=True):
    """A float variable; in a graph of the old kind where ``resource`` is false."""
    value = value.astype(np.float32)
    if tf.executing_eagerly():
        return tf.Variable(value, name=name)
    return v1.get_variable(name, initializer=value, use_resource=resource)


def lookup_table(words):
    """The line numbers of a file's words; -1 for others."""
    if not hasattr(tf, "lookup"):  # 1.12
        return tf.contrib.lookup.index_table_from_file(str(words))
    index, line = tf.lookup.TextFileIndex.LINE_NUMBER, tf.lookup.TextFileIndex.WHOLE_LINE
    rows = tf.lookup.TextFileInitializer(str(words), tf.string, line, tf.int64, index)
    return tf.lookup.StaticHashTable(rows, -1)


def signatures_of(model):
    """{name: (function, {input: (dtype, shape)})}"""
    signatures = {name: (getattr(model, name), inputs) for name, inputs in INPUTS.items()}
    for dtype in ECHOED:
        signatures["echo_" + proto_name(dtype)] = (model.echo, {"x": (dtype, None)})
    return signatures


def proto_name(dtype):
    return types_pb2.DataType.Name(dtype.as_datatype_enum)


def placeholders(inputs, prefix=""):
    return {name: v1.placeholder(dtype, shape, prefix + name) for name, (dtype, shape) in inputs.items()}


def write_graph_model(folder, words):
    """A SavedModel as TensorFlow 1.x writes it."""
    with v1.Graph().as_default(), v1.Session() as session:
        signatures = {}
        for name, (function, inputs) in signatures_of(Model(words)).items():
            given = placeholders(inputs, name + "_")
            signatures[name] = v1.saved_model.predict_signature_def(given, function(**given))
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        # 1.12 still wrote the older name of the two.
        start = {"legacy_init_op" if v1 is tf else "main_op": v1.tables_initializer()}
        assets = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
        builder.add_meta_graph_and_variables(session, ["serve"], signatures, assets, **start)
        builder.save()


def write_function_model(folder, words):
    """A SavedModel as TensorFlow 2.x writes it."""
    model = Model(words)
    signatures = {}
    for name, (function, inputs) in signatures_of(model).items():
        specs = [tf.TensorSpec(shape, dtype, key) for key, (dtype, shape) in inputs.items()]
        signatures[name] = tf.function(function, specs, autograph=False).get_concrete_function()
    tf.saved_model.save(model, str(folder), signatures)


def write_frozen_graph(path):
    """Placeholders and outputs have the names that the signatures give them."""
    with v1.Graph().as_default() as graph, v1.Session() as session:
        model = Model()
        outputs = []
        for signature in FROZEN:
            for name, tensor in getattr(model, signature)(**placeholders(INPUTS[signature])).items():
                outputs.append(tf.identity(tensor, name).op.name)
        session.run(v1.global_variables_initializer())
        frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), outputs)
        path.write_bytes(frozen.SerializeToString())


def write_addons_model(folder):
    """A SavedModel with an op that TensorFlow itself has not."""
    import tensorflow_addons as tfa

    class Times(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "time")], autograph=False)
        def parse(self, time):
            return {"seconds": tfa.text.parse_time(time, "%Y-%m-%dT%H:%M:%E*S%Ez", output_unit="SECOND")}

    model = Times()
    tf.saved_model.save(model, str(folder), {"serving_default": model.parse.get_concrete_function()})


def strings(*values):
    return np.array([value.encode() for value in values], object)


def cases():
    """(signature, inputs): what is computed and kept."""
    random = np.random.RandomState(11)
    for rows in (3, 1, 0):
        yield "serving_default", {"features": random.randn(rows, 4).astype(np.float32)}
    yield "convolve", {"images": random.randn(2, 4, 4, 1).astype(np.float32)}
    yield "embed", {"ids": np.array([5, 0, 3, 3])}
    text = strings("", "short", "22 bytes, exactly: abc", "23 bytes, one too many.", "größe, 大きさ", "x" * 300)
    yield "join", {"text": text}
    yield "join", {"text": text.reshape(2, 3)}
    yield "join", {"text": text[3:4].reshape([])}
    yield "join", {"text": text[:0]}
    yield "look_up", {"words": strings(*WORDS[::-1], "pink", "")}
    yield "decide", {"a": np.array([True, True, False, False]), "b": np.array([True, False, True, False])}
    for rounds in (0, 1, 7, 50):
        yield "loop", {"rounds": np.array(rounds, np.float32), "start": np.array([0, -8, 1e6], np.float32)}
    for flag in (True, False):
        yield "branch", {"flag": np.array(flag), "x": np.array([1.5, -2, 0], np.float32)}
    yield "half_of_one", {"x": np.array(3, np.float32)}
    yield "shout", {"text": text[1:2].reshape([])}
    yield "crash", {"size": np.array(4, np.int32)}
    for dtype in ECHOED:
        yield "echo_" + proto_name(dtype), {"x": sample(dtype)}


def sample(dtype):
    """Six values of a dtype, its ends among them."""
    if dtype == tf.string:
        return strings("", "é\x00", "x" * 22, "y" * 23, "z" * 127, "x" * 300).reshape(2, 3)
    if dtype == tf.bool:
        return np.array([[True, False, False], [True, True, False]])
    held = np.dtype(dtype.as_numpy_dtype)
    whole = held[0] if held.names else held
    if whole.kind in "iu":
        ends = np.iinfo(whole)
        return np.array([[ends.min, 0, 1], [2, ends.max - 1, ends.max]], whole).view(held)
    values = np.array([[0.5, -2.25, 0], [float("inf"), -0.0, 1.5]])
    if whole.kind == "c":
        return np.array([[1 + 2j, -3.5j, 0], [0.5, -1, 1e30j]], held)
    return values.astype(held)


def record(session, feeds, outputs):
    """Runs a graph: ``feeds`` is {name: (tensor's name, value)}, ``outputs`` {name: tensor's name}."""
    came = session.run(outputs, dict(feeds.values()))
    return {name: as_json(session.graph.get_tensor_by_name(outputs[name]).dtype, came[name]) for name in outputs}


def as_json(dtype, value):
    value = np.asarray(value)
    if dtype == tf.string:
        data = [base64.b64encode(each).decode() for each in value.reshape(-1).tolist()]
    else:
        data = base64.b64encode(value.tobytes()).decode()
    return {"dtype": proto_name(dtype), "shape": list(value.shape), "data": data}


def record_model(folder, some_cases):
    """What this TensorFlow computes of a SavedModel that it loads again."""
    recorded = []
    with v1.Graph().as_default(), v1.Session() as session:
        signatures = v1.saved_model.loader.load(session, ["serve"], str(folder)).signature_def
        for name, inputs in some_cases:
            signature = signatures[name]
            feeds = {key: (signature.inputs[key].name, value) for key, value in inputs.items()}
            outputs = {key: info.name for key, info in signature.outputs.items()}
            dtypes = {key: tf.as_dtype(signature.inputs[key].dtype) for key in inputs}
            recorded.append(
                {
                    "signature": name,
                    "inputs": {key: as_json(dtypes[key], value) for key, value in inputs.items()},
                    "outputs": record(session, feeds, outputs),
                }
            )
    return recorded


def record_frozen(path):
    """What it computes of the frozen graph; outputs are named, as a request must."""
    recorded = []
    graph_def = v1.GraphDef()
    graph_def.ParseFromString(path.read_bytes())
    with v1.Graph().as_default(), v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        names = {"serving_default": ("scores", "best"), "join": ("joined", "bytes"), "loop": ("trips", "value")}
        for signature, inputs in cases():
            if signature in FROZEN:
                feeds = {key: (key + ":0", value) for key, value in inputs.items()}
                outputs = {name: name + ":0" for name in names[signature]}
                given = {key: as_json(INPUTS[signature][key][0], value) for key, value in inputs.items()}
                recorded.append({"inputs": given, "outputs": record(session, feeds, outputs)})
    return recorded


def main():
    shutil.rmtree(str(FOLDER), ignore_errors=True)
    FOLDER.mkdir(parents=True)
    words = FOLDER / "words.txt"
    words.write_bytes("\n".join(WORDS).encode() + b"\n")
    write_model = write_graph_model if MINOR.startswith("1.") else write_function_model
    write_model(FOLDER / "model", words)
    words.unlink()  # from here on it is the model's asset
    write_frozen_graph(FOLDER / "frozen.pb")
    recorded = {
        "tensorflow": tf.__version__,
        "model": record_model(FOLDER / "model", cases()),
        "frozen": record_frozen(FOLDER / "frozen.pb"),
    }
    if MINOR == "2.7":
        write_addons_model(FOLDER / "addons")
        times = strings("2021-11-05T12:34:56+00:00", "1970-01-01T00:00:00+01:00")
        recorded["addons"] = record_model(FOLDER / "addons", [("serving_default", {"time": times})])
    lines = json.dumps(recorded, indent=1, sort_keys=True)
    (FOLDER / "recorded.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
