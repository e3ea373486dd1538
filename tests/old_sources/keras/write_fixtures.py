"""Writes the fixtures of one old Keras, with that very Keras: models as ``.h5`` files, and what it computes of them.

Needs the old Python that its TensorFlow was made for, in an environment of its own:

    python3.6 -m venv old && old/bin/pip install "pip==21.3.1" && old/bin/pip install "tensorflow==1.12.3" ...
    old/bin/python tests/old_sources/keras/write_fixtures.py

    Keras               TensorFlow                Python   beside it
    keras==2.0.8        tensorflow==1.12.3        3.6      pyyaml scipy "protobuf<3.20" "numpy<1.17" "h5py<3"
    keras==2.2.4        tensorflow==1.12.3        3.6      pyyaml scipy "protobuf<3.20" "numpy<1.17" "h5py<3"
    tf.keras of 1.15    tensorflow==1.15.5        3.7      "protobuf<3.21" "numpy<1.19" "h5py<3"
    tf.keras of 2.3     tensorflow-cpu==2.3.4     3.7      "protobuf<3.21" "numpy<1.19"
    tf.keras of 2.7     tensorflow-cpu==2.7.4     3.8      "protobuf<3.21" "numpy<1.22"
    tf.keras of 2.10    tensorflow-cpu==2.10.1    3.10     "numpy<1.25"
    tf.keras of 2.15    tensorflow-cpu==2.15.1    3.10     "numpy<1.25"

What it writes below ``fixtures/keras_VERSION`` or ``fixtures/tf_keras_VERSION``:

    NAME.h5          the model of the function ``NAME`` below
    NAME.keras       the same in the new format, which tf.keras of 2.15 has already
    recorded.json    for each model inputs and outputs, by the names that this Keras has for them, as base64

Models that a version cannot build or run are left out; the script says so. Written for Python 3.6.
"""

import base64
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tensorflow as tf

try:
    import keras as k

    if tuple(map(int, k.__version__.split(".")[:2])) > (2, 3):  # from then on it is a part of tf.keras
        raise ImportError
    NAME = "keras_" + k.__version__
except ImportError:
    from tensorflow import keras as k

    NAME = "tf_keras_" + ".".join(tf.__version__.split(".")[:2])

layers = k.layers
Model, Sequential = k.models.Model, k.models.Sequential
FOLDER = Path(__file__).parent / "fixtures" / NAME
RANDOM = np.random.RandomState(5)
BATCHES = (3, 2)
MODELS = {}
# Written in the new format as well, from the HDF5 files that are there.
IN_NEW_FORMAT = ("branches", "activations", "operations", "nested", "text") if NAME == "tf_keras_2.15" else ()
# Left out where another version writes the same: every kind of model is there of the first and the last.
LEFT_OUT = {
    "keras_2.2.4": "signal images",
    "tf_keras_1.15": "signal film activations",
    "tf_keras_2.3": "signal film enlarged translator attention recurrent cudnn stateful",
    "tf_keras_2.7": "signal film enlarged activations images translator",
    "tf_keras_2.10": "signal film enlarged activations images translator recurrent branches stateful attention cudnn "
    "no_shape",
}


def model(*makers, **options):
    """Registers a model, with what makes each of its inputs from a batch size."""

    def register(build):
        MODELS[build.__name__] = (build, makers, options.get("training", 0))
        return build

    return register


def floats(*shape):
    return lambda batch: RANDOM.randn(batch, *shape).astype("float32")


def sequences(*shape):
    """Sequences of floats whose steps at the end, and one in the middle, are left out: zeros."""

    def make(batch):
        array = floats(*shape)(batch)
        array[0, -2:] = 0
        array[-1, 2] = 0
        return array

    return make


