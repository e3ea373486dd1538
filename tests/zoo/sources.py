"""Models by where they come from: graphs of TensorFlow 1, Estimators, assets, training beside serving."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tests.zoo.kinds import (
    RANDOM,
    Made,
    function,
    given,
    integers,
    kind,
    normal,
    randomise,
    rows,
    save_module,
    spec,
    weights,
)

v1 = tf.compat.v1


def _write_graph(
    folder: Path, session: Any, signatures: dict[str, tuple[dict[str, Any], dict[str, Any]]], **options: Any
) -> None:
    """Writes what a session holds as TensorFlow 1 does."""
    builder = v1.saved_model.Builder(str(folder))
    build = v1.saved_model.build_signature_def
    info = v1.saved_model.build_tensor_info
    builder.add_meta_graph_and_variables(
        session,
        ["serve"],
        {
            name: build(
                {key: info(tensor) for key, tensor in inputs.items()},
                {key: info(tensor) for key, tensor in outputs.items()},
                "tensorflow/serving/predict",
            )
            for name, (inputs, outputs) in signatures.items()
        },
        **options,
    )
    builder.save()


def _first_values(session: Any) -> None:
    session.run([v1.global_variables_initializer(), v1.tables_initializer()])


@kind
def tf1_ref_variables() -> Made:
    """A graph of TensorFlow 1 with RefVariables, training nodes still in it."""

    def save(folder: Path) -> None:
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None, 4], "x")
            labels = v1.placeholder(tf.int64, [None], "labels")
            w = v1.get_variable("w", initializer=RANDOM.randn(4, 3).astype("f"), use_resource=False)
            b = v1.get_variable("b", initializer=RANDOM.randn(3).astype("f"), use_resource=False)
            step = v1.train.get_or_create_global_step()
            logits = tf.matmul(x, w) + b
            loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
            v1.train.AdamOptimizer(0.1).minimize(loss, global_step=step)
            v1.summary.scalar("loss", loss)
            _first_values(session)
            outputs = {"scores": tf.nn.softmax(logits), "class": tf.argmax(logits, 1)}
            _write_graph(folder, session, {"serving_default": ({"x": x}, outputs)})

    return Made(save, given(x=normal(4)))


@kind
def tf1_control_flow() -> Made:
    """A graph of TensorFlow 1 with its own conditions and loops, of the old and of the functional kind."""

    def save(folder: Path, *, functional: bool = False) -> None:
        with tf.Graph().as_default(), v1.Session() as session:
            (v1.enable_control_flow_v2 if functional else v1.disable_control_flow_v2)()
            x = v1.placeholder(tf.float32, [None, 3], "x")
            w = v1.get_variable("w", initializer=RANDOM.randn(3, 3).astype("f"), use_resource=functional)
            y = v1.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, w), lambda: x - 1.0)
            _, y = v1.while_loop(
                lambda i, _: i < 4, lambda i, t: (i + 1, tf.tanh(tf.matmul(t, w))), [tf.constant(0), y]
            )
            _first_values(session)
            _write_graph(folder, session, {"serving_default": ({"x": x}, {"y": y, "mapped": tf.map_fn(tf.cumsum, x)})})
        v1.enable_control_flow_v2()

    return Made(save, [*given(x=normal(3)), *given(x=rows([1.0, 2.0, 3.0])), *given(x=rows([-1.0, -2.0, -3.0]))])


@kind
def tf1_partitioned() -> Made:
    """A graph of TensorFlow 1 with a partitioned embedding, batch normalization with resource variables, a table."""

    def save(folder: Path) -> None:
        with tf.Graph().as_default(), v1.Session() as session:
            ids = v1.placeholder(tf.int64, [None], "ids")
            words = v1.placeholder(tf.string, [None], "words")
            split = v1.fixed_size_partitioner(2)
            table = v1.get_variable(
                "table", [10, 3], initializer=v1.random_normal_initializer(seed=1), partitioner=split
            )
            names = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64)), -1
            )
            y = v1.nn.embedding_lookup(table, ids)
            mean = v1.get_variable("mean", initializer=RANDOM.randn(3).astype("f"), use_resource=True)
            y = tf.nn.batch_normalization(y, mean, tf.constant([0.5, 1.0, 2.0]), None, None, 1e-3)
            v1.add_to_collection("something", y)
            _first_values(session)
            outputs = {"y": y, "index": names.lookup(words)}
            _write_graph(
                folder,
                session,
                {"serving_default": ({"ids": ids, "words": words}, outputs)},
                main_op=v1.tables_initializer(),
            )

    return Made(save, given(ids=integers(0, 10, dtype="int64"), words=rows("a", "q", "b", "", "a")))


@kind
def estimator_like() -> Made:
    """What Estimators export: serialized Examples in, classes and scores out, three signatures over one graph."""

    def save(folder: Path) -> None:
        with tf.Graph().as_default(), v1.Session() as session:
            examples = v1.placeholder(tf.string, [None], "input_example_tensor")
            features = {"age": tf.io.FixedLenFeature([1], tf.float32), "city": tf.io.VarLenFeature(tf.string)}
            found = v1.io.parse_example(examples, features)
            hashed = tf.SparseTensor(
                found["city"].indices,
                tf.strings.to_hash_bucket_fast(found["city"].values, 12),
                found["city"].dense_shape,
            )
            table = v1.get_variable("city_embedding", initializer=RANDOM.randn(12, 3).astype("f"), use_resource=False)
            city = v1.nn.safe_embedding_lookup_sparse([table], hashed, combiner="mean")
            kernel = v1.get_variable("kernel", initializer=RANDOM.randn(4, 3).astype("f"), use_resource=False)
            logits = tf.matmul(tf.concat([found["age"] / 50.0, city], 1), kernel)
            scores = tf.nn.softmax(logits)
            classes = tf.tile(tf.constant([["low", "middle", "high"]]), [tf.shape(scores)[0], 1])
            best = tf.strings.as_string(tf.argmax(logits, 1))[:, tf.newaxis]
            _first_values(session)
            given_ = {"inputs": examples}
            signatures = {
                "serving_default": (given_, {"classes": classes, "scores": scores}),
                "predict": ({"examples": examples}, {"logits": logits, "class_ids": best, "probabilities": scores}),
                "regression": (given_, {"outputs": logits[:, 0]}),
            }
            _write_graph(folder, session, signatures)

    def data(size: int) -> np.ndarray:
        examples = []
        for at in range(size):
            message = tf.train.Example()
            message.features.feature["age"].float_list.value.append(20.0 + 9 * at)
            message.features.feature["city"].bytes_list.value.extend([b"x", b"berlin", b""][: (at + size) % 4])
            examples.append(message.SerializeToString())
        return np.array(examples, object)

    runs = [*given(inputs=data), *given("predict", examples=data), *given("regression", inputs=data)]
    return Made(save, runs)


@kind
def file_table() -> Made:
    """A vocabulary in a file that travels as an asset, with buckets for unknown words."""
    words = Path(tempfile.mkdtemp()) / "words.txt"
    words.write_text("red\ngreen\nblue\n")
    whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    to_number = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(str(words), tf.string, whole, tf.int64, line), 2
    )
    to_word = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(words), tf.int64, line, tf.string, whole), "?"
    )

    def serve(s: tf.Tensor, i: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": to_number.lookup(s), "word": to_word.lookup(i), "size": to_number.size()}

    runs = given(s=rows("red", "violet", "blue", "", "green"), i=integers(-1, 5, dtype="int64"))
    return function(serve, [spec("string"), spec("int64")], runs, keep=[to_number, to_word])


@kind
def keras_vocabulary_file() -> Made:
    """Keras's StringLookup and TextVectorization over vocabulary files."""
    words = Path(tempfile.mkdtemp()) / "vocabulary.txt"
    words.write_text("red\ngreen\nblue\n")
    x = keras.Input((1,), dtype="string", name="x")
    y = layers.Embedding(9, 3)(layers.StringLookup(vocabulary=str(words))(x))
    z = layers.Embedding(9, 3)(layers.TextVectorization(vocabulary=str(words), output_sequence_length=4)(x))
    model = keras.Model(x, layers.Concatenate(1)([y, z]))
    randomise(model)
    texts = rows(["red"], ["a Green, green day"], [""], ["blue red"], ["violet"])
    return Made(lambda folder: model.export(folder, verbose=False), given(x=texts))


