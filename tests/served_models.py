"""SavedModels for tests of the server and its clients, made once a test run by TensorFlow in a process of its own.

echo_model()   serving_default: float x[?, 2] -> doubled[?, 2], total[?]; and for every dtype a signature
               echo_DT_... that gives back what it takes, of any shape: x -> y
slow_model()   serving_default: int32 rounds[?] -> rounds[?]; each round takes a millisecond or two
mixed_model()  serving_default: float a[?, 2] and string word[?] -> total[?] (twice the sum), index[?] (the word's
               place in a table, an asset: red, green, blue; else -1) and word[?]; signatures
               halve: a -> half[?, 2], difference: a and 0 -> difference[?, 2]
faulty_model() serving_default: int32 mode -> text; fails on mode 1 for its value, on mode 2 for reasons of its own;
               and signatures remember and recall on a table of strings, keep and kept on a variable of strings,
               and print, which writes a kilobyte to stdout
classify_model() only a signature for classification
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tfkit.tensors import DType

# What an EAS message can hold.
DTYPES = tuple(dtype for dtype in DType if DType.INVALID < dtype < DType.RESOURCE)


def echo_model() -> Path:
    """The folder of the model that echoes."""
    return _models() / "echo"


def slow_model() -> Path:
    """The folder of the model that takes its time."""
    return _models() / "slow"


def mixed_model() -> Path:
    """The folder of the model with several inputs, outputs and signatures, a variable and a table with an asset."""
    return _models() / "mixed"


def faulty_model() -> Path:
    """The folder of the model that fails as it is told to."""
    return _models() / "faulty"


def classify_model() -> Path:
    """The folder of the model without a Predict signature."""
    return _models() / "classify"


@cache
def _models() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tfkit-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = subprocess.run([sys.executable, __file__, folder], check=False, capture_output=True, text=True, timeout=240)
    assert made.returncode == 0, made.stderr
    return folder


def _write_echo(folder: Path) -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], "x")
        signatures = {"serving_default": _signature({"x": x}, {"doubled": x * 2, "total": tf.reduce_sum(x, axis=1)})}
        for dtype in DTYPES:
            given = v1.placeholder(tf.dtypes.as_dtype(int(dtype)), None)
            signatures[f"echo_{dtype.proto_name}"] = _signature({"x": given}, {"y": tf.identity(given)})
        _write(session, folder, signatures)


def _write_slow(folder: Path) -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        rounds = v1.placeholder(tf.int32, [None], "rounds")
        ones = tf.fill([384, 384], tf.cast(rounds[0], tf.float32) * 0 + 1 / 384)
        done, product = tf.while_loop(
            lambda i, _: i < rounds[0], lambda i, product: (i + 1, product @ ones), [tf.constant(0), ones]
        )
        counted = done + tf.cast(product[0, 0] * 0, tf.int32)
        _write(session, folder, {"serving_default": _signature({"rounds": rounds}, {"rounds": rounds * 0 + counted})})


def _write_mixed(folder: Path) -> None:
    words = folder.parent / "words.txt"
    words.write_text("red\ngreen\nblue\n")
    with v1.Graph().as_default(), v1.Session() as session:
        a, word = v1.placeholder(tf.float32, [None, 2], "a"), v1.placeholder(tf.string, [None], "word")
        b = v1.placeholder(tf.float32, [None, 2], "b")
        scale = v1.get_variable("scale", initializer=2.0, use_resource=True)
        rows = tf.lookup.TextFileInitializer(
            str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        table = tf.lookup.StaticHashTable(rows, -1)
        both = {"total": tf.reduce_sum(a, 1) * scale, "index": table.lookup(word), "word": word}
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        signatures = {
            "serving_default": _signature({"a": a, "word": word}, both),
            "halve": _signature({"a": a}, {"half": a / scale}),
            "difference": _signature({"a": a, "0": b}, {"difference": a - b}),
        }
        _write(session, folder, signatures, v1.tables_initializer())


def _write_faulty(folder: Path) -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        mode, keys = v1.placeholder(tf.int32, [], "mode"), v1.placeholder(tf.string, [None], "keys")
        table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        with tf.control_dependencies([tf.debugging.Assert(tf.not_equal(mode, 1), ["mode 1 is refused"])]):
            text = tf.cond(tf.equal(mode, 2), lambda: tf.io.read_file("/no/such/file"), lambda: tf.constant("fine"))
        with tf.control_dependencies([table.insert(keys, tf.range(tf.size(keys, tf.int64)))]):
            size = table.size()
        kept = v1.Variable([""], use_resource=True, shape=tf.TensorShape([None]), name="kept")
        with tf.control_dependencies([kept.assign(keys)]):
            count = tf.size(keys)
        session.run(v1.global_variables_initializer())
        signatures = {
            "keep": _signature({"keys": keys}, {"count": count}),
            "kept": _signature({"mode": mode}, {"keys": tf.identity(kept)}),
            "print": _signature({"mode": mode}, {"text": _print(mode)}),
            "serving_default": _signature({"mode": mode}, {"text": text}),
            "remember": _signature({"keys": keys}, {"size": size}),
            "recall": _signature({"keys": keys}, {"values": table.lookup(keys)}),
        }
        _write(session, folder, signatures)


def _print(mode: object) -> object:
    with tf.control_dependencies([tf.print("printed by the model" + "." * 1000, output_stream=sys.stdout)]):
        return tf.as_string(mode)


def _write_classify(folder: Path) -> None:
    with v1.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], "examples")
        signature = v1.saved_model.classification_signature_def(examples, None, tf.strings.to_number(examples))
        _write(session, folder, {"serving_default": signature})


def _signature(inputs: dict, outputs: dict) -> object:
    return v1.saved_model.predict_signature_def(inputs, outputs)


def _write(session: object, folder: Path, signatures: dict, main_op: object = None) -> None:
    builder = v1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(
        session,
        ["serve"],
        signature_def_map=signatures,
        assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
        main_op=main_op,
    )
    builder.save()


if __name__ == "__main__":
    import tensorflow as tf

    v1 = tf.compat.v1
    v1.disable_eager_execution()
    _write_echo(Path(sys.argv[1]) / "echo")
    _write_slow(Path(sys.argv[1]) / "slow")
    _write_mixed(Path(sys.argv[1]) / "mixed")
    _write_faulty(Path(sys.argv[1]) / "faulty")
    _write_classify(Path(sys.argv[1]) / "classify")