def words(length, known, dtype="float32"):
    """Numbers of words; 0 where there is none: at the end, in front, and nowhere."""

    def make(batch):
        array = RANDOM.randint(1, known, (batch, length)).astype(dtype)
        array[0, length // 2 :] = 0
        array[1, :2] = 0
        return array

    return make


def sized(size):
    return lambda batch: RANDOM.randn(size, 5, 3).astype("float32")


@model(floats(12, 12, 2), training=2)
def cnn():
    return Sequential(
        [
            layers.Conv2D(4, 3, padding="same", activation="relu", input_shape=(12, 12, 2), name="first"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Conv2D(5, (3, 2), strides=(2, 1), use_bias=False),
            layers.BatchNormalization(epsilon=0.01, scale=False),
            layers.Activation("softsign"),
            layers.Dropout(0.3),
            layers.AveragePooling2D(2, padding="same"),
            layers.Flatten(),
            layers.Dense(4),
            layers.Dense(3, activation="softmax", name="probabilities"),
        ]
    )


@model(floats(8, 8, 3))
def images():
    """Layers whose defaults and paddings changed over time, as a graph."""
    x = layers.Input((8, 8, 3), name="image")
    a = layers.SeparableConv2D(4, 3, depth_multiplier=2, padding="same", name="separable")(x)
    a = layers.PReLU(shared_axes=[1, 2], alpha_initializer=k.initializers.RandomUniform(0, 0.5))(a)
    b = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="elu")(x)
    b = layers.Cropping2D(((3, 5), (4, 4)))(b)
    c = layers.Conv2DTranspose(2, (2, 3), strides=(2, 1), padding="valid")(layers.MaxPooling2D(2)(x))
    c = layers.LeakyReLU(alpha=0.2)(layers.ZeroPadding2D(((0, 0), (1, 1)))(c))
    d = layers.UpSampling2D((2, 2))(layers.AveragePooling2D(3, 2, padding="same")(x))
    d = layers.ELU(alpha=0.7)(layers.Conv2D(2, 3, dilation_rate=2, padding="same")(d))
    if hasattr(layers, "DepthwiseConv2D"):
        d = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(d)
    joined = layers.Concatenate()([a, b, c, d])
    joined = layers.ThresholdedReLU(theta=0.1)(layers.SpatialDropout2D(0.2)(joined))
    most, mean = layers.GlobalMaxPooling2D()(joined), layers.GlobalAveragePooling2D()(joined)
    merged = layers.Average()([most, layers.Multiply()([most, mean]), layers.Maximum()([most, mean])])
    last = layers.Add(name="sum")([layers.GaussianNoise(0.1)(merged), mean])
    return Model(x, [last, layers.Dot(axes=1, normalize=True, name="cosine")([most, mean])])


@model(floats(9, 9, 3), words(9, 6))
def branches():
    """Layers that are the same in Keras 3, as a graph in which one is used twice."""
    x, ids = layers.Input((9, 9, 3), name="x"), layers.Input((9,), name="ids")
    twice = layers.Conv2D(4, 3, padding="same", activation="elu", name="twice")
    a = layers.SeparableConv2D(3, 3, strides=2, padding="same", depth_multiplier=2, activation="sigmoid")(x)
    a = twice(layers.BatchNormalization()(a))
    b = twice(layers.MaxPooling2D(3, strides=2, padding="same")(layers.ZeroPadding2D(((1, 0), (0, 2)))(x)))
    b = layers.Permute((2, 1, 3))(layers.Cropping2D(((0, 0), (1, 0)))(b))
    c = layers.Conv1D(4, 3, padding="causal", activation="tanh")(layers.Embedding(6, 5)(ids))
    c = layers.RepeatVector(5)(layers.GlobalAveragePooling1D()(layers.UpSampling1D(2)(c)))
    c = layers.Reshape((5, 1, 4))(layers.AveragePooling1D(3, strides=1, padding="same")(c))
    mixed = layers.Concatenate(axis=-1)([layers.Add()([a, b]), layers.Multiply()([a, b]), layers.Maximum()([a, b])])
    last = layers.Dense(3, activation="softplus", name="last")(layers.SpatialDropout2D(0.5)(mixed))
    return Model([x, ids], [layers.GlobalMaxPooling2D(name="most")(last), layers.Activation("selu", name="c")(c)])


@model(floats(12, 4))
def signal():
    x = layers.Input((12, 4))
    a = layers.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="selu")(x)
    a = layers.BatchNormalization()(a)
    b = layers.Conv1D(3, 5, strides=2, padding="same", activation="softplus")(layers.UpSampling1D(2)(x))
    c = layers.LocallyConnected1D(3, 3)(layers.ZeroPadding1D(1)(x)) if hasattr(layers, "LocallyConnected1D") else a
    if hasattr(layers, "SeparableConv1D"):
        c = layers.SeparableConv1D(3, 3, padding="same")(c)
    joined = layers.Concatenate(axis=1)([a, b, c])
    joined = layers.Permute((2, 1))(layers.MaxPooling1D(2)(joined))
    last = layers.Reshape((-1, 2))(layers.RepeatVector(2)(layers.GlobalMaxPooling1D()(joined)))
    return Model(x, layers.Dense(2, activation="softmax")(last))


