"""Makes the sample models, their held-out data and ``accuracies.json``; needs the ``samples`` dependency group.

    python sample_models/make_samples.py            # everything
    python sample_models/make_samples.py penguins   # some of: digits, penguins, sentences, wide_and_deep
    python sample_models/make_samples.py --digits build/digits_train.npz    # the digits to train on, for others

``make_old_samples.py`` makes the others, with old versions.
Every random choice is seeded. On another processor the last digits of the weights can differ, so that the outputs are
committed and nothing but this script changes them.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np

HERE = Path(__file__).resolve().parent
SEED = 20
DIGITS_HELD_OUT = 360
SCANS = 40
PENGUINS_HELD_OUT = 84
ISLANDS = ["Biscoe", "Dream", "Torgersen"]
SEXES = ["female", "male"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]
LIBRARIES = ["numpy", "pandas", "scipy", "sklearn"]
SENTENCES_HELD_OUT = 400
SENTENCE = re.compile(r"[A-Z][^.]*\.")
WORDS = 2000
YEARS = [2007, 2008, 2009]
MEASUREMENTS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def make_digits() -> dict[str, float]:
    """An MLP and a CNN."""
    train_images, test_images, train_labels, test_labels = split_digits()
    np.save(HERE / "digits_test.npy", test_images)
    np.save(HERE / "digits_test_labels.npy", test_labels.astype(np.int64))
    scans = np.rint(test_images[:SCANS] * 255).astype(np.uint8)
    np.save(HERE / "digits_scans_test.npy", scans.reshape(-1, 28, 28))

    accuracies = {}
    for name, build in {"digits_mlp": digits_mlp, "digits_cnn": digits_cnn}.items():
        model = train(build, train_images, train_labels, epochs=30)
        model.save(HERE / f"{name}.keras")
        accuracies[name] = accuracy(model.predict(test_images, verbose=0), test_labels)
    return accuracies


def split_digits() -> list[np.ndarray]:
    """scikit-learn's handwritten digits, brought from 8x8 to 28x28: images to train and to test on, then labels."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = zoom(digits.images / 16.0, (1, 3.5, 3.5), order=1).astype(np.float32).reshape(-1, 784)
    return train_test_split(images, digits.target, test_size=DIGITS_HELD_OUT, random_state=SEED, stratify=digits.target)


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


def make_sentences() -> dict[str, float]:
    """What sentence of its documentation is of which library."""
    from sklearn.model_selection import train_test_split

    found = [(text, label) for label, name in enumerate(LIBRARIES) for text in sentences_of(name)]
    texts, labels = np.array([text for text, _ in found]), np.array([label for _, label in found], dtype=np.int64)
    split = train_test_split(texts, labels, test_size=SENTENCES_HELD_OUT, random_state=SEED, stratify=labels)
    train_texts, test_texts, train_labels, test_labels = split
    (HERE / "sentences_test.txt").write_text("".join(f"{text}\n" for text in test_texts), encoding="utf-8")
    np.save(HERE / "sentences_test_labels.npy", test_labels)

    model = train(lambda: sentences(train_texts), as_tensor(train_texts[:, None]), train_labels, epochs=30)
    model.save(HERE / "sentences.keras")
    return {"sentences": accuracy(model.predict(as_tensor(test_texts[:, None]), verbose=0), test_labels)}


def sentences_of(library: str) -> list[str]:
    """The first sentences of the docstrings of a library's public functions, classes and methods, each once."""
    found: dict[str, None] = {}
    for module in public_modules(importlib.import_module(library)):
        for each in public_members(module):
            members = public_members(each) if inspect.isclass(each) else ()
            for documented in (each, *members):
                text = " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())
                if callable(documented) and SENTENCE.fullmatch(text) and 6 <= len(text.split()) <= 40:
                    found.setdefault(text)
    return list(found)


def public_modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.iter_modules(package.__path__):
        if not found.name.startswith("_") and found.name not in ("conftest", "tests", "testing", "experimental"):
            yield importlib.import_module(f"{package.__name__}.{found.name}")


def public_members(owner: Any) -> Iterator[Any]:
    for name in dir(owner):
        member = None if name.startswith("_") else getattr(owner, name, None)
        if callable(member):
            yield member


