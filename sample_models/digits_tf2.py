"""The model that the checkpoint in ``digits_tf2/`` belongs to; builds with TensorFlow 2.7 and with today's Keras.

A checkpoint holds weights and no graph: ``tfkit export sample_models/digits_tf2/digits-1 --model digits_tf2.py:build``.
"""

from tensorflow import keras

layers = keras.layers


def build() -> keras.Model:
    """``images`` float32[batch, 784] to ``scores`` float32[batch, 10]."""
    images = keras.Input((784,), name="images")
    hidden = layers.Reshape((28, 28, 1), name="square")(images)
    for number, filters in enumerate((8, 16), start=1):
        hidden = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv_{number}")(hidden)
        hidden = layers.BatchNormalization(name=f"norm_{number}")(hidden)
        hidden = layers.MaxPooling2D(3, name=f"pool_{number}")(layers.ReLU(name=f"relu_{number}")(hidden))
    hidden = layers.Dropout(0.3, name="dropout")(layers.Flatten(name="flat")(hidden))
    return keras.Model(images, layers.Dense(10, activation="softmax", name="scores")(hidden), name="digits_tf2")