@model(floats(4, 5, 2))
def enlarged():
    """Other pixels in Keras on TensorFlow 1 than later."""
    x = layers.Input((4, 5, 2), name="x")
    return Model(x, [layers.UpSampling2D((2, 3), interpolation=each)(x) for each in ("nearest", "bilinear")])


@model(floats(6))
def activations():
    """``hard_sigmoid`` is another function in Keras 3; the others must stay what they are."""
    x = layers.Input((6,), name="x")
    names = ["hard_sigmoid", "sigmoid", "softsign", "elu", "selu", "softmax", "tanh", "relu", "linear"]
    if hasattr(layers, "Softmax"):
        names += ["exponential"]
    return Model(
        x, [layers.Dense(3, activation=name, name="with_" + name, kernel_initializer="he_normal")(x) for name in names]
    )


@model(words(7, 9), floats(5))
def text():
    """Words and numbers in, two answers out; masks go through everything."""
    ids = layers.Input((7,), name="ids")
    facts = layers.Input((5,), name="facts")
    embedded = layers.Embedding(9, 6, mask_zero=True, name="vectors")(ids)
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both_ways")(embedded)
    both = layers.TimeDistributed(layers.Dense(5, activation="tanh"), name="each_step")(both)
    last = layers.GRU(4, name="gru")(both)
    state = layers.Dense(4)(facts)
    other = layers.LSTM(4, return_sequences=True, name="lstm")(embedded, initial_state=[state, state])
    tags = layers.Dense(3, activation="softmax", name="tags")(other)
    return Model([ids, facts], [layers.Dense(2, activation="sigmoid", name="mood")(last), tags])


@model(sequences(6, 3))
def recurrent():
    """Every recurrent layer with both sigmoids, with and without a mask."""
    x = layers.Input((6, 3), name="x")
    masked = layers.Masking(0.0)(x)
    old = {"reset_after": False} if RESETS else {}
    made = [
        layers.LSTM(2, recurrent_activation="hard_sigmoid", unroll=True)(x),
        layers.GRU(2, recurrent_activation="hard_sigmoid", implementation=2, **old)(x),
        layers.SimpleRNN(2, go_backwards=True)(x),
        layers.LSTM(2, recurrent_activation="hard_sigmoid")(masked),
        layers.LSTM(2, recurrent_activation="sigmoid", return_sequences=True)(masked),
        layers.GRU(2, recurrent_activation="hard_sigmoid", **old)(masked),
        layers.GRU(2, recurrent_activation="sigmoid", return_sequences=True, **old)(masked),
        layers.Bidirectional(layers.GRU(2), merge_mode="sum")(masked),
        layers.LSTM(2, use_bias=False)(layers.GRU(2, return_sequences=True)(masked)),
    ]
    if RESETS:
        made += [
            layers.GRU(2, recurrent_activation="hard_sigmoid", reset_after=True)(x),
            layers.GRU(2, recurrent_activation="sigmoid", reset_after=True)(masked),
        ]
    return Model(x, made)


@model(floats(5, 3), floats(4, 3))
def translator():
    """The last states of one layer are the first of another."""
    x, y = layers.Input((None, 3), name="source"), layers.Input((None, 3), name="target")
    _, h, c = layers.LSTM(3, return_state=True, name="encoder")(x)
    decoded = layers.LSTM(3, return_sequences=True, name="decoder")(y, initial_state=[h, c])
    return Model([x, y], layers.TimeDistributed(layers.Dense(2))(decoded))


