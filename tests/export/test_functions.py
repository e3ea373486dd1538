"""Live functions of TensorFlow: tf.function, ConcreteFunction, tf.Module, and models of tf-keras."""

from __future__ import annotations

import numpy as np
import pytest

from tfkit.errors import ModelError, SignatureError, UsageError
from tfkit.runtime import Runtime
from tfkit.savedmodel.reader import read_signatures

_KEPT: list[object] = []


def make(kind: str):
    """Runs in the process that holds TensorFlow."""
    import tensorflow as tf

    class Mixer(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(tf.reshape(tf.range(8.0), (4, 2)))
            self.words = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.0, 2.0]), -1.0)

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)])
        def __call__(self, x):
            return tf.matmul(x, self.kernel)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="texts")])
        def look_up(self, t):
            return {"found": self.words.lookup(t)}

        @tf.function
        def train(self, x):
            return x

    class Plain(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(3.0)

        def __call__(self, x, training=True):
            return (x * self.scale, {"more": x + 1.0})

    mixer = Mixer()
    _KEPT.append(mixer)  # its functions alone do not keep it
    spec = tf.TensorSpec((None, 3), tf.float32)
    functions = {
        "module": lambda: mixer,
        "method": lambda: mixer.look_up,
        "plain": Plain,
        "concrete": mixer.__call__.get_concrete_function,
        "nested": lambda: tf.function(
            lambda x, more, training=False: {"sum": x + more["a"], "pair": (x, more["b"])},
            input_signature=[spec, {"a": spec, "b": tf.TensorSpec((None,), tf.int32, name="beta")}],
        ),
        "keyword": lambda: tf.function(lambda x, factor=2.0, *, y: x * factor + y).get_concrete_function(
            spec, y=tf.TensorSpec((None, 3), tf.float32)
        ),
        "no signature": lambda: tf.function(lambda x: x * 2.0),
        "no shape": lambda: tf.function(lambda x: x, input_signature=[tf.TensorSpec(None, tf.float32)]),
        "ragged": lambda: tf.function(lambda x: x, input_signature=[tf.RaggedTensorSpec((None, None), tf.float32)]),
        "ragged output": lambda: tf.function(tf.RaggedTensor.from_tensor, input_signature=[spec]),
        "nothing": lambda: tf.function(lambda: tf.constant(1.0), input_signature=[]),
        "no output": lambda: tf.function(lambda x: None, input_signature=[spec]),
        "fails": lambda: tf.function(lambda x: tf.matmul(x, tf.zeros((7, 7))), input_signature=[spec]),
        "resource": lambda: tf.function(lambda x: 1.0, input_signature=[tf.TensorSpec((), tf.variant)]),
        "empty module": tf.Module,
        "layer": lambda: __import__("keras").layers.Dense(3),
        "class": lambda: Plain,
        "function": lambda: len,
    }
    return functions[kind]()


def export(kind, output, **options):
    """Runs in the process that holds TensorFlow."""
    from tfkit.export import export_model

    return export_model(make(kind), output, **options)


def predict(folder, signature, **inputs):
    with Runtime(device="cpu") as runtime:
        return runtime.load(folder).predict(inputs, signature=signature)


def names(folder):
    return {
        name: ([each.name for each in signature.inputs], [each.name for each in signature.outputs])
        for name, signature in read_signatures(folder).items()
    }


def test_all_functions_of_a_module_that_say_what_they_take_become_signatures(tmp_path, in_keras):
    report = in_keras(export, "module", tmp_path / "m")
    assert names(tmp_path / "m") == {
        "serving_default": (["x"], ["output_0"]), "look_up": (["texts"], ["found"]),
    }  # fmt: skip
    assert (report.source.kind, report.source.name) == ("tf.Module", "mixer")
    assert predict(tmp_path / "m", "look_up", texts=np.array([b"b", b"c"], object))["found"].tolist() == [2, -1]
    ones = predict(tmp_path / "m", "serving_default", x=np.ones((1, 4), np.float32))
    assert ones["output_0"].tolist() == [[12, 16]]


def test_signature_chooses_one_of_them(tmp_path, in_keras):
    in_keras(export, "module", tmp_path / "m", signature="look_up", rename={"found": "numbers", "t": "words"})
    assert names(tmp_path / "m") == {"look_up": (["words"], ["numbers"])}


def test_a_method_by_itself_brings_its_table(tmp_path, in_keras):
    in_keras(export, "method", tmp_path / "m", signature="ask")
    assert names(tmp_path / "m") == {"ask": (["texts"], ["found"])}
    assert predict(tmp_path / "m", "ask", texts=np.array([b"a"], object))["found"].tolist() == [1]


def test_names_follow_arguments_and_keys(tmp_path, in_keras):
    in_keras(export, "nested", tmp_path / "m")
    assert names(tmp_path / "m") == {"serving_default": (["beta", "more_a", "x"], ["pair_0", "pair_1", "sum"])}


@pytest.mark.parametrize(("kind", "inputs"), [("concrete", ["x"]), ("keyword", ["x", "y"])])
def test_concrete_functions(tmp_path, in_keras, kind, inputs):
    in_keras(export, kind, tmp_path / "m")
    assert names(tmp_path / "m") == {"serving_default": (inputs, ["output_0"])}


def test_samples_say_what_a_function_takes(tmp_path, in_keras):
    ones = np.arange(6, dtype=np.float32).reshape(2, 3)
    in_keras(export, "no signature", tmp_path / "f", inputs={"x": ones})
    assert predict(tmp_path / "f", "serving_default", x=ones)["output_0"].tolist() == (ones * 2).tolist()
    in_keras(export, "plain", tmp_path / "m", inputs={"x": ones})
    assert names(tmp_path / "m") == {"serving_default": (["x"], ["1_more", "output_0"])}


@pytest.mark.parametrize(
    ("kind", "error", "problem"),
    [
        ("no signature", ModelError, "has no input_signature"),
        ("plain", ModelError, "no function that says what it takes; its tf.functions: none"),
        ("empty module", ModelError, "no function that says what it takes"),
        ("no shape", UsageError, "has no number of dimensions"),
        ("ragged", ModelError, "takes a RaggedTensor"),
        ("ragged output", ModelError, "is a RaggedTensor"),
        ("nothing", ModelError, "takes no tensor"),
        ("no output", ModelError, "returns no tensor"),
        ("fails", ModelError, "cannot be made a graph"),
        ("resource", ModelError, "has dtype variant"),
        ("layer", UsageError, r"an object of keras\.src\.layers"),
        ("class", UsageError, r"an object of builtins\.type"),
        ("function", UsageError, r"an object of builtins\.builtin_function_or_method"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path, in_keras, kind, error, problem):
    with pytest.raises(error, match=problem):
        in_keras(export, kind, tmp_path / "out" / "m")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_function_that_is_not_there_is_named(tmp_path, in_keras):
    with pytest.raises(SignatureError, match="has no function 'lookup'") as caught:
        in_keras(export, "module", tmp_path / "m", signature="lookup")
    assert "look_up" in caught.value.hint


def test_options_for_files_mean_nothing_for_a_live_model(tmp_path, in_keras):
    for option in ({"architecture": "x.py"}, {"custom_objects": "x.py"}, {"allow_code": True}, {"tags": ("serve",)}):
        with pytest.raises(UsageError, match="means nothing for a live model"):
            in_keras(export, "module", tmp_path / "m", **option)


def legacy(kind):
    """Runs in the process that holds TensorFlow: a model of tf-keras."""
    import tensorflow as tf
    import tf_keras

    class Scorer(tf_keras.Model):
        def __init__(self):
            super().__init__(name="scorer")
            self.out = tf_keras.layers.Dense(2, kernel_initializer="glorot_normal")

        def call(self, features, training=None):
            return {"scores": self.out(features)}

    model = Scorer()
    if kind == "called":
        model(tf.zeros((1, 3)))
    return model


def export_legacy(kind, output, **options):
    """Runs in the process that holds TensorFlow."""
    from tfkit.export import export_model

    return export_model(legacy(kind), output, **options)


def test_a_subclassed_model_of_tf_keras(tmp_path, in_keras):
    report = in_keras(export_legacy, "called", tmp_path / "m")
    assert report.source.kind == "tf-keras model"
    assert "tf-keras" in report.versions
    in_keras(export_legacy, "new", tmp_path / "n", inputs={"features": np.eye(3, dtype=np.float32)})
    assert names(tmp_path / "n") == {"serving_default": (["features"], ["scores"])}
    with pytest.raises(ModelError, match="does not say what it takes"):
        in_keras(export_legacy, "new", tmp_path / "o")


def sequential(kind):
    import keras
    import tf_keras

    if kind == "tf-keras":
        model = tf_keras.Sequential([tf_keras.layers.LayerNormalization(axis=[1, 2], epsilon=0.01)])
        model(tf_keras.backend.zeros((2, 3, 4)))
        return model
    return keras.Sequential([keras.layers.Embedding(5, 3)])


def export_sequential(kind, output, **options):
    """Runs in the process that holds TensorFlow."""
    from tfkit.export import export_model

    return export_model(sequential(kind), output, **options)


def test_a_sequential_model_that_was_never_called_is_called_on_the_sample(tmp_path, in_keras):
    report = in_keras(export_sequential, "keras", tmp_path / "m", inputs={"ids": np.array([[1, 2], [0, 4], [3, 3]])})
    assert [str(spec) for spec in report.signature.inputs] == ["int64[?, 2]"]
    assert names(tmp_path / "m")["serving_default"][0] == ["ids"]


def test_a_sequential_model_of_tf_keras_takes_any_batch_size(tmp_path, in_keras):
    """The batch size of its first call means nothing; and its normalization over two axes runs in TensorFlow."""
    report = in_keras(export_sequential, "tf-keras", tmp_path / "m")
    assert [str(spec) for spec in report.signature.inputs] == ["float32[?, 3, 4]"]
    assert len(set(report.check.batch_sizes)) > 1
