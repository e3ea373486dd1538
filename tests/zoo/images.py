"""Images: resized, cropped, transformed, decoded."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tests.zoo.kinds import (
    RANDOM,
    Made,
    function,
    functional,
    given,
    integers,
    kind,
    layered,
    normal,
    rows,
    spec,
    uniform,
)


@kind
def preprocessed_image() -> Made:
    """Resizing of images of any size, Rescaling, Normalization."""
    x = keras.Input((None, None, 3), name="x")
    y = layers.Rescaling(1 / 127.5, offset=-1)(layers.Resizing(16, 16)(x))
    y = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0])(y)
    y = layers.Dense(3)(layers.Flatten()(layers.Conv2D(4, 3, strides=2)(y)))
    return functional(x, y, [*given(x=uniform(0, 255, 23, 19, 3)), *given(x=uniform(0, 255, 9, 31, 3))])


@kind
def uint8_image() -> Made:
    """uint8 in, resized to the nearest, cropped in the middle."""
    stack = [
        layers.Resizing(24, 24, interpolation="nearest"), layers.Rescaling(1 / 255.0), layers.CenterCrop(20, 20),
        layers.Conv2D(4, 3, strides=2), layers.Flatten(), layers.Dense(3),
    ]  # fmt: skip
    return layered((40, 40, 3), stack, given(x=integers(0, 256, 40, 40, 3, dtype="uint8")), "uint8")


@kind
def upsampling() -> Made:
    """UpSampling2D: nearest, bilinear, bicubic, between convolutions."""
    stack = [
        layers.UpSampling2D(2), layers.Conv2D(4, 3), layers.UpSampling2D(2, interpolation="bilinear"),
        layers.UpSampling2D((1, 2), interpolation="bicubic"), layers.Conv2D(1, 1, activation="sigmoid"),
    ]  # fmt: skip
    return layered((6, 6, 3), stack, given(x=normal(6, 6, 3)))


@kind
def resizing_kinds() -> Made:
    """tf.image.resize in every way but the antialiased, larger and smaller."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = {}
        for method in ("bilinear", "nearest", "bicubic", "area"):
            outputs[f"{method}_up"] = tf.image.resize(x, (13, 11), method)
            outputs[f"{method}_down"] = tf.image.resize(x, (3, 5), method)
        return outputs

    return function(serve, [spec("float32", None, None, 2)], [*given(x=normal(7, 6, 2)), *given(x=normal(4, 9, 2))])


@kind
def antialiased() -> Made:
    """tf.image.resize with antialias: ScaleAndTranslate."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            method: tf.image.resize(x, (5, 7), method, antialias=True)
            for method in ("bilinear", "bicubic", "lanczos3", "gaussian", "mitchellcubic")
        }

    return function(serve, [spec("float32", 12, 10, 2)], given(x=normal(12, 10, 2)))


@kind
def transforms() -> Made:
    """keras.ops.image: resized, cropped, greyed, transformed affinely."""
    x = keras.Input((10, 10, 3), name="x")
    outputs = {
        "bicubic": ops.image.resize(x, (12, 9), interpolation="bicubic"),
        "grey": ops.image.rgb_to_grayscale(x),
        "affine": ops.image.affine_transform(x, ops.array([1.0, 0.1, 0.0, 0.05, 1.0, 0.2, 0.0, 0.0])),
        "cropped": ops.image.crop_images(x, top_cropping=1, left_cropping=1, target_height=4, target_width=4),
        "padded": ops.image.pad_images(x, top_padding=1, left_padding=2, target_height=14, target_width=14),
    }
    return functional(x, outputs, given(x=normal(10, 10, 3)))


@kind
def affine_fills() -> Made:
    """Affine transforms with every fill mode and interpolation."""
    x = keras.Input((9, 8, 2), name="x")
    turn = ops.array([0.9, 0.3, -1.0, -0.3, 0.9, 2.0, 0.0, 0.0])
    outputs = {
        f"{how}_{fill}": ops.image.affine_transform(x, turn, interpolation=how, fill_mode=fill, fill_value=0.5)
        for how in ("nearest", "bilinear")
        for fill in ("constant", "nearest", "wrap", "reflect")
    }
    return functional(x, outputs, given(x=normal(9, 8, 2)))


@kind
def colours() -> Made:
    """HSV and back, brightness, contrast, gamma, flips, turns."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        hsv = tf.image.rgb_to_hsv(x)
        return {
            "hsv": hsv,
            "rgb": tf.image.hsv_to_rgb(hsv * [0.5, 0.9, 0.8]),
            "contrast": tf.image.adjust_contrast(x, 1.7),
            "hue": tf.image.adjust_hue(x, 0.2),
            "saturated": tf.image.adjust_saturation(x, 0.4),
            "gamma": tf.image.adjust_gamma(x, 0.7),
            "standard": tf.image.per_image_standardization(x),
            "turned": tf.image.rot90(tf.image.flip_left_right(x)),
            "central": tf.image.central_crop(x, 0.5),
            "padded": tf.image.resize_with_pad(x, 9, 14),
        }

    return function(serve, [spec("float32", 8, 8, 3)], given(x=uniform(0, 1, 8, 8, 3)))