@model(floats(3, 6, 6, 2))
def film():
    return Sequential(
        [
            layers.TimeDistributed(layers.Conv2D(3, 3, activation="relu"), input_shape=(3, 6, 6, 2)),
            layers.TimeDistributed(layers.BatchNormalization()),
            layers.ConvLSTM2D(2, 2, padding="same", return_sequences=True),
            layers.Conv3D(2, 2),
            layers.MaxPooling3D((1, 2, 2), padding="same"),
            layers.Flatten(),
        ]
    )


@model(floats(6), floats(6))
def nested():
    """Models in a model, one of them used twice, some of it frozen."""
    part = Sequential([layers.Dense(4, input_shape=(6,)), layers.BatchNormalization(), layers.Activation("relu")])
    inner = layers.Input((4,))
    twin = Model(inner, layers.Add()([layers.Dense(4, name="shared.kernel")(inner), inner]), name="twin")
    outer = layers.Input((6,))
    whole = Model(outer, twin(part(outer)), name="whole")
    part.layers[0].trainable = False
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    return Model([b, a], layers.Concatenate(name="joined")([whole(a), whole(b), twin(layers.Dense(4)(a))]))


@model(sized(4))
def stateful():
    """Recorded from the beginning; what it keeps between calls is not."""
    return Sequential(
        [
            layers.LSTM(3, stateful=True, return_sequences=True, batch_input_shape=(4, 5, 3), name="keeps"),
            layers.GRU(2, stateful=True),
        ]
    )


@model(floats(2, 8, 9))
def channels_first():
    # tf.keras runs such models on GPUs only, but for those layers that transpose.
    order = {"data_format": "channels_first"}
    return Sequential(
        [
            layers.Conv2D(3, 3, padding="same", input_shape=(2, 8, 9), **order),
            layers.BatchNormalization(axis=1),
            layers.MaxPooling2D(2, **order),
            layers.Activation("relu"),
            layers.UpSampling2D(2, **order),
            layers.ZeroPadding2D(1, **order),
            layers.AveragePooling2D(2, **order),
            layers.Conv2DTranspose(2, 3, **order),
            layers.GlobalAveragePooling2D(**order),
        ]
    )


@model(floats(4))
def no_shape():
    """A model that learns what it takes when it is built, which its file did not say for long."""
    made = Sequential([layers.Dense(3, activation="relu"), layers.BatchNormalization(), layers.Dense(2)])
    made.build((None, 4))
    return made


@model(words(6, 7))
def cudnn():
    """Layers that run on GPUs only: what they compute is recorded from their twins, which take their weights."""
    home = layers if hasattr(layers, "CuDNNLSTM") else tf.compat.v1.keras.layers
    return _cudnn(home.CuDNNLSTM, home.CuDNNGRU, {}, {})


def cudnn_twin():
    sigmoid = {"recurrent_activation": "sigmoid"}
    return _cudnn(layers.LSTM, layers.GRU, sigmoid, {"reset_after": True, "recurrent_activation": "sigmoid"})


def _cudnn(lstm, gru, of_lstm, of_gru):
    return Sequential(
        [
            layers.Embedding(7, 4, input_length=6),
            layers.Bidirectional(lstm(3, return_sequences=True, **of_lstm)),
            gru(3, return_sequences=True, **of_gru),
            lstm(2, **of_lstm),
        ]
    )


@model(floats(6, 4))
def operations():
    """TensorFlow's own operations among the layers."""
    if NAME.startswith("keras_") or tf.__version__.startswith("1."):
        raise NotImplementedError("layers only")
    x = layers.Input((6, 4), name="x")
    y = layers.Dense(4)(x * 2.0 + 1.0)
    y = tf.nn.relu(y)[:, 1:, ::2] - tf.reduce_mean(y, axis=-1, keepdims=True)[:, 1:]
    z = tf.concat([y, tf.math.sigmoid(tf.transpose(y, [0, 2, 1]) @ y)], axis=1)
    return Model(x, [tf.reshape(z, [-1, 14]), layers.Dense(2)(tf.square(z))])


