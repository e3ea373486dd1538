"""Makes the SavedModels of these tests with the real TensorFlow and Keras: ``python make_models.py FOLDER``.

A process of its own: a test process that has imported TensorFlow could load no runtime.
"""

import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
from keras import layers

WORDS = ["red", "green", "blue"]


def keras_models(folder):
    def save(name, inputs, outputs):
        keras.Model(inputs, outputs, name=name).export(folder / name, verbose=False)

    def one(name, dtype, layer, shape=(1,)):
        given = keras.Input(shape, dtype=dtype, name="x")
        save(name, [given], layer(given))

    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    one("embedding_int32", "int32", layers.Embedding(50, 3), (4,))
    one("embedding_int64", "int64", layers.Embedding(51, 3), (4,))
    one("embedding_float", "float32", layers.Embedding(52, 3, mask_zero=True), (4,))
    one("string_lookup", "string", layers.StringLookup(vocabulary=WORDS))
    one("string_lookup_closed", "string", layers.StringLookup(vocabulary=WORDS, num_oov_indices=0))
    one("string_lookup_buckets", "string", layers.StringLookup(vocabulary=WORDS, num_oov_indices=3))
    one("string_lookup_file", "string", layers.StringLookup(vocabulary=str(folder / "words.txt")))
    one("integer_lookup", "int64", layers.IntegerLookup(vocabulary=[10, 20, 30], output_mode="one_hot"))
    one("text_vectorization", "string", layers.TextVectorization(vocabulary=WORDS, output_sequence_length=5))
    for name, options in {"text_ngrams": {"ngrams": 2}, "text_characters": {"split": "character"}}.items():
        one(name, "string", layers.TextVectorization(vocabulary=WORDS, output_sequence_length=5, **options))
    one("category_one_hot", "int32", layers.CategoryEncoding(num_tokens=7, output_mode="one_hot"))
    one("category_multi_hot", "int32", layers.CategoryEncoding(num_tokens=7, output_mode="multi_hot"), (3,))
    one("hashing", "string", layers.Hashing(9))
    one("discretization", "float32", layers.Discretization([0.0, 1.0]))

    ids = keras.Input((4,), dtype="int32", name="ids")
    word = keras.Input((1,), dtype="string", name="word")
    size = keras.Input((2,), dtype="float32", name="size")
    words = layers.Embedding(6, 2)(layers.StringLookup(vocabulary=WORDS)(word))
    joined = [layers.Flatten()(layers.Embedding(12, 3)(ids)), layers.Flatten()(words), size]
    save("three_inputs", [ids, word, size], layers.Dense(2)(layers.Concatenate()(joined)))


def module(folder, name, function, *specs):
    """Saves a function of TensorFlow 2 with the variables that it names."""
    holder = tf.Module()
    holder.table = tf.Variable(tf.ones([20, 2]))
    holder.serve = tf.function(lambda *arguments: {"y": function(holder, *arguments)}, input_signature=specs)
    tf.saved_model.save(holder, str(folder / name), signatures={"serving_default": holder.serve})


def functions(folder):
    ints = tf.TensorSpec([None], tf.int32, "x")
    texts = tf.TensorSpec([None], tf.string, "x")

    def branches(holder, x):
        return tf.cond(
            tf.shape(x)[0] > 1,
            lambda: tf.gather(holder.table, tf.concat([x, x], 0)),
            lambda: tf.gather(holder.table, tf.stack([x, x])[0]),
        )

    def loop(holder, x):
        def body(at, total, ids):
            return at + 1, total + tf.gather(holder.table, ids), ids

        return tf.while_loop(lambda at, *_: at < 3, body, [0, tf.zeros([tf.shape(x)[0], 2]), x])[1]

    def cases(holder, x):
        return tf.switch_case(tf.shape(x)[0] % 2, [lambda: tf.gather(holder.table, x), lambda: tf.zeros([1, 2])])

    def moved(holder, x):
        left, _ = tf.split(tf.tile(tf.expand_dims(tf.cast(x, tf.int64), 0), [2, 1]), 2)
        unique, _ = tf.unique(tf.reshape(tf.transpose(tf.squeeze(left, 0)), [-1]))
        return tf.gather(tf.identity(holder.table), unique)

    def decode(one):
        return tf.image.decode_png(one, channels=3)

    module(folder, "branches", branches, ints)
    module(folder, "loop", loop, ints)
    module(folder, "cases", cases, ints)
    module(folder, "moved", moved, ints)
    module(folder, "columns", lambda holder, x: tf.gather(holder.table, x, axis=1), ints)
    module(folder, "constant_table", lambda _, x: tf.gather(tf.range(33), x), ints)
    module(folder, "coordinates", lambda h, x: tf.gather_nd(h.table, x), tf.TensorSpec([None, 2], tf.int32, "x"))
    module(folder, "segments", lambda _, x: tf.math.unsorted_segment_sum(tf.ones_like(x), x, 6), ints)
    module(folder, "modulo", lambda holder, x: tf.gather(holder.table, tf.math.floormod(x, 20)), ints)
    module(folder, "clipped", lambda holder, x: tf.gather(holder.table, tf.clip_by_value(x, 0, 19)), ints)
    module(folder, "digits", lambda _, x: tf.strings.to_number(x), texts)
    module(folder, "picture", lambda _, x: tf.image.decode_jpeg(x[0], channels=3), texts)
    module(folder, "pictures", lambda _, x: tf.map_fn(decode, x, fn_output_signature=tf.uint8), texts)
    module(folder, "narrowest", lambda h, x: tf.gather(h.table, x)[:, 0] + tf.gather(tf.range(9.0), x), ints)


