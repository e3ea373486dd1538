"""The network of deepcut 0.7.0, which cuts Thai text into words, for its weights ``cnn_without_ne_ab.h5``.

It looks at 21 characters and their kinds, and says whether a word begins at the one in the middle. Twelve convolutions
look at 1 to 12 characters; the largest of what they find counts. The layers are called as in the file.
"""

import keras
from keras import layers

CHARACTERS, KINDS, WINDOW = 178, 12, 21
FILTERS = [200] * 8 + [150] * 3 + [100]


def build():
    characters = keras.Input((WINDOW,), name="characters")
    kinds = keras.Input((WINDOW,), name="kinds")
    text = layers.Embedding(CHARACTERS, 32, name="embedding_1")(characters)
    text = layers.BatchNormalization(name="batch_normalization_1")(text)
    found = []
    for width, filters in enumerate(FILTERS, start=1):
        seen = layers.Conv1D(filters, width, activation="relu", name=f"conv1d_{width}")(text)
        seen = layers.TimeDistributed(layers.Dense(5), name=f"time_distributed_{width}")(seen)
        found.append(layers.ZeroPadding1D((0, width - 1))(seen))
    kind = layers.Embedding(KINDS, 12, name="embedding_2")(kinds)
    every = layers.Concatenate()([text, layers.Maximum()(found), kind])
    every = layers.Flatten()(layers.BatchNormalization(name="batch_normalization_2")(every))
    hidden = layers.Dense(100, activation="relu", name="dense_13")(every)
    return keras.Model([characters, kinds], layers.Dense(1, activation="sigmoid", name="dense_14")(hidden))