@model(floats(5, 8), floats(1))
def attention():
    x, raw = layers.Input((5, 8), name="x"), layers.Input((1,), name="raw")
    y = layers.LayerNormalization()(x)
    y = layers.Attention(use_scale=True)([y, x]) + layers.AdditiveAttention()([x, y])
    if hasattr(layers, "MultiHeadAttention"):
        y = layers.MultiHeadAttention(2, 3, value_dim=2)(y, x, return_attention_scores=False)
    scaled = layers.Rescaling(0.5, offset=1.0)(raw) if hasattr(layers, "Rescaling") else layers.ReLU()(raw)
    if hasattr(layers, "Normalization"):
        scaled = layers.Normalization(mean=[2.0], variance=[3.0])(scaled)
    return Model([x, raw], [layers.GlobalAveragePooling1D()(y), scaled])


RESETS = "reset_after" in layers.GRU(1).get_config()


def settle(made):
    """Random weights, also where a new model has zeros and ones; variances and scales stay positive."""
    for layer in made.layers:
        values = []
        for weight, value in zip(layer.weights, layer.get_weights()):  # noqa: B905  # Python 3.6 has no strict
            drawn = np.asarray(RANDOM.randn(*value.shape)) * 0.4
            positive = any(word in weight.name for word in ("variance", "gamma"))
            values.append(np.abs(drawn) + 0.5 if positive else drawn)
        layer.set_weights(values)


def predict(made, inputs):
    if hasattr(made, "reset_states"):
        made.reset_states()
    found = made.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0]))
    return found if isinstance(found, list) else [found]


def write(name, build, makers, training):
    made = build()
    settle(made)
    if training:
        made.compile("adam", "mse")
        inputs = makers[0](8)
        made.fit(inputs, RANDOM.rand(8, *made.predict(inputs).shape[1:]), epochs=training, verbose=0)
    path = FOLDER / (name + ".h5")
    made.save(str(path))
    runs = made
    if name == "cudnn":
        runs = cudnn_twin()
        runs.load_weights(str(path))
    cases = []
    for batch in BATCHES:
        inputs = [make(batch) for make in makers]
        outputs = predict(runs, inputs)
        cases.append({"inputs": record(made.input_names, inputs), "outputs": record(made.output_names, outputs)})
    return cases


def record(names, arrays):
    if len(set(names)) != len(arrays):
        raise ValueError(f"{len(arrays)} arrays called {names}")
    return {
        name: {
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii"),
        }
        for name, array in zip(names, arrays)  # noqa: B905
    }


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / "recorded.json"
    recorded = json.loads(file.read_text())["models"] if sys.argv[1:] else {}
    for name, (build, makers, training) in MODELS.items():
        if name in LEFT_OUT.get(NAME, "").split() or (sys.argv[1:] and name not in sys.argv[1:]):
            continue
        k.backend.clear_session()
        if tf.__version__.startswith("1."):  # so that operations that run on GPUs only may stay in the graph
            options = tf.GraphOptions(place_pruned_graph=True)
            session = tf.Session(config=tf.ConfigProto(graph_options=options))
            getattr(k.backend, "set_session", getattr(tf.keras.backend, "set_session", None))(session)
        try:
            recorded[name] = write(name, build, makers, training)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is printed
            print(NAME, "has no", name + ":", type(error).__name__, str(error).strip().splitlines()[:3])
            if (FOLDER / (name + ".h5")).exists():
                (FOLDER / (name + ".h5")).unlink()
    for name in IN_NEW_FORMAT:
        path = FOLDER / (name + ".h5")
        k.models.load_model(str(path), compile=False).save(str(path.with_suffix(".keras")))
    versions = {"keras": getattr(k, "__version__", tf.__version__), "tensorflow": tf.__version__}
    file.write_text(json.dumps({**versions, "models": recorded}, indent=1) + "\n")


if __name__ == "__main__":
    main()