@kind
def boxes() -> Made:
    """crop_and_resize, and non-maximum suppression over boxes that come in."""

    def serve(x: tf.Tensor, boxes: tf.Tensor, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        crops = tf.image.crop_and_resize(x, boxes, tf.range(tf.shape(x)[0]), (4, 4))
        kept = tf.image.non_max_suppression(boxes, scores, 3, iou_threshold=0.4)
        padded = tf.image.non_max_suppression_padded(
            boxes[tf.newaxis], scores[tf.newaxis], 4, 0.4, 0.1, pad_to_max_output_size=True
        )
        return {"crops": crops, "kept": kept, "padded": padded[0], "valid": padded[1]}

    box = rows(
        [0.0, 0.0, 0.8, 0.8], [0.0, 0.0, 0.7, 0.9], [0.5, 0.5, 1.0, 1.0], [0.1, 0.2, 0.4, 0.9], [0.5, 0.4, 1.0, 1.0]
    )
    return function(
        serve,
        [spec("float32", 8, 8, 3), spec("float32", 4), spec()],
        given(x=normal(8, 8, 3), boxes=box, scores=uniform(0.2, 1)),
    )


@kind
def combined_suppression() -> Made:
    """combined_non_max_suppression, as detectors end."""

    def serve(boxes: tf.Tensor, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.image.combined_non_max_suppression(boxes[:, :, tf.newaxis], scores, 4, 6, 0.5, 0.3)
        return {
            name: getattr(found, name) for name in ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections")
        }

    def corners(size: int) -> np.ndarray:
        low = RANDOM.uniform(0, 0.5, (size, 9, 2))
        return np.concatenate([low, low + RANDOM.uniform(0.1, 0.5, low.shape)], -1).astype(np.float32)

    return function(
        serve, [spec("float32", 9, 4), spec("float32", 9, 3)], given(boxes=corners, scores=uniform(0, 1, 9, 3))
    )


@kind
def decoded_images() -> Made:
    """JPEG, PNG and whatever it is, decoded one by one and resized."""

    def decode(data: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(data, channels=3, expand_animations=False)
        return tf.image.resize(tf.ensure_shape(image, [None, None, 3]), (6, 6))

    def serve(data: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.map_fn(decode, data, fn_output_signature=tf.float32)}

    def files(size: int) -> np.ndarray:
        pictures = [RANDOM.randint(0, 255, (8 + at, 10, 3)).astype("u1") for at in range(size)]
        encoders = (tf.io.encode_png, tf.io.encode_jpeg)
        return np.array([encoders[at % 2](picture).numpy() for at, picture in enumerate(pictures)], object)

    return function(serve, [spec("string")], given(data=files))


@kind
def decoded_jpegs() -> Made:
    """Only JPEGs, decoded one by one."""

    def serve(data: tf.Tensor) -> dict[str, tf.Tensor]:
        def decode(each: tf.Tensor) -> tf.Tensor:
            return tf.image.resize(tf.io.decode_jpeg(each, channels=3, dct_method="INTEGER_ACCURATE"), (6, 6))

        return {"y": tf.map_fn(decode, data, fn_output_signature=tf.float32)}

    def files(size: int) -> np.ndarray:
        pictures = [RANDOM.randint(0, 255, (16, 16, 3)).astype("u1") for _ in range(size)]
        return np.array([tf.io.encode_jpeg(picture, quality=95).numpy() for picture in pictures], object)

    return function(serve, [spec("string")], given(data=files))