def parsers(folder):
    """Inputs that are serialized Examples, for each of the ops that parse them."""
    texts, text = tf.TensorSpec([None], tf.string, "x"), tf.TensorSpec([], tf.string, "x")
    fixed = {
        "size": tf.io.FixedLenFeature([2, 3], tf.float32),
        "id": tf.io.FixedLenFeature([], tf.int64),
        "word": tf.io.FixedLenFeature([1], tf.string),
    }
    context = {"id": tf.io.FixedLenFeature([], tf.int64), "tags": tf.io.VarLenFeature(tf.string)}
    steps = {"at": tf.io.FixedLenSequenceFeature([2], tf.float32), "ids": tf.io.VarLenFeature(tf.int64)}

    def dense(found):
        return [tf.sparse.to_dense(each) if isinstance(each, tf.SparseTensor) else each for each in found.values()]

    def numbers(parts):
        return tf.add_n([tf.reduce_sum(tf.cast(each, tf.float32)) for each in parts if each.dtype != tf.string])

    def example(holder, x):
        lists = {
            "ids": tf.io.VarLenFeature(tf.int64),
            "weights": tf.io.VarLenFeature(tf.float32),
            "rows": tf.io.FixedLenSequenceFeature([2], tf.float32, allow_missing=True),
            "ragged": tf.io.RaggedFeature(tf.int64),
        }
        found = tf.io.parse_example(tf.reshape(tf.identity(x), [-1]), fixed | lists)
        words = tf.nn.embedding_lookup_sparse(holder.table, found["ids"], found["weights"])
        spread = tf.gather(tf.range(7.0), found.pop("ragged").flat_values)
        return numbers([words, spread, tf.gather(tf.range(5.0), found["id"]), *dense(found)])

    def pictures(_, x):
        found = tf.io.parse_example(x, {"picture": tf.io.FixedLenFeature([], tf.string)})["picture"]
        return tf.map_fn(lambda one: tf.image.decode_jpeg(one, channels=3), found, fn_output_signature=tf.uint8)

    def one(holder, x):
        found = tf.io.parse_single_example(x, fixed)
        return numbers([tf.gather(holder.table, found["id"]), *dense(found)])

    def sequences(parse):
        def run(holder, x):
            found, listed, *_ = parse(x, context, steps)
            ids = tf.sparse.to_dense(listed.pop("ids"))
            return numbers([tf.gather(holder.table, found["id"]), *dense(found), *dense(listed)]) + numbers([ids])

        return run

    def each(holder, x):
        return tf.map_fn(lambda row: one(holder, row), x, fn_output_signature=tf.float32)

    module(folder, "example", example, texts)
    module(folder, "example_pictures", pictures, texts)
    module(folder, "example_one", one, text)
    module(folder, "examples_mapped", each, texts)
    module(folder, "sequence", sequences(tf.io.parse_sequence_example), texts)
    module(folder, "sequence_one", sequences(tf.io.parse_single_sequence_example), text)


def tensorflow_1(folder):
    """Graphs as TensorFlow 1 wrote them: reference-free variables, Switch and Merge, tables in the main graph."""
    v1 = tf.compat.v1

    def save(name, build, dtype):
        graph = tf.Graph()
        with graph.as_default(), v1.Session(graph=graph) as session:
            x = v1.placeholder(dtype, [None], name="x")
            y = build(x)
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            v1.saved_model.simple_save(
                session, str(folder / name), {"x": x}, {"y": y}, legacy_init_op=v1.tables_initializer()
            )

    def partitioned(x):
        table = v1.get_variable(
            "table", [21, 2], partitioner=v1.fixed_size_partitioner(3), initializer=v1.ones_initializer()
        )
        return v1.gather(tf.convert_to_tensor(table), x)

    def reference_variable(x):
        table = v1.get_variable("table", [22, 2], use_resource=False, initializer=v1.ones_initializer())
        return v1.cond(tf.size(x) > 1, lambda: v1.gather(table, x), lambda: v1.gather(table, x) * 2)

    def table_file(x):
        table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                str(folder / "words.txt"),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            num_oov_buckets=1,
        )
        return table.lookup(x)

    def table_without_buckets(x):
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(WORDS, tf.constant([0, 1, 2])), -1)
        return tf.gather(tf.constant([5.0, 6.0, 7.0]), table.lookup(x))

    def example_1(x):
        types = {"sparse_types": [tf.string], "dense_shapes": [[], [None, 2]]}
        sparse, dense = ["tags"], ["id", "rows"]
        parsed = tf.raw_ops.ParseExample(
            serialized=x,
            names=[],
            sparse_keys=sparse,
            dense_keys=dense,
            dense_defaults=[tf.constant([], tf.int64), tf.constant([0.0])],
            **types,
        )
        return tf.gather(tf.constant([5.0, 6.0, 7.0]), parsed.dense_values[0])

    def one_example_1(x):
        parsed = tf.raw_ops.ParseSingleExample(
            serialized=x[0],
            dense_defaults=[tf.constant([], tf.int64)],
            num_sparse=1,
            sparse_keys=["tags"],
            dense_keys=["id"],
            sparse_types=[tf.string],
            dense_shapes=[[]],
        )
        return tf.gather(tf.constant([5.0, 6.0, 7.0]), parsed.dense_values[0])

    v1.disable_control_flow_v2()
    save("partitioned", partitioned, tf.int32)
    save("reference_variable", reference_variable, tf.int64)
    save("table_file", table_file, tf.string)
    save("table_without_buckets", table_without_buckets, tf.string)
    save("example_1", example_1, tf.string)
    save("one_example_1", one_example_1, tf.string)


def main():
    folder = Path(sys.argv[1])
    keras_models(folder)
    functions(folder)
    parsers(folder)
    tensorflow_1(folder)


if __name__ == "__main__":
    main()