def sentences(examples: np.ndarray) -> keras.Model:
    """``text`` string[batch, 1] to ``scores`` float32[batch, 4]."""
    text = keras.Input((1,), name="text", dtype="string")
    words = keras.layers.TextVectorization(max_tokens=WORDS, output_sequence_length=40)
    words.adapt(examples)
    hidden = keras.layers.Embedding(WORDS, 12, mask_zero=True)(words(text))
    hidden = keras.layers.Dropout(0.4)(keras.layers.GlobalAveragePooling1D()(hidden))
    scores = keras.layers.Dense(len(LIBRARIES), activation="softmax", name="scores")(hidden)
    return keras.Model(text, scores, name="sentences")


def make_wide_and_deep() -> dict[str, float]:
    """The Palmer penguins again: species, island, year and measurements tell the sex."""
    from palmerpenguins import load_penguins
    from sklearn.model_selection import train_test_split

    table = load_penguins().dropna()
    labels = np.array([SEXES.index(each) for each in table.sex], dtype=np.int64)
    rows = table[["species", "island", "year", *MEASUREMENTS]]
    split = train_test_split(rows, labels, test_size=PENGUINS_HELD_OUT, random_state=SEED, stratify=labels)
    train_rows, test_rows, train_labels, test_labels = split
    test_rows.to_csv(HERE / "wide_and_deep_test.csv", index=False, lineterminator="\n")
    np.save(HERE / "wide_and_deep_test_labels.npy", test_labels)

    model = train(lambda: wide_and_deep(train_rows), columns(train_rows), train_labels, epochs=80)
    model.save(HERE / "wide_and_deep.keras")
    return {"wide_and_deep": accuracy(model.predict(columns(test_rows), verbose=0), test_labels)}


def columns(rows: Any) -> dict[str, Any]:
    """A table as the model takes it."""
    texts = {name: as_tensor(rows[[name]].to_numpy(np.str_)) for name in ("species", "island")}
    numbers = {name: rows[[name]].to_numpy(np.float32) for name in MEASUREMENTS}
    return {**texts, "year": rows[["year"]].to_numpy(np.int64), **numbers}


def wide_and_deep(examples: Any) -> keras.Model:
    """``species``, ``island`` string[batch, 1], ``year`` int64[batch, 1] and four measurements float32[batch, 1]."""
    layers = keras.layers
    dtypes = {"species": "string", "island": "string", "year": "int64", **dict.fromkeys(MEASUREMENTS, "float32")}
    inputs = {name: keras.Input((1,), name=name, dtype=dtype) for name, dtype in dtypes.items()}
    species = layers.StringLookup(vocabulary=SPECIES)(inputs["species"])
    island = layers.StringLookup(vocabulary=ISLANDS)(inputs["island"])
    year = layers.IntegerLookup(vocabulary=YEARS)(inputs["year"])
    scaling = layers.Normalization()
    scaling.adapt(examples[MEASUREMENTS].to_numpy(np.float32))

    pairs = ((inputs["species"], inputs["island"]), (inputs["species"], inputs["year"]))
    wide = layers.Concatenate()([layers.HashedCrossing(16, output_mode="one_hot")(pair) for pair in pairs])
    embedded = [layers.Flatten()(layers.Embedding(4, 3)(each)) for each in (species, island, year)]
    deep = layers.Concatenate()([*embedded, scaling(layers.Concatenate()([inputs[name] for name in MEASUREMENTS]))])
    deep = layers.Dense(16, activation="relu")(layers.Dense(32, activation="relu")(deep))
    scores = layers.Dense(len(SEXES), activation="softmax", name="scores")(layers.Concatenate()([wide, deep]))
    return keras.Model(inputs, scores, name="wide_and_deep")


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
    makers = {
        "digits": make_digits,
        "penguins": make_penguins,
        "sentences": make_sentences,
        "wide_and_deep": make_wide_and_deep,
    }
    parser.add_argument("which", nargs="*", choices=[*makers, []], help="all of them unless said")
    parser.add_argument("--digits", metavar="FILE.npz", help="only write the digits to train on, for others")
    given = parser.parse_args()
    if given.digits:
        images, _, labels, _ = split_digits()
        np.savez(given.digits, images=images, labels=labels)
        return
    chosen = given.which or list(makers)
    path = HERE / "accuracies.json"
    accuracies = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in chosen:
        accuracies |= makers[name]()
    path.write_text(json.dumps(accuracies, indent=4, sort_keys=True) + "\n", encoding="utf-8")
    print(path.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
