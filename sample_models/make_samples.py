"""Makes the sample models, their held-out data and ``accuracies.json``; needs the ``samples`` dependency group.

    python sample_models/make_samples.py            # everything
    python sample_models/make_samples.py penguins   # one of: digits, penguins

Every random choice is seeded. On another processor the last digits of the weights can differ, so that the outputs are
committed and nothing but this script changes them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

HERE = Path(__file__).resolve().parent
SEED = 20
DIGITS_HELD_OUT = 360
PENGUINS_HELD_OUT = 84
ISLANDS = ["Biscoe", "Dream", "Torgersen"]
SEXES = ["female", "male"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


def make_digits() -> dict[str, float]:
    """scikit-learn's handwritten digits, brought from 8x8 to 28x28: an MLP and a CNN."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = zoom(digits.images / 16.0, (1, 3.5, 3.5), order=1).astype(np.float32).reshape(-1, 784)
    split = train_test_split(
        images, digits.target, test_size=DIGITS_HELD_OUT, random_state=SEED, stratify=digits.target
    )
    train_images, test_images, train_labels, test_labels = split
    np.save(HERE / "digits_test.npy", test_images)
    np.save(HERE / "digits_test_labels.npy", test_labels.astype(np.int64))

    accuracies = {}
    for name, build in {"digits_mlp": digits_mlp, "digits_cnn": digits_cnn}.items():
        model = train(build, train_images, train_labels, epochs=30)
        model.save(HERE / f"{name}.keras")
        accuracies[name] = accuracy(model.predict(test_images, verbose=0), test_labels)
    return accuracies


def digits_mlp() -> keras.Model:
    """``keras_tensor`` float32[batch, 784] to ``dense_2`` float32[batch, 10]: the names Keras gives by default."""
    images = keras.Input((784,))
    hidden = keras.layers.Dense(128, activation="relu")(images)
    hidden = keras.layers.Dropout(0.3)(hidden)
    hidden = keras.layers.Dense(64, activation="relu")(hidden)
    return keras.Model(images, keras.layers.Dense(10, activation="softmax")(hidden), name="digits_mlp")


def digits_cnn() -> keras.Model:
    """``images`` float32[batch, 784] to ``scores`` float32[batch, 10]: names given in the model."""
    images = keras.Input((784,), name="images")
    hidden = keras.layers.Reshape((28, 28, 1))(images)
    for filters in (16, 32):
        hidden = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(hidden)
        hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.ReLU()(hidden)
        hidden = keras.layers.MaxPooling2D()(hidden)
    hidden = keras.layers.Flatten()(hidden)
    hidden = keras.layers.Dropout(0.3)(hidden)
    hidden = keras.layers.Dense(48, activation="relu")(hidden)
    scores = keras.layers.Dense(10, activation="softmax", name="scores")(hidden)
    return keras.Model(images, scores, name="digits_cnn")


def make_penguins() -> dict[str, float]:
    """The Palmer penguins: four integer measurements and two strings tell the species."""
    from palmerpenguins import load_penguins
    from sklearn.model_selection import train_test_split

    table = load_penguins().dropna(subset=["bill_length_mm"])
    # Bills are recorded in tenths of a millimetre, so that these are the measurements themselves and not rounded.
    columns = [
        np.rint(table.bill_length_mm * 10),
        np.rint(table.bill_depth_mm * 10),
        table.flipper_length_mm,
        table.body_mass_g,
    ]
    measurements = np.stack(columns, axis=1).astype(np.int64)
    traits = np.stack([table.island, table.sex.fillna("unknown")], axis=1).astype(np.str_)
    labels = np.array([SPECIES.index(each) for each in table.species], dtype=np.int64)
    split = train_test_split(
        measurements, traits, labels, test_size=PENGUINS_HELD_OUT, random_state=SEED, stratify=labels
    )
    train_measurements, test_measurements, train_traits, test_traits, train_labels, test_labels = split
    test = {"measurements": test_measurements, "traits": test_traits}
    np.savez(HERE / "penguins_test.npz", **test)
    np.save(HERE / "penguins_test_labels.npy", test_labels)

    def build() -> keras.Model:
        return penguins(train_measurements)

    train_inputs = {"measurements": train_measurements, "traits": as_tensor(train_traits)}
    model = train(build, train_inputs, train_labels, epochs=80)
    model.save(HERE / "penguins.keras")
    scores = model.predict({"measurements": test_measurements, "traits": as_tensor(test_traits)}, verbose=0)
    return {"penguins": accuracy(scores, test_labels)}


def penguins(examples: np.ndarray) -> keras.Model:
    """``measurements`` int64[batch, 4] and ``traits`` string[batch, 2] to ``scores`` float32[batch, 3]."""
    scaling = keras.layers.Normalization()
    scaling.adapt(examples)
    lookup = keras.layers.StringLookup(vocabulary=ISLANDS + SEXES, output_mode="multi_hot")
    inputs = {
        "measurements": keras.Input((4,), name="measurements", dtype="int64"),
        "traits": keras.Input((2,), name="traits", dtype="string"),
    }
    hidden = keras.layers.Concatenate()([scaling(inputs["measurements"]), lookup(inputs["traits"])])
    hidden = keras.layers.Dense(32, activation="relu")(hidden)
    return keras.Model(
        inputs, keras.layers.Dense(len(SPECIES), activation="softmax", name="scores")(hidden), name="penguins"
    )


def train(build: Any, inputs: Any, labels: np.ndarray, *, epochs: int) -> keras.Model:
    """Trains what ``build`` makes, through a second model of the same layers: its optimizer stays out of the file."""
    keras.utils.clear_session()  # automatic names start again at 0
    keras.utils.set_random_seed(SEED)
    model = build()
    trainer = keras.Model(model.input, model.output)
    trainer.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    trainer.fit(inputs, labels, batch_size=32, epochs=epochs, verbose=0)
    return model


def as_tensor(strings: np.ndarray) -> Any:
    """The strings as Keras takes them; of numpy's arrays it refuses those of text."""
    import tensorflow as tf

    return tf.constant(strings)


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """The share of rows whose highest score is the label's, as a plain number for JSON."""
    return round(float(np.mean(np.argmax(scores, axis=1) == labels)), 6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    makers = {"digits": make_digits, "penguins": make_penguins}
    parser.add_argument("which", nargs="*", choices=[*makers, []], help="all of them unless said")
    chosen = parser.parse_args().which or list(makers)
    path = HERE / "accuracies.json"
    accuracies = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in chosen:
        accuracies |= makers[name]()
    path.write_text(json.dumps(accuracies, indent=4, sort_keys=True) + "\n", encoding="utf-8")
    print(path.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