@kind
def mutable_tables() -> Made:
    """Hash tables that are filled while serving: a mutable one and a dense one."""
    mutable = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    dense = tf.lookup.experimental.DenseHashTable(tf.int64, tf.float32, -1.0, empty_key=-1, deleted_key=-2)

    def serve(s: tf.Tensor, i: tf.Tensor) -> dict[str, tf.Tensor]:
        mutable.insert(s, i)
        dense.insert(i, tf.cast(i, tf.float32) * 0.5)
        return {
            "first": mutable.lookup(tf.strings.join([s, ""])),
            "other": mutable.lookup(["nobody"]),
            "dense": dense.lookup(i),
        }

    runs = given(s=rows("a", "b", "c", "d", "e", "f"), i=rows(5, 3, 8, 1, 7, 2, dtype="int64"))
    return function(serve, [spec("string"), spec("int64")], runs, keep=[mutable, dense])


@kind
def several_signatures() -> Made:
    """Three signatures that share a variable, and one that changes nothing."""
    holder = tf.Module()
    holder.w = weights(4, 3)

    @tf.function(input_signature=[spec("float32", 4)])
    def scores(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": tf.nn.softmax(tf.matmul(x, holder.w))}

    @tf.function(input_signature=[spec("float32", 4)])
    def best(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"best": tf.argmax(scores(x)["scores"], 1), "x": x}

    @tf.function(input_signature=[spec("int32")])
    def column(at: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"column": tf.gather(tf.transpose(holder.w), at)}

    runs = [*given(x=normal(4)), *given("best", x=normal(4)), *given("column", at=integers(0, 3))]
    return Made(lambda folder: save_module(holder, folder, serving_default=scores, best=best, column=column), runs)


@kind
def with_training() -> Made:
    """A model saved whole: its optimizer, its metrics and a training step lie beside what is served."""
    holder = tf.Module()
    holder.model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dense(3)]
    )
    randomise(holder.model)
    holder.optimizer = keras.optimizers.Adam(0.01)
    holder.optimizer.build(holder.model.trainable_variables)
    holder.step = tf.Variable(0, dtype=tf.int64)

    @tf.function(input_signature=[spec("float32", 4), spec("float32", 3)])
    def train(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(holder.model(x, training=True) - y))
        variables = holder.model.trainable_variables
        holder.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        holder.step.assign_add(1)
        return loss

    @tf.function(input_signature=[spec("float32", 4)])
    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": holder.model(x, training=False)}

    holder.kept = [variable.value for variable in (*holder.model.variables, *holder.optimizer.variables)]
    holder.train, holder.serve = train, serve
    train(tf.constant(RANDOM.randn(8, 4), tf.float32), tf.constant(RANDOM.randn(8, 3), tf.float32))
    return Made(lambda folder: save_module(holder, folder, serving_default=serve), given(x=normal(4)))


