"""``tfkit.lower.rules.resize`` and ``scale_and_translate``: images in another size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(5)
# Images, and the size they get: larger, smaller, the same, odd ones.
CALLS = [((2, 5, 7, 3), (8, 9)), ((1, 12, 9, 3), (5, 4)), ((1, 4, 4, 3), (4, 4)), ((3, 1, 6, 3), (3, 1))]


def calls(dtype: str) -> list[tuple[Any, Any]]:
    return [((RANDOM.random(shape) * 250).astype(dtype), np.array(size, np.int32)) for shape, size in CALLS]


def resize(tf: Any, images: Any, size: Any) -> Any:
    raw = {"images": images, "size": size, "half_pixel_centers": True}
    return (
        tf.raw_ops.ResizeBilinear(**raw),
        tf.raw_ops.ResizeBicubic(**raw),
    )


def resize_to_nearest(tf: Any, images: Any, size: Any) -> Any:
    return tf.raw_ops.ResizeNearestNeighbor(images=images, size=size, half_pixel_centers=True)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int32", "float16"])
def test_interpolated(prove: Prove, dtype: str) -> None:
    prove(resize, *calls(dtype), tolerance=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "float16"])
def test_to_the_nearest(prove: Prove, dtype: str) -> None:
    prove(resize_to_nearest, *calls(dtype))


METHODS = ["bilinear", "bicubic", "area", "nearest", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"]


def antialiased(tf: Any, images: Any, size: Any) -> Any:
    return [tf.image.resize(images, size, method, antialias=True) for method in METHODS]


def translated(tf: Any, images: Any, size: Any) -> Any:
    return [
        tf.raw_ops.ScaleAndTranslate(
            images=images,
            size=size,
            scale=tf.constant([0.7, 1.6]),
            translation=tf.constant([1.5, -3.25]),
            kernel_type=kernel,
            antialias=antialias,
        )
        for kernel in ("lanczos1", "lanczos3", "box", "triangle", "keyscubic")
        for antialias in (True, False)
    ]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("function", [antialiased, translated])
def test_without_aliasing(prove: Prove, function: Any, dtype: str) -> None:
    prove(function, *calls(dtype), tolerance=2e-6)