@kind
def no_variables() -> Made:
    """A model without variables: constants alone, one of them large."""
    table = RANDOM.randn(64, 64).astype("f")

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.matmul(x, tf.constant(table))}

    return function(serve, [spec("float32", 64)], given(x=normal(64)))


@kind
def shared_and_odd_names() -> Made:
    """Names with slashes, dots and dashes; an input that is an output; an input nobody uses; a constant output."""
    holder = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 2], name="a-b.c"), tf.TensorSpec([None, 2], name="unused")])
    def serve(given_: tf.Tensor, unused: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"out/one": given_ * 2.0, "same.thing": given_, "fixed-value": tf.constant([1.0, 2.0])}

    holder.serve = serve
    return Made(
        lambda folder: save_module(holder, folder, serving_default=serve),
        given(**{"a-b.c": normal(2), "unused": normal(2)}),
    )


@kind
def many_variables() -> Made:
    """Variables of many dtypes, among them strings, booleans and scalars."""
    held = {
        "float64": tf.Variable(RANDOM.randn(3)),
        "int64": tf.Variable([1, 2, 3], dtype=tf.int64),
        "bool": tf.Variable([True, False, True]),
        "text": tf.Variable(["a", "größe", "a text of more than twenty-two bytes"]),
        "scalar": tf.Variable(2.5),
        "half": tf.Variable(np.float16([1.5, -2, 0.25])),
        "uint8": tf.Variable(np.uint8([7, 255, 0])),
    }

    def serve(i: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.gather(tf.reshape(value, [-1]), i % tf.size(value)) for name, value in held.items()}

    return function(serve, [spec("int32")], given(i=integers(0, 3)), keep=held)


@kind
def random_numbers() -> Made:
    """Random numbers that are always the same: stateless ones, and Keras's dropout that is off."""

    def serve(x: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        noise = tf.random.stateless_normal(tf.shape(x), seed)
        return {"y": x + noise, "uniform": tf.random.stateless_uniform([4], seed, 0, 9, tf.int32)}

    runs = given(x=normal(3), seed=lambda _: np.array([3, 4], np.int32))
    return function(serve, [spec("float32", 3), tf.TensorSpec([2], "int32")], runs)
